"""`ste self-instruct` on an engine that a test scripts."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.cli.self_instruct import describe_new
from ste_fairseq2.errors import (
    ConfigError,
    EmptyDataError,
    EngineError,
    PromptFileError,
    QuarantineLimitError,
    ResumeMismatchError,
)
from ste_fairseq2.store import read_manifest
from ste_fairseq2.synthesis.respond import RespondConfig, run_respond
from ste_fairseq2.synthesis.select import run_select
from ste_fairseq2.synthesis.select_config import SelectConfig
from ste_fairseq2.synthesis.self_instruct import SelfInstructConfig, run_self_instruct

WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa")
SEEDS = [{"id": f"s{n}", "instruction": f"Tell {word} apart from {n}"} for n, word in enumerate(WORDS)]

_ITEM = re.compile(r"^(\d+)\. (.*)$", re.MULTILINE)


@pytest.fixture
def configure(tiny_model: Path, tmp_path: Path, write_rows: Any) -> Callable[..., SelfInstructConfig]:
    def make(*rows: Any, **fields: Any) -> SelfInstructConfig:
        values = {"model": str(tiny_model), "output": tmp_path / "out", "count": 6, "batch": 3}
        if "inputs" not in fields:
            values["inputs"] = write_rows(*(rows or SEEDS))

        return SelfInstructConfig(**(values | fields))

    return make


def _number(request: Any) -> int:
    return int(request.id.removeprefix("new-"))


def _fresh(request: Any) -> tuple[str, str]:
    """Reply with words that no other reply has."""
    number = _number(request)

    return f"a{number} b{number} c{number} d{number}", "stop"


def _mixed(request: Any) -> tuple[str, str]:
    """Reply in all ways that there are, as its seed has it."""
    number = _number(request)
    word = random.Random(request.seed).choice(WORDS)

    return [
        (f"{number}. Ask {word} about n{number} and m{number}", "stop"),
        (f"Tell {word} apart from everything", "stop"),
        (f"Sing {word} and {word} again", "stop"),
        ("", "stop"),
        (f"on and on, {word}", "length"),
        (f"Draw {word} x{number}", "stop"),
    ][number % 6]


def _folder(folder: Path) -> dict[str, str]:
    """Everything that a run leaves but what tells the time."""
    found = {path.name: path.read_text() for path in folder.glob("*.jsonl")}
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["details"].pop("seconds_of_last_run", None)
    manifest["details"].pop("engine", None)
    found["manifest.json"] = json.dumps(manifest)
    assert not (folder / ".work").exists()

    return found


def test_each_reply_is_a_new_instruction_or_has_a_reason(
    script_engine: Any, configure: Any, read_folder: Any
) -> None:
    replies = {
        0: ("9. Name a river in France.\n10. Name a lake.", "stop"),
        1: ("Name a river in Spain.", "stop"),  # name, a, river, in: of five and five words, 0.8
        2: ("Tell alpha apart from him", "stop"),  # four of five words of s0: 0.8
        3: ("Name rivers", "stop"),
        4: ("one two three four five six seven eight nine", "stop"),
        5: ("Draw a blue cat", "stop"),
        6: ("9. ", "stop"),
        7: ("Describe the long", "length"),
        8: ("Explain tides to somebody", "stop"),
        9: ("What is 12 plus 7?", "stop"),
        10: ("Why do owls hoot?", "stop"),
        11: ("Name a river in Italy", "stop"),
    }
    script_engine(lambda request: replies[_number(request)])
    config = configure(*SEEDS, "{", count=3, batch=12, max_words=8, quarantine_limit=0.5)

    outcome = run_self_instruct(config)

    kept = read_folder(config.output)
    assert {i: row["instruction"] for i, row in kept.items()} == {
        "new-000000": "Name a river in France.",
        "new-000008": "Explain tides to somebody",
        "new-000009": "What is 12 plus 7?",
    }
    assert all(row["source"] == "self-instruct" and len(row["shots"]) == 8 for row in kept.values())
    assert kept["new-000008"]["num_output_tokens"] == 4
    dropped = read_folder(config.output, "dropped")
    assert {int(i[-2:]): row["reason"] for i, row in dropped.items()} == {
        1: "similar",
        2: "similar",
        3: "too_few_words",
        4: "too_many_words",
        5: "banned_word",
        6: "empty",
        7: "truncated",
        10: "enough",
        11: "similar",
    }
    assert (dropped["new-000001"]["similar_to"], dropped["new-000001"]["similarity"]) == (
        "new-000000",
        0.8,
    )
    assert dropped["new-000001"]["instruction"] == "Name a river in Spain."
    assert (dropped["new-000002"]["similar_to"], dropped["new-000002"]["similarity"]) == ("s0", 0.8)
    assert dropped["new-000007"]["reply"] == "Describe the long"
    assert outcome.manifest.counts == {
        "kept": 3,
        "malformed": 1,
        "similar": 3,
        "too_few_words": 1,
        "too_many_words": 1,
        "banned_word": 1,
        "empty": 1,
        "truncated": 1,
        "enough": 1,
    }
    details = outcome.manifest.details
    assert details["summary"] == {"wanted": 3, "replies": 12, "batches": 4}
    assert details["prompt"] == "self-instruct"
    assert details["inputs"] == {"path": config.inputs}
    total = sum(row["num_output_tokens"] for row in (*kept.values(), *dropped.values()))
    assert details["tokens"]["num_output_tokens"] == total
    assert set(outcome.manifest.digests) == {"model", "data", "prompt"}
    assert describe_new(outcome).splitlines()[:2] == [
        "wanted: 3 (asked for 12 replies in 4 batches)",
        "kept: 3",
    ]


def test_a_prompt_shows_what_was_given_and_what_was_written_before(
    script_engine: Any, configure: Any, read_folder: Any, renderer: ChatRenderer
) -> None:
    started = script_engine(_fresh)
    config = configure()

    run_self_instruct(config)

    kept = read_folder(config.output)
    seeds = {row["id"]: row["instruction"] for row in SEEDS}
    texts = seeds | {i: row["instruction"] for i, row in kept.items()}
    for request in started[0].requests:
        shots = kept[request.id]["shots"]
        shown = renderer.decode(request.prompt_ids)
        assert _ITEM.findall(shown) == [(str(n), texts[i]) for n, i in enumerate(shots, start=1)]
        assert len(set(shots)) == len(shots) == 8
        written = [i for i in shots if i not in seeds]
        assert len(written) == (0 if _number(request) < 3 else 2)
        assert all(int(i[-6:]) < _number(request) // 3 * 3 for i in written)
    orders = {tuple(row["shots"]) for row in kept.values()}
    assert len(orders) == 6
    assert started[0].requests[0].sampling.temperature == 0.6
    assert started[0].requests[0].sampling.top_p == 0.9


def test_few_seeds_are_all_shown(script_engine: Any, configure: Any, read_folder: Any) -> None:
    script_engine(_fresh)
    config = configure(*SEEDS[:3])

    run_self_instruct(config)

    assert [len(row["shots"]) for row in read_folder(config.output).values()] == [3, 3, 3, 5, 5, 5]


@pytest.mark.parametrize("in_flight", [1, 2, 7])
def test_the_order_of_completions_does_not_matter(
    script_engine: Any, configure: Any, tmp_path: Path, in_flight: int
) -> None:
    fields = {"count": 20, "batch": 7, "max_replies": 60}
    script_engine(_mixed)
    first = configure(output=tmp_path / "one", **fields)
    run_self_instruct(first)
    script_engine(_mixed, max_in_flight=in_flight)
    second = configure(output=tmp_path / "other", **fields)
    run_self_instruct(second)

    assert _folder(first.output) == _folder(second.output)


def test_the_order_of_seeds_does_not_matter(
    script_engine: Any, configure: Any, read_folder: Any, tmp_path: Path
) -> None:
    script_engine(_mixed)
    found = []
    for name, rows in (("one", SEEDS), ("other", SEEDS[::-1])):
        config = configure(*rows, output=tmp_path / name, max_replies=30)
        run_self_instruct(config)
        found.append((read_folder(config.output), read_folder(config.output, "dropped")))

    assert found[0] == found[1]


def _failing(answer: Callable[[Any], tuple[str, str]], after: int) -> Callable[[Any], tuple[str, str]]:
    calls = iter(range(after))

    def fail(request: Any) -> tuple[str, str]:
        if next(calls, None) is None:
            raise EngineError("out of memory")
        return answer(request)

    return fail


@pytest.mark.parametrize("after", [0, 1, 6, 7, 8, 13, 14, 20, 34])
def test_it_goes_on_where_it_failed(
    script_engine: Any, configure: Any, tmp_path: Path, after: int
) -> None:
    """At the boundary of a batch (seven replies) and within one; no reply is asked for twice."""
    fields = {"count": 20, "batch": 7, "max_replies": 40}
    unbroken = script_engine(_mixed)
    whole = configure(output=tmp_path / "whole", **fields)
    run_self_instruct(whole)

    config = configure(output=tmp_path / "broken", **fields)
    first = script_engine(_failing(_mixed, after))
    with pytest.raises(EngineError):
        run_self_instruct(config)
    assert read_manifest(config.output) is None
    second = script_engine(_mixed)
    run_self_instruct(config)

    assert _folder(config.output) == _folder(whole.output)
    asked = [*first[0].requests, *second[0].requests]
    num_lost = len(first[0].requests) - after
    assert len(asked) == len(unbroken[0].requests) + num_lost
    assert {(r.id, r.seed, r.prompt_ids) for r in asked} == {
        (r.id, r.seed, r.prompt_ids) for r in unbroken[0].requests
    }


def _cut(folder: Path, kept: int, dropped: int) -> None:
    """Leave the first lines of each file, as a kill between two writes does."""
    (folder / "manifest.json").unlink()
    for prefix, number in (("records", kept), ("dropped", dropped)):
        path = folder / f"{prefix}-00000.jsonl"
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[:number]))


def _prefixes(folder: Path) -> Iterator[tuple[int, int]]:
    """Yield how much of the files there is after each write."""
    files = {
        prefix: [json.loads(line)["id"] for line in (folder / f"{prefix}-00000.jsonl").open()]
        for prefix in ("records", "dropped")
    }
    written = sorted((i, prefix) for prefix, ids in files.items() for i in ids)
    counts = {"records": 0, "dropped": 0}
    yield (0, 0)
    for _, prefix in written:
        counts[prefix] += 1
        yield (counts["records"], counts["dropped"])


def test_killed_between_any_two_writes_it_ends_the_same(
    script_engine: Any, configure: Any, tmp_path: Path
) -> None:
    script_engine(_mixed)
    whole = configure(output=tmp_path / "whole", count=5, batch=4, max_replies=40)
    run_self_instruct(whole)
    expected = _folder(whole.output)
    assert '"enough"' in expected["dropped-00000.jsonl"]

    for number, (kept, dropped) in enumerate(_prefixes(whole.output)):
        config = configure(output=tmp_path / f"cut{number}", count=5, batch=4, max_replies=40)
        shutil.copytree(whole.output, config.output)
        _cut(config.output, kept, dropped)
        run_self_instruct(config)
        assert _folder(config.output) == expected, (kept, dropped)


def test_killed_before_the_manifest_it_starts_no_engine(script_engine: Any, configure: Any) -> None:
    config = configure()
    script_engine(_fresh)
    run_self_instruct(config)
    expected = _folder(config.output)
    (config.output / "manifest.json").unlink()
    (config.output / ".work").mkdir()

    engines = script_engine(_fresh)
    outcome = run_self_instruct(config)

    assert not engines
    assert not outcome.was_complete
    assert _folder(config.output) == expected
    assert run_self_instruct(config).was_complete


def test_tokens_of_undecided_replies_count(
    script_engine: Any,
    scripted_engine: Any,
    configure: Any,
    read_folder: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A budget knows of what was spent on a batch that did not end."""
    config = configure(count=8, batch=8)
    script_engine(_failing(_fresh, 5))
    with pytest.raises(EngineError):
        run_self_instruct(config)
    finished = read_folder(config.output / ".work", "replies")
    assert len(finished) == 5
    assert not read_folder(config.output)
    spent = []

    def start(_config: Any, _stops: Any, tokens: int) -> Any:
        spent.append(tokens)
        return scripted_engine(_fresh)

    monkeypatch.setattr("ste_fairseq2.engines.start.start_engine", start)
    run_self_instruct(config)

    kept = read_folder(config.output)
    assert len(kept) == 8
    costs = [kept[i]["num_prompt_tokens"] + kept[i]["num_output_tokens"] for i in finished]
    assert spent == [sum(costs)]


def test_a_model_that_repeats_itself_comes_to_an_end(
    script_engine: Any, configure: Any, read_folder: Any
) -> None:
    script_engine(lambda _: ("Name a river in France.", "stop"))
    config = configure(count=4)

    outcome = run_self_instruct(config)

    assert outcome.manifest.counts == {"kept": 1, "malformed": 0, "similar": 39}
    assert outcome.manifest.details["summary"] == {"wanted": 4, "replies": 40, "batches": 14}
    assert "14 batches; the replies have run out" in describe_new(outcome)


def test_nothing_at_all_is_an_error_with_the_counts(script_engine: Any, configure: Any) -> None:
    script_engine(lambda _: ("no", "stop"))
    config = configure(count=2, max_replies=5)

    with pytest.raises(EmptyDataError, match="kept: 0, malformed: 0, too_few_words: 5"):
        run_self_instruct(config)
    engines = script_engine()
    with pytest.raises(EmptyDataError, match="too_few_words: 5"):
        run_self_instruct(config)
    assert not engines


def test_prompts_that_the_model_cannot_be_asked_are_dropped(
    script_engine: Any, configure: Any, read_folder: Any
) -> None:
    script_engine(_fresh, max_model_len=3000)
    long = {"id": "long", "instruction": "word " * 3000}
    config = configure(*SEEDS, long, shots=3, max_replies=12)

    outcome = run_self_instruct(config)

    dropped = read_folder(config.output, "dropped")
    assert {row["reason"] for row in dropped.values()} == {"too_long"}
    assert outcome.manifest.counts["too_long"] == len(dropped)
    assert all("long" not in row["shots"] for row in read_folder(config.output).values())


def test_the_output_is_read_by_other_stages(
    script_engine: Any, configure: Any, read_folder: Any, tmp_path: Path, tiny_model: Path
) -> None:
    script_engine(_fresh)
    config = configure()
    run_self_instruct(config)
    texts = {i: row["instruction"] for i, row in read_folder(config.output).items()}

    script_engine(lambda _: ("an answer", "stop"))
    responses = tmp_path / "responses"
    run_respond(RespondConfig(inputs=str(config.output), model=str(tiny_model), output=responses))
    run_select(SelectConfig(inputs=str(config.output), output=tmp_path / "selected"))

    assert {i: row["instruction"] for i, row in read_folder(responses).items()} == texts
    assert read_manifest(responses).details["inputs"]["stage"] == "self-instruct"  # type: ignore[union-attr]
    selected = read_folder(tmp_path / "selected")
    assert {i: row["instruction"] for i, row in selected.items()} == texts


def test_sft_rows_are_seeds(script_engine: Any, configure: Any, read_folder: Any) -> None:
    rows = [
        {
            "id": row["id"],
            "src": "",
            "tgt": "x",
            "messages": [{"role": "user", "content": row["instruction"]}],
        }
        for row in SEEDS
    ]
    script_engine(
        lambda request: (SEEDS[0]["instruction"], "stop") if _number(request) else _fresh(request)
    )
    config = configure(*rows, count=1, batch=2, max_replies=2)

    run_self_instruct(config)

    [row] = read_folder(config.output).values()
    assert set(row["shots"]) <= {seed["id"] for seed in SEEDS}


def test_too_many_malformed_rows_begin_nothing(script_engine: Any, configure: Any) -> None:
    engines = script_engine()

    with pytest.raises(QuarantineLimitError, match="1 of 11 rows"):
        run_self_instruct(configure(*SEEDS, {"messages": []}))

    assert not engines


@pytest.mark.parametrize(
    "fields", [{"count": 7}, {"shots": 5}, {"max_similarity": 0.5}, {"banned_words": ()}]
)
def test_another_configuration_is_refused_by_name(
    script_engine: Any, configure: Any, fields: dict[str, Any]
) -> None:
    script_engine(_fresh)
    run_self_instruct(configure())

    with pytest.raises(ResumeMismatchError, match=f"`{next(iter(fields))}`"):
        run_self_instruct(configure(**fields))


def test_a_prompt_without_its_field_is_refused(configure: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.prompt").write_text("Write an instruction.")

    with pytest.raises(PromptFileError, match=r"add \{examples\}"):
        run_self_instruct(configure(prompt=str(tmp_path / "mine.prompt")))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"count": 0}, "`count` must be at least 1"),
        ({"shots": 0}, "`shots` must be at least 1"),
        ({"batch": 0}, "`batch` must be at least 1"),
        ({"min_words": 0}, "`min_words` must be at least 1"),
        ({"new_shots": -1}, "`new_shots` must be at least 0 and below `shots`"),
        ({"shots": 2}, r"`new_shots` must be at least 0 and below `shots` \(2\)"),
        ({"max_replies": 5}, r"`max_replies` must be at least `count` \(6\)"),
        ({"max_similarity": 0.0}, "`max_similarity` must be above 0"),
        ({"max_similarity": 1.1}, "`max_similarity` must be above 0 and at most 1"),
        ({"max_words": 2}, r"`max_words` must be at least `min_words` \(3\)"),
        ({"banned_words": ("map", "?")}, r"`banned_words` must be words, but has '\?'"),
        ({"max_tokens": 0}, "`max_tokens` must be at least 1"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(
    configure: Any, fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        configure(**fields).validate()
    configure().validate()
