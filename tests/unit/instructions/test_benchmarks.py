"""The prompts of benchmarks, from files of every kind and from the catalogue."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ste_fairseq2.errors import ConfigError, EmptyDataError, MissingPathError, RowError
from ste_fairseq2.evaluation import sources
from ste_fairseq2.evaluation.benchmark import HubSource
from ste_fairseq2.instructions.benchmarks import check_benchmark, read_prompts
from ste_fairseq2.jsonl import Row


def test_the_field_of_a_prompt_may_have_any_usual_name(write_lines: Callable[..., Path]) -> None:
    user, assistant = {"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}
    path = write_lines(
        "in.jsonl",
        {"prompt": "p", "chosen": "c"},
        {"instruction": "i"},
        {"input": "in"},
        {"question": "q", "response_A": "x"},
        {"prompt": [user, assistant, {"role": "user", "content": "more"}]},
        {"conversation_a": [user, assistant]},
        {"prompt": "p", "chosen": "d"},
    )

    assert read_prompts(str(path)) == ["p", "i", "in", "q", "u", "more"]


def test_files_of_every_kind(write_lines: Callable[..., Path], tmp_path: Path) -> None:
    folder = write_lines("set/a.jsonl", {"prompt": "a"}).parent
    (folder / "b.json").write_text(json.dumps([{"input": "b"}]))
    pq.write_table(pa.Table.from_pylist([{"prompt": "c"}]), folder / "c.parquet")

    assert read_prompts(str(folder)) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("name", "path", "rows", "prompts"),
    [
        ("rewardbench", "allenai/reward-bench", [{"prompt": "p"}, {"prompt": "p"}], ["p"]),
        # A judge of pairs is not asked about Ties; their prompts are prompts all the same.
        ("rewardbench2", "allenai/reward-bench-2", [{"prompt": "p", "subset": "Ties"}], ["p"]),
        ("judgebench", "ScalerLab/JudgeBench", [{"question": "q"}], ["q"]),
        ("helpsteer2", "nvidia/HelpSteer2", [{"prompt": "p"}, {"prompt": "p"}], ["p"]),
        ("llmbar", "princeton-nlp/LLMBar", [{"input": "i"}], ["i"]),
        (
            "mt-bench",
            "lmsys/mt_bench_human_judgments",
            [{"winner": "tie", "conversation_a": [{"role": "user", "content": "u"}]}],
            ["u"],
        ),
    ],
)
def test_every_row_of_a_benchmark_of_the_catalogue_is_read(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    path: str,
    rows: list[dict[str, Any]],
    prompts: list[str],
) -> None:
    def read(source: HubSource, split: str) -> Iterator[Row]:
        assert source.path == path
        yield from (Row(path, number, row) for number, row in enumerate(rows, start=1))

    monkeypatch.setattr(sources, "_read_hub", read)

    assert read_prompts(name) == prompts


def test_a_name_that_is_neither_known_nor_there(tmp_path: Path) -> None:
    check_benchmark("rewardbench")
    check_benchmark(str(tmp_path))
    with pytest.raises(ConfigError, match=r"rewardbench, .*judgebench.*but has 'rewardbemch'"):
        check_benchmark("rewardbemch")
    # It is whatever file its user has.
    with pytest.raises(ConfigError):
        check_benchmark("pairs")


def test_what_cannot_be_read_is_named(write_lines: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(RowError, match=r"in.jsonl:2: holds no prompt: none of prompt, instruction"):
        read_prompts(str(write_lines("in.jsonl", {"prompt": "p"}, {"chosen": "x"})))
    with pytest.raises(EmptyDataError):
        read_prompts(str(write_lines("empty.jsonl")))
    with pytest.raises(MissingPathError):
        read_prompts(str(tmp_path / "nowhere"))
