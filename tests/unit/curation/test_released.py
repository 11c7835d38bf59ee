"""The released pairs get their questions back, through the real loading code on small local files."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fairseq2.device import CPU
from fairseq2.gang import create_fake_gangs

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.curation.config import FetchDpoDataConfig
from ste_fairseq2.curation.released import (
    describe_join,
    fetch_dpo_data,
    insert_question,
)
from ste_fairseq2.datasets import DatasetConfig, PreferenceDataset, SourceConfig
from ste_fairseq2.datasets.plan import Step
from ste_fairseq2.errors import EmptyDataError, InputError, QuarantineLimitError
from ste_fairseq2.jsonl import read_rows
from ste_fairseq2.records import PreferenceExample
from ste_fairseq2.tiny import END_OF_TURN

Sample = dict[str, Any]


def name(number: int) -> str:
    return f"{number:032x}"


def conversation(number: int, *contents: str) -> Sample:
    """A WildChat row: user and assistant take turns."""
    roles = ["user", "assistant"]

    return {
        "conversation_hash": name(number),
        "model": "m",
        "turn": (len(contents) + 1) // 2,
        "language": "English",
        "conversation": [
            {"content": content, "role": roles[index % 2], "turn_identifier": index, "toxic": False}
            for index, content in enumerate(contents)
        ],
    }


def released(number: int, **fields: Any) -> Sample:
    header = "<|start_header_id|>user<|end_header_id|>\n\n"

    return {
        "id": f"id-{number}",
        "instruction": name(number),
        "src": f"{header}[User Question]\n{name(number)}\n\n[The Start of Assistant A's Answer]\nx",
        "tgt_chosen": "right [[A]]",
        "tgt_rejected": "wrong [[B]]",
        **fields,
    }


CONVERSATIONS = [
    conversation(1, "one question", "answer"),
    conversation(2, "first", "answer", "second question", "answer"),
    conversation(3, "not asked for", "answer"),
    conversation(4, "a <|eot_id|> token", "answer"),
]


@pytest.fixture
def wildchat(tmp_path: Path) -> Path:
    """A folder of two parquet files."""
    folder = tmp_path / "wildchat"
    folder.mkdir()
    for part in (0, 1):
        pq.write_table(pa.Table.from_pylist(CONVERSATIONS[part::2]), folder / f"train-{part}.parquet")

    return folder


@pytest.fixture
def fetch(tmp_path: Path, wildchat: Path, write_jsonl: Callable[..., Path]) -> Callable[..., Any]:
    def run(rows: list[Sample], **options: Any) -> Any:
        source = write_jsonl(tmp_path / "dpo" / "data.jsonl", rows)
        config = FetchDpoDataConfig(
            output_dir=tmp_path / "out",
            **{"dpo_data": str(source.parent), "conversations": str(wildchat), **options},
        )
        config.validate()

        return fetch_dpo_data(config)

    return run


class TestFetch:
    def test_rows_get_their_last_question_and_train(
        self, fetch: Callable[..., Any], tmp_path: Path
    ) -> None:
        manifest = fetch([released(1), released(2), released(2, id="again", tgt_rejected="tie [[C]]")])
        examples = [
            PreferenceExample.from_row(row) for row in read_rows(tmp_path / "out/train-00000.jsonl")
        ]

        assert [e.id for e in examples] == ["id-1", "id-2", "again"]
        assert "[User Question]\none question\n\n[The Start" in examples[0].src
        assert "[User Question]\nsecond question\n\n[The Start" in examples[1].src
        assert examples[2].tgt_rejected == "tie [[C]]"
        assert examples[0].extra["instruction"] == name(1)
        assert manifest.counts == {"kept": 3}
        assert "2 of 2 found" in describe_join(manifest, tmp_path / "out")

    def test_what_cannot_be_joined_is_counted(self, fetch: Callable[..., Any]) -> None:
        rows = [released(1), released(8), released(9), released(2, src="no place for it")]

        assert fetch(rows).counts == {"kept": 1, "no_conversation": 2, "no_placeholder": 1}

    def test_malformed_rows_are_quarantined(self, fetch: Callable[..., Any], tmp_path: Path) -> None:
        rows = [released(1), released(2, tgt_chosen="")]
        with pytest.raises(QuarantineLimitError, match="1 of 2 rows"):
            fetch(rows)

        assert fetch(rows, quarantine_limit=0.5).counts == {"kept": 1, "malformed": 1}
        [row] = read_rows(tmp_path / "out" / "quarantine.jsonl")
        assert (row.data["line"], row.data["field"]) == (2, "tgt_chosen")

    def test_the_result_is_a_preference_set(
        self, fetch: Callable[..., Any], tmp_path: Path, renderer: ChatRenderer
    ) -> None:
        fetch([released(1), released(2)])
        dataset = PreferenceDataset(DatasetConfig(sources=[SourceConfig(path=str(tmp_path / "out"))]))
        gangs = create_fake_gangs(CPU)
        dataset.train.measure(renderer, gangs, max_seq_len=500, source_encode_mode="as_is")
        encoded = dataset.train.encode(1)
        batch = dataset.train.collate(Step((((0, 1),),)), [0, 1], is_filler=False)

        assert "[User Question]\nsecond question\n" in renderer.decode(encoded.prompt)
        assert [renderer.decode(answer) for answer in encoded.answers] == [
            f"right [[A]]{END_OF_TURN}",
            f"wrong [[B]]{END_OF_TURN}",
        ]
        assert batch.num_step_pairs == 2

    def test_broken_lines_are_quarantined_with_their_place(
        self, fetch: Callable[..., Any], tmp_path: Path
    ) -> None:
        """Two of five pairs, one of four conversations."""
        pairs, conversations = tmp_path / "pairs", tmp_path / "conversations"
        for folder in (pairs, conversations):
            folder.mkdir()
        sound = [json.dumps(released(number)).encode() for number in (1, 2, 4)]
        (pairs / "a.jsonl").write_bytes(b"\n".join([sound[0], b'{"cut', sound[1]]))
        no_src = {k: v for k, v in released(3).items() if k != "src"}
        no_src["messages"] = [{"role": "user", "content": "x"}]
        packed = gzip.compress(b"\n".join([json.dumps(no_src).encode(), b"", sound[2]]))
        (pairs / "b.jsonl.gz").write_bytes(packed)
        rows = [json.dumps(row).encode() for row in CONVERSATIONS[:2]]
        unhashable = json.dumps(CONVERSATIONS[3] | {"conversation_hash": ["x"]}).encode()
        (conversations / "c.jsonl").write_bytes(b"\n".join([b"\xff", unhashable, *rows]))
        sources = {"dpo_data": str(pairs), "conversations": str(conversations)}

        with pytest.raises(QuarantineLimitError, match="2 of 5 rows"):
            fetch([], **sources, quarantine_limit=0.3)
        manifest = fetch([], **sources, quarantine_limit=0.5)
        quarantined = [row.data for row in read_rows(tmp_path / "out" / "quarantine.jsonl")]

        assert manifest.counts == {"kept": 2, "no_conversation": 1, "malformed": 2}
        assert [(row["source"], row["line"], row["field"]) for row in quarantined] == [
            (str(pairs / "a.jsonl"), 2, None),
            (str(pairs / "b.jsonl.gz"), 1, "src"),
            (str(conversations / "c.jsonl"), 1, None),
        ]

    def test_what_lies_beside_parquet_is_passed_over(
        self, fetch: Callable[..., Any], wildchat: Path
    ) -> None:
        (wildchat / "dataset_infos.jsonl").write_text("not a row\n", "utf-8")

        assert fetch([released(1)]).counts == {"kept": 1}

    def test_nothing_joined_is_an_error_with_counts(self, fetch: Callable[..., Any]) -> None:
        with pytest.raises(EmptyDataError, match="no_conversation: 1"):
            fetch([released(9)])

    def test_a_json_copy_of_the_conversations_serves_too(
        self, fetch: Callable[..., Any], tmp_path: Path, write_jsonl: Callable[..., Path]
    ) -> None:
        copy = write_jsonl(tmp_path / "copy.jsonl", CONVERSATIONS)

        assert fetch([released(2)], conversations=str(copy)).counts == {"kept": 1}

    def test_a_finished_folder_is_left_alone(self, fetch: Callable[..., Any], tmp_path: Path) -> None:
        first = fetch([released(1)])
        stamp = (tmp_path / "out" / "train-00000.jsonl").stat().st_mtime_ns
        again = fetch_dpo_data(
            FetchDpoDataConfig(
                output_dir=tmp_path / "out",
                dpo_data=str(tmp_path / "dpo"),
                conversations=str(tmp_path / "wildchat"),
            )
        )

        assert again == first
        assert (tmp_path / "out" / "train-00000.jsonl").stat().st_mtime_ns == stamp

    def test_a_set_that_cannot_be_loaded_is_named(self, fetch: Callable[..., Any]) -> None:
        with pytest.raises(InputError, match=r"`nobody/nothing` cannot be loaded by `datasets`"):
            fetch([released(1)], conversations="nobody/nothing")


class TestInsertQuestion:
    def test_only_the_place_of_the_question_is_filled(self) -> None:
        src = "hash in the system text\n\n[User Question]\nhash\n\nanswer with hash"

        assert insert_question(src, "hash", "Q") == (
            "hash in the system text\n\n[User Question]\nQ\n\nanswer with hash"
        )

    def test_control_tokens_lose_their_brackets(self) -> None:
        assert insert_question("[User Question]\nh", "h", "a <|eot_id|>") == (
            "[User Question]\na (|eot_id|)"
        )

    def test_no_place_gives_nothing(self) -> None:
        assert insert_question("h\n[User Question]\n", "h", "Q") is None
