"""The stage on an engine that a test scripts; with vLLM itself: tests/unit/cli/test_judge_command.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.errors import (
    ConfigError,
    EmptyDataError,
    EngineError,
    QuarantineLimitError,
    ResumeMismatchError,
)
from ste_fairseq2.jsonl import read_rows
from ste_fairseq2.store import read_manifest
from ste_fairseq2.synthesis.judge import JudgeConfig, run_judge


@pytest.fixture
def configure(tiny_model: Path, tmp_path: Path) -> Callable[..., JudgeConfig]:
    def make(*rows: Any, **fields: Any) -> JudgeConfig:
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (tmp_path / "in.jsonl").write_text("".join(line + "\n" for line in lines))
        values = {
            "inputs": str(tmp_path / "in.jsonl"),
            "model": str(tiny_model),
            "output": tmp_path / "out",
        }
        return JudgeConfig(**(values | fields))

    return make


def _pair(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"p{number}", "input": f"q{number}", "response_a": "a", "response_b": "b"} | fields


def _rows(folder: Path) -> dict[str, dict[str, Any]]:
    rows = [row for path in folder.glob("records-*.jsonl") for row in read_rows(path)]
    assert len({row.text("id") for row in rows}) == len(rows)
    return {row.text("id"): dict(row.data) for row in rows}


def test_a_folder_holds_rows_and_a_manifest_that_leads_back(
    script_engine: Any, configure: Callable[..., JudgeConfig]
) -> None:
    script_engine()
    config = configure(_pair(0, label="A", subset="chat"), _pair(1, label="B"))

    outcome = run_judge(config)

    assert outcome.summary.accuracy == 0.5
    rows = _rows(config.output)
    assert rows["p0"]["subset"] == "chat"
    assert [rows[i]["index"] for i in ("p0", "p1")] == [0, 1]
    manifest = read_manifest(config.output)
    assert manifest is not None
    assert manifest.counts == {"kept": 2, "malformed": 0}
    assert set(manifest.digests) == {"model", "data", "prompt"}
    assert manifest.digests["prompt"] == rows["p0"]["prompt_digest"]
    assert manifest.details["engine"] == {"name": "scripted"}


def test_a_failed_run_goes_on_where_it_was(
    script_engine: Any, configure: Callable[..., JudgeConfig]
) -> None:
    config = configure(*(_pair(n) for n in range(9)))
    answered = []

    def fail_at_the_fifth(request: Any) -> tuple[str, str]:
        answered.append(request.id)
        if len(answered) == 5:
            raise EngineError("out of memory")
        return "[[A]]", "stop"

    first = script_engine(fail_at_the_fifth)
    with pytest.raises(EngineError):
        run_judge(config)
    assert first[0].is_closed
    assert len(_rows(config.output)) == 4
    assert read_manifest(config.output) is None

    second = script_engine()
    outcome = run_judge(config)

    assert sorted(_rows(config.output)) == [f"p{n}" for n in range(9)]
    assert len(second[0].requests) == 5
    assert outcome.summary.num_judgements == 9


def test_a_complete_folder_starts_no_engine(
    script_engine: Any, configure: Callable[..., JudgeConfig]
) -> None:
    config = configure(_pair(0))
    script_engine()
    run_judge(config)

    engines = script_engine()
    outcome = run_judge(config)

    assert outcome.stage.was_complete
    assert outcome.summary.num_judgements == 1
    assert not engines


def test_another_configuration_is_refused(
    script_engine: Any, configure: Callable[..., JudgeConfig]
) -> None:
    script_engine()
    run_judge(configure(_pair(0)))

    with pytest.raises(ResumeMismatchError, match="`max_tokens`"):
        run_judge(configure(_pair(0), max_tokens=7))
    with pytest.raises(ResumeMismatchError, match="`data_digest`"):
        run_judge(configure(_pair(1)))
    with pytest.raises(ResumeMismatchError, match="`dtype`"):
        run_judge(configure(_pair(0), engine_options={"dtype": "float32"}))


def test_other_hardware_is_not_another_configuration(
    script_engine: Any, configure: Callable[..., JudgeConfig]
) -> None:
    script_engine()
    run_judge(configure(_pair(0)))
    options = {"gpu_memory_utilization": "0.5"}

    assert run_judge(
        configure(_pair(0), tensor_parallel_size=2, engine_options=options)
    ).stage.was_complete


def test_malformed_rows_are_set_aside_with_their_place(
    script_engine: Any, configure: Callable[..., JudgeConfig]
) -> None:
    script_engine()
    config = configure(_pair(0), "{", _pair(2), quarantine_limit=0.5)

    outcome = run_judge(config)

    assert outcome.stage.manifest.counts == {"kept": 2, "malformed": 1}
    [aside] = map(json.loads, (config.output / "quarantine.jsonl").read_text().splitlines())
    assert (aside["source"], aside["line"]) == (config.inputs, 2)


def test_too_many_malformed_rows_begin_nothing(
    script_engine: Any, configure: Callable[..., JudgeConfig]
) -> None:
    engines = script_engine()
    config = configure(_pair(0), "{", _pair(2))

    with pytest.raises(QuarantineLimitError, match="1 of 3 rows"):
        run_judge(config)

    assert not engines
    assert [path.name for path in config.output.iterdir()] == ["quarantine.jsonl"]


def test_prompts_that_are_too_long_are_counted(
    script_engine: Any, configure: Callable[..., JudgeConfig]
) -> None:
    script_engine(max_model_len=900)
    config = configure(_pair(0), _pair(1, response_a="word " * 900))

    outcome = run_judge(config)

    assert outcome.stage.manifest.counts == {"kept": 1, "malformed": 0, "too_long": 1}
    assert "tokens, but the model takes 900" in (config.output / "dropped-00000.jsonl").read_text()


def test_nothing_but_long_prompts_is_an_error_with_the_counts(
    script_engine: Any, configure: Callable[..., JudgeConfig]
) -> None:
    script_engine(max_model_len=900)
    config = configure(_pair(1, response_a="word " * 900))

    with pytest.raises(EmptyDataError, match="too_long: 1"):
        run_judge(config)
    assert read_manifest(config.output) is None


def test_an_empty_file_begins_nothing(script_engine: Any, configure: Callable[..., JudgeConfig]) -> None:
    script_engine()
    config = configure()

    with pytest.raises(EmptyDataError):
        run_judge(config)

    assert not config.output.exists()


def test_a_vote_is_written_with_its_samples(
    script_engine: Any, configure: Callable[..., JudgeConfig]
) -> None:
    script_engine(lambda request: ("[[A]]" if request.id.startswith("0:") else "[[B]]", "stop"))
    config = configure(_pair(0), samples=3, temperature=0.7)

    run_judge(config)

    row = _rows(config.output)["p0"]
    assert (row["verdict"], row["num_samples"], round(row["confidence"], 3)) == ("B", 3, 0.667)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"samples": 0}, "`samples` must be at least 1"),
        ({"limit": 0}, "`limit` must be at least 1"),
        ({"top_p": 0.0}, "`top_p` must be above 0"),
        ({"temperature": -1.0}, "`temperature` must not be negative"),
        ({"quarantine_limit": 2.0}, "`quarantine_limit` must be 0 to 1"),
        ({"prompt_key": "text", "both_orders": True}, "`both_orders` needs pairs"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(
    configure: Callable[..., JudgeConfig], fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        configure(_pair(0), **fields).validate()


def test_upstreams_own_examples_are_all_judged(
    script_engine: Any, configure: Callable[..., JudgeConfig], shared_data: Path
) -> None:
    script_engine()
    path = shared_data / "ram" / "example_inputs.jsonl"

    outcome = run_judge(configure(inputs=str(path)))

    assert outcome.stage.manifest.counts == {"kept": 466, "malformed": 0}
    assert sorted(row["index"] for row in _rows(outcome.stage.folder).values()) == list(range(466))
