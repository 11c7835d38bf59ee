"""`ste respond` on an engine that a test scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.errors import (
    ChatTemplateError,
    ConfigError,
    EmptyDataError,
    EngineError,
    QuarantineLimitError,
    ResumeMismatchError,
)
from ste_fairseq2.store import read_manifest
from ste_fairseq2.synthesis.respond import RespondConfig, run_respond


@pytest.fixture
def configure(tiny_model: Path, tmp_path: Path) -> Callable[..., RespondConfig]:
    def make(inputs: str, **fields: Any) -> RespondConfig:
        values = {"inputs": inputs, "model": str(tiny_model), "output": tmp_path / "out"}

        return RespondConfig(**(values | fields))

    return make


def _answer_by_prompt(renderer: ChatRenderer) -> Callable[[Any], tuple[str, str]]:
    def answer(request: Any) -> tuple[str, str]:
        prompt = renderer.decode(request.prompt_ids)
        if "silence" in prompt:
            return " \n", "stop"
        if "endless" in prompt:
            return "on and on", "length"
        return f" an answer of {len(prompt)} characters ", "stop"

    return answer


def test_each_instruction_has_a_response_or_a_reason_for_none(
    script_engine: Any, write_rows: Any, read_folder: Any, configure: Any, renderer: ChatRenderer
) -> None:
    script_engine(_answer_by_prompt(renderer), max_model_len=900)
    inputs = write_rows(
        {"id": "a", "instruction": "Speak!", "category": "Coding", "source": "wild"},
        {"id": "b", "instruction": "silence"},
        {"id": "c", "instruction": "endless"},
        {"id": "d", "instruction": "word " * 1000},
        "{",
    )
    config = configure(inputs, quarantine_limit=0.5)

    outcome = run_respond(config)

    assert outcome.manifest.counts == {
        "kept": 1,
        "malformed": 1,
        "empty": 1,
        "truncated": 1,
        "too_long": 1,
    }
    [row] = read_folder(config.output).values()
    assert row["baseline"].startswith("an answer of ")
    assert not row["baseline"].endswith(" ")
    assert (row["id"], row["instruction"]) == ("a", "Speak!")
    assert (row["category"], row["source"]) == ("Coding", "wild")
    dropped = read_folder(config.output, "dropped")
    assert {i: r["reason"] for i, r in dropped.items()} == {
        "b": "empty",
        "c": "truncated",
        "d": "too_long",
    }
    assert dropped["c"]["reply"] == "on and on"
    assert "tokens, but the model takes 900" in dropped["d"]["sentence"]


def test_the_manifest_leads_back_to_what_it_was_made_with(
    script_engine: Any, write_rows: Any, configure: Any
) -> None:
    script_engine(lambda _: ("some words here", "stop"))
    inputs = write_rows(*({"instruction": f"q{n}"} for n in range(3)))

    manifest = run_respond(configure(inputs)).manifest

    assert manifest.stage == "respond"
    assert set(manifest.digests) == {"model", "data"}
    assert manifest.details["inputs"] == {"path": inputs}
    assert manifest.details["engine"] == {"name": "scripted"}
    assert manifest.details["tokens"]["num_output_tokens"] == 9


def test_what_was_dropped_is_not_tried_again(
    script_engine: Any, write_rows: Any, read_folder: Any, configure: Any
) -> None:
    """A run that fails in the middle goes on behind what it had finished, dropped ones included."""
    answered = []

    def fail_at_the_fifth(request: Any) -> tuple[str, str]:
        answered.append(request.id)
        if len(answered) == 5:
            raise EngineError("out of memory")
        return ("" if request.id in ("i0", "i1") else "yes"), "stop"

    config = configure(write_rows(*({"id": f"i{n}", "instruction": "q"} for n in range(9))))
    first = script_engine(fail_at_the_fifth)
    with pytest.raises(EngineError):
        run_respond(config)
    assert first[0].is_closed
    assert read_manifest(config.output) is None
    finished = {*read_folder(config.output), *read_folder(config.output, "dropped")}
    assert len(finished) == 4

    second = script_engine(lambda request: ("" if request.id in ("i0", "i1") else "yes", "stop"))
    outcome = run_respond(config)

    assert {r.id for r in second[0].requests} == {f"i{n}" for n in range(9)} - finished
    assert outcome.manifest.counts == {"kept": 7, "malformed": 0, "empty": 2}
    assert outcome.manifest.details["tokens"]["num_output_tokens"] == 7


def test_run_again_it_starts_no_engine(script_engine: Any, write_rows: Any, configure: Any) -> None:
    config = configure(write_rows({"instruction": "q"}))
    script_engine()
    run_respond(config)

    engines = script_engine()

    assert run_respond(config).was_complete
    assert not engines


def test_killed_before_the_manifest_it_only_writes_that(
    script_engine: Any, write_rows: Any, configure: Any
) -> None:
    config = configure(write_rows({"instruction": "q"}))
    script_engine()
    run_respond(config)
    (config.output / "manifest.json").unlink()

    engines = script_engine()
    outcome = run_respond(config)

    assert not engines
    assert outcome.manifest.counts == {"kept": 1, "malformed": 0}


@pytest.mark.parametrize(
    ("fields", "name"),
    [({"temperature": 0.1}, "temperature"), ({"seed": 3}, "seed"), ({"max_tokens": 9}, "max_tokens")],
)
def test_another_configuration_is_refused_by_name(
    script_engine: Any, write_rows: Any, configure: Any, fields: dict[str, Any], name: str
) -> None:
    inputs = write_rows({"instruction": "q"})
    script_engine()
    run_respond(configure(inputs))

    with pytest.raises(ResumeMismatchError, match=f"`{name}`"):
        run_respond(configure(inputs, **fields))


def test_nothing_but_failures_is_an_error_with_the_counts(
    script_engine: Any, write_rows: Any, configure: Any
) -> None:
    script_engine(lambda _: ("", "stop"))
    config = configure(write_rows({"instruction": "q"}, {"instruction": "r"}))

    with pytest.raises(EmptyDataError, match="empty: 2"):
        run_respond(config)
    # All has been tried: to say so again takes no model.
    engines = script_engine()
    with pytest.raises(EmptyDataError, match="empty: 2"):
        run_respond(config)
    assert not engines


def test_too_many_malformed_rows_begin_nothing(
    script_engine: Any, write_rows: Any, configure: Any
) -> None:
    engines = script_engine()
    config = configure(write_rows({"instruction": "q"}, {"instruction": ""}, {"prompt": "q"}))

    with pytest.raises(QuarantineLimitError, match="2 of 3 rows"):
        run_respond(config)

    assert not engines
    assert [path.name for path in config.output.iterdir()] == ["quarantine.jsonl"]


def test_a_model_without_a_chat_template_is_told_at_the_start(
    script_engine: Any,
    write_rows: Any,
    configure: Any,
    tiny_model: Path,
    tmp_path: Path,
) -> None:
    import shutil

    shutil.copytree(tiny_model, tmp_path / "base")
    (tmp_path / "base" / "chat_template.jinja").unlink()
    engines = script_engine()

    with pytest.raises(ChatTemplateError, match="this model has none"):
        run_respond(configure(write_rows({"instruction": "q"}), model=str(tmp_path / "base")))

    assert not engines


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"max_tokens": 0}, "`max_tokens` must be at least 1"),
        ({"limit": 0}, "`limit` must be at least 1"),
        ({"top_p": 0.0}, "`top_p` must be above 0"),
        ({"temperature": -1.0}, "`temperature` must not be negative"),
        ({"quarantine_limit": 2.0}, "`quarantine_limit` must be 0 to 1"),
        ({"data_parallel_size": 0}, "`data_parallel_size` must be at least 1"),
        ({"engine": "endpoint"}, "`endpoint` must be the server's base URL"),
        ({"endpoint": "http://x/v1"}, "`endpoint` is only used with `engine: endpoint`"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(
    configure: Any, fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        configure("in.jsonl", **fields).validate()


def test_several_responses_are_kept_apart(
    script_engine: Any, write_rows: Any, read_folder: Any, configure: Any
) -> None:
    started = script_engine(lambda request: (f"answer {request.id}", "stop"))
    config = configure(write_rows({"id": "a", "instruction": "Speak!"}), samples=3)

    outcome = run_respond(config)

    found = read_folder(config.output)
    assert outcome.manifest.counts["kept"] == 3
    assert {i: (r["baseline"], r["instruction_id"]) for i, r in found.items()} == {
        f"a:{n}": (f"answer a:{n}", "a") for n in range(3)
    }
    assert len({request.seed for request in started[0].requests}) == 3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"samples": 0}, "`samples` must be at least 1"),
        ({"samples": 2, "temperature": 0.0}, "`samples` above 1 are all the same at temperature 0"),
    ],
)
def test_samples_that_cannot_be_meant(fields: Any, message: str, configure: Any) -> None:
    with pytest.raises(ConfigError, match=message):
        configure("in.jsonl", **fields).validate()
