"""`ste select` without a model, from rows to chosen instructions."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ste_fairseq2.errors import (
    EmptyDataError,
    FolderBusyError,
    MissingPathError,
    QuarantineLimitError,
    ResumeMismatchError,
)
from ste_fairseq2.rng import derived_seed
from ste_fairseq2.store import StageStore
from ste_fairseq2.store.folder import lock_folder
from ste_fairseq2.synthesis.select import run_select
from ste_fairseq2.synthesis.select_config import SelectConfig

WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa")

ROWS = [{"id": f"i{n}", "instruction": f"Question about {word}"} for n, word in enumerate(WORDS)]


@pytest.fixture
def configure(tmp_path: Path, write_rows: Any) -> Callable[..., SelectConfig]:
    def make(*rows: Any, **fields: Any) -> SelectConfig:
        if "inputs" not in fields:
            fields["inputs"] = write_rows(*(rows or ROWS))

        return SelectConfig(**({"output": tmp_path / "out"} | fields))

    return make


def test_a_seeded_choice_of_what_passes(configure: Any, read_folder: Any) -> None:
    rows = [
        *ROWS,
        {"id": "x", "instruction": "QUESTION about alpha!"},
        {"id": "y", "instruction": ""},
    ]
    config = configure(*rows, count=4)

    manifest = run_select(config).manifest

    expected = sorted((row["id"] for row in ROWS), key=lambda i: derived_seed(2, "select", i))[:4]
    records = read_folder(config.output)
    assert list(records) == expected
    first = expected[0]
    assert records[first] == {
        "id": first,
        "instruction": f"Question about {WORDS[int(first[1:])]}",
        "source": "in.jsonl",
    }
    assert manifest.counts == {
        "kept": 4,
        "not_chosen": 6,
        "exact_duplicate": 1,
        "empty": 1,
        "malformed": 0,
    }
    assert manifest.details["choice"] == "4 of 10 qualifying, by seed 2"
    assert sorted(p.name for p in config.output.iterdir()) == [
        ".lock",
        "config.json",
        "manifest.json",
        "records-00000.jsonl",
    ]


def test_wildchat_with_a_benchmark(
    configure: Any, read_folder: Any, write_rows: Any, tmp_path: Path
) -> None:
    def row(number: int, *contents: str, **fields: Any) -> dict[str, Any]:
        return {
            "conversation_hash": f"h{number}",
            "conversation": [{"content": c, "role": "user", "toxic": False} for c in contents],
            "turn": (len(contents) + 1) // 2,
            "language": "English",
            "toxic": False,
            "hashed_ip": "secret",
        } | fields

    long = " ".join(f"word{n}" for n in range(40))
    rows = [
        row(1, "hello", "hi", "Why is the sky blue?", "because"),
        row(2, "Why is the sky BLUE"),
        row(3, "an insult", toxic=True),
        row(4, "perché", language="Italian"),
        row(5, "cut", turn=3),
        row(6, long),
        row(7, f"{long} please"),
        row(8, "Which is the largest moon of Saturn?"),
        row(9, "hi"),
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "wild.parquet")
    benchmark = write_rows({"prompt": "Which is the largest moon of Saturn"}, name="bench.jsonl")
    config = configure(
        inputs=str(tmp_path / "wild.parquet"),
        languages=("English",),
        min_chars=3,
        benchmarks=(benchmark,),
        quarantine_limit=0.2,
    )

    manifest = run_select(config).manifest

    assert manifest.counts == {
        "kept": 2,
        "not_chosen": 0,
        "exact_duplicate": 1,
        "near_duplicate": 1,
        "toxic": 1,
        "language": 1,
        "malformed": 1,
        "contaminated": 1,
        "too_short": 1,
    }
    assert sum(manifest.counts.values()) == len(rows)
    records = read_folder(config.output)
    assert records["h1"] == {
        "id": "h1",
        "instruction": "Why is the sky blue?",
        "turn": 2,
        "language": "English",
        "source": "wild.parquet",
    }
    assert records.keys() == {"h1", "h6"}
    contamination = manifest.details["contamination"]
    assert contamination["hits"] == [
        {
            "id": "h8",
            "benchmark": benchmark,
            "kind": "exact",
            "text": "which is the largest moon of saturn",
        }
    ]
    assert contamination["benchmarks"][benchmark]["prompts"] == 1


def test_names_and_order_of_files_do_not_matter(
    configure: Any, read_folder: Any, tmp_path: Path
) -> None:
    rows = [
        *ROWS,
        *({"id": f"x{n}", "instruction": f"question ABOUT {w}"} for n, w in enumerate(WORDS)),
        *({"id": f"i{n}", "instruction": f"Another one on {w}"} for n, w in enumerate(WORDS)),
    ]
    results = []
    for name, order in (("one", rows), ("other", rows[::-1])):
        folder = tmp_path / name / "set"
        folder.mkdir(parents=True)
        for part in range(3):
            lines = "".join(json.dumps(row) + "\n" for row in order[part::3])
            (folder / f"{name}-{part}.jsonl").write_text(lines)
        config = configure(inputs=str(folder), output=tmp_path / name / "out", count=5)
        manifest = run_select(config).manifest
        records = read_folder(config.output)
        results.append((list(records.items()), manifest.counts))

    assert results[0] == results[1]


def test_the_hash_seed_does_not_matter(write_rows: Any, tmp_path: Path) -> None:
    long = " ".join(f"word{n}" for n in range(40))
    near = [{"id": f"x{n}", "instruction": f"{long} {word}"} for n, word in enumerate(WORDS)]
    inputs = write_rows(*ROWS, *near)
    written = set()
    for seed in ("1", "2"):
        output = tmp_path / f"out-{seed}"
        code = f"main.dispatch(['select', '--inputs', {inputs!r}, '--output', {str(output)!r}])"
        command = [sys.executable, "-c", f"from ste_fairseq2.cli import main\n{code}"]
        subprocess.run(command, env={"PYTHONHASHSEED": seed}, check=True, capture_output=True)
        written.add((output / "records-00000.jsonl").read_text())

    [text] = written
    assert len(text.splitlines()) == len(ROWS) + 1


def test_a_complete_folder_is_left_alone(configure: Any) -> None:
    config = configure(count=3)
    first = run_select(config)

    again = run_select(config)

    assert (first.was_complete, again.was_complete) == (False, True)
    assert again.manifest == first.manifest
    assert not (config.output / ".work").exists()


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"count": 4}, "count"),
        ({"min_chars": 2}, "min_chars"),
        ({"seed": 3}, "seed"),
        ({"benchmarks": (".",)}, "benchmarks"),
    ],
)
def test_another_configuration_is_refused(configure: Any, fields: dict[str, Any], name: str) -> None:
    run_select(configure(count=3))

    with pytest.raises(ResumeMismatchError, match=f"`{name}`"):
        run_select(configure(**({"count": 3} | fields)))


def test_other_data_is_refused(configure: Any) -> None:
    run_select(configure())

    with pytest.raises(ResumeMismatchError, match="`data_digest`"):
        run_select(configure(*ROWS[:5]))


def test_nothing_left_is_an_error_with_the_counts(configure: Any) -> None:
    config = configure(min_chars=1000)

    with pytest.raises(EmptyDataError, match=r"\(malformed: 0, too_short: 10\)"):
        run_select(config)
    # Nothing was begun that binds.
    assert run_select(configure(output=config.output.with_name("next"))).manifest.counts["kept"] == 10


def test_too_many_broken_lines_are_an_error(configure: Any, read_folder: Any) -> None:
    rows = [*ROWS, "{", {"id": "x"}]
    with pytest.raises(QuarantineLimitError, match="2 of 12 rows"):
        run_select(configure(*rows))

    config = configure(*rows, quarantine_limit=0.2)
    assert run_select(config).manifest.counts["malformed"] == 2
    quarantined = (config.output / "quarantine.jsonl").read_text().splitlines()
    assert [json.loads(line)["line"] for line in quarantined] == [11, 12]


def test_two_at_a_time_are_refused(configure: Any) -> None:
    config = configure()
    with lock_folder(config.output / ".work"), pytest.raises(FolderBusyError):
        run_select(config)


def test_a_missing_file_is_named(configure: Any) -> None:
    with pytest.raises(MissingPathError, match=r"nowhere\.jsonl"):
        run_select(configure(inputs="nowhere.jsonl"))


def test_a_run_that_died_while_it_wrote_ends_with_the_same_records(
    configure: Any, read_folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(StageStore, "finish", die)
        with pytest.raises(RuntimeError):
            run_select(configure(count=5))
    run_select(whole := configure(count=5, output=configure().output.with_name("whole")))

    outcome = run_select(config := configure(count=5))

    assert not outcome.was_complete
    assert list(read_folder(config.output).items()) == list(read_folder(whole.output).items())
