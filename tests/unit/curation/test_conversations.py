"""Ranked answers in every form become the same turns; what is malformed is named with its place."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ste_fairseq2.curation.conversations import Form, Turn, form_of, read_conversations
from ste_fairseq2.errors import RowError
from ste_fairseq2.records import content_id
from tests.ranked_conversations import answer, message, messages_of, prompt, ranked_trees, tree

WriteJsonl = Callable[..., Path]


def read(part: str | Path) -> tuple[list[Turn], list[RowError]]:
    errors: list[RowError] = []
    found = [turn for _, turns in read_conversations(part, on_error=errors.append) for turn in turns]

    return found, errors


def only_error(path: Path) -> RowError:
    _, [error] = read(path)

    return error


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (tree(prompt("p", "x")), Form.TREES),
        (prompt("p", "x"), Form.MESSAGES),
        ({"instruction": "x", "response": "y", "rank": 0}, Form.PLAIN),
        # `prompt` as text is an instruction of some other kind of data.
        ({"prompt": "x", "response": "y"}, None),
        ({}, None),
    ],
)
def test_the_fields_tell_the_form(data: Mapping[str, Any], form: Form | None) -> None:
    assert form_of(data) is form


def test_what_a_message_says(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    [turn], errors = read(
        write_jsonl(
            tmp_path / "in.jsonl",
            [answer("a", "Hi.", 1, parent_id="p", review_result=False, deleted=True, tree_state="x")],
        )
    )

    assert not errors
    assert turn == Turn(
        "a", "p", True, "Hi.", "en", rank=1.0, tree_state="x", is_deleted=True, failed_review=True
    )


def test_what_is_absent_is_what_is_null(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    bare = {"message_id": "a", "text": "Hi?", "role": "prompter"}
    nulls = dict.fromkeys(("parent_id", "lang", "review_result", "deleted", "rank", "tree_state"))

    found, _ = read(write_jsonl(tmp_path / "in.jsonl", [bare, bare | nulls]))

    assert found == [Turn("a", None, False, "Hi?")] * 2


def test_both_forms_of_one_conversation_are_the_same(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    trees = ranked_trees(3)
    from_trees, _ = read(write_jsonl(tmp_path / "trees.jsonl", trees))
    from_messages, _ = read(write_jsonl(tmp_path / "messages.jsonl", messages_of(trees)))

    assert len(from_trees) == 3 * 6
    assert set(from_trees) == set(from_messages)


def test_a_deep_tree_is_read(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    node = prompt("m0", "x")
    for depth in range(1, 200):
        role = "assistant" if depth % 2 else "prompter"
        node = message(f"m{depth}", role, "x", node)
    if node["role"] == "assistant":
        node = prompt("root", "x", node)

    found, errors = read(write_jsonl(tmp_path / "in.jsonl", [tree(node)]))

    assert not errors
    assert len(found) == 201


def test_plain_rows(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    rows = [
        {"instruction": "Ask", "response": "A", "rank": 0},
        {"instruction": "Ask", "response": "B", "rank": None, "id": 7, "instruction_id": "i"},
    ]

    found, errors = read(write_jsonl(tmp_path / "in.jsonl", rows))

    assert not errors
    name = content_id("Ask")
    assert found == [
        Turn(name, None, False, "Ask", is_plain=True),
        Turn(content_id("Ask", "A"), name, True, "A", rank=0.0, is_plain=True),
        Turn("i", None, False, "Ask", is_plain=True),
        Turn("7", "i", True, "B", is_plain=True),
    ]


@pytest.mark.parametrize(
    ("data", "field", "reason"),
    [
        (answer("a", "x", 0), "role", "must be prompter in a message that replies to none"),
        (message("a", "system", "x"), "role", "must be one of prompter, assistant"),
        (prompt("a", "x", deleted="no"), "deleted", "must be true, false or null"),
        (prompt("a", "x", review_result=1), "review_result", "must be true, false or null"),
        (answer("a", "x", "0", parent_id="p"), "rank", "must be a number"),  # type: ignore[arg-type]
        (prompt("", "x"), "message_id", "must not be empty"),
        (prompt("a", None), "text", "must be a string"),  # type: ignore[arg-type]
        (tree(prompt("p", "x", answer("a", "y", 0, lang=5))), "prompt.replies[0].lang", "a string"),
        (tree(prompt("p", "x", replies={})), "prompt.replies", "must be a list"),
        (tree(prompt("p", "x", replies=["y"])), "prompt.replies[0]", "must be an object"),
        (tree(answer("p", "x", 0)), "prompt.role", "must be prompter"),
        ({"instruction": "x", "response": "y"}, "rank", "is missing"),
        ({"instruction": " ", "response": "y", "rank": 0}, "instruction", "must not be empty"),
        ({"instruction": "x", "response": "y", "rank": True}, "rank", "must be a number"),
        ({"conversation": []}, None, "is none of a message with `message_id`"),
    ],
)
def test_what_is_wrong_is_named(
    data: dict[str, Any], field: str | None, reason: str, tmp_path: Path, write_jsonl: WriteJsonl
) -> None:
    error = only_error(write_jsonl(tmp_path / "in.jsonl", [data]))

    assert (error.line, error.field) == (1, field)
    assert reason in error.reason


def test_the_first_row_decides_for_its_file(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    path = write_jsonl(
        tmp_path / "in.jsonl", [{"x": 1}, prompt("p", "x"), tree(prompt("q", "x")), prompt("r", "x")]
    )

    found, [unknown, other] = read(path)

    assert [turn.id for turn in found] == ["p", "r"]
    assert (unknown.line, other.line) == (1, 3)
    assert "is a tree with `prompt` and its `replies`, but earlier rows" in other.reason


def test_a_tree_with_one_fault_is_not_taken_in_part(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    bad = tree(prompt("p", "x", answer("a", "y", 0), message("b", "robot", "z")))

    found, [error] = read(write_jsonl(tmp_path / "in.jsonl", [bad, *ranked_trees(1)]))

    assert (error.line, error.field) == (1, "prompt.replies[1].role")
    assert len(found) == 6


def test_gzip_and_lines_that_are_no_json(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl.gz"
    with gzip.open(path, "wt") as stream:
        stream.write("{\n" + json.dumps(tree(prompt("p", "x"))) + "\n")

    [turn], [error] = read(path)

    assert (turn.id, error.line) == ("p", 1)


def test_parquet_and_both_splits_of_a_data_set(tmp_path: Path) -> None:
    """Columns of the real set, whose ranks are floats or null; a folder loads as the Hub's sets do."""
    folder = tmp_path / "oasst"
    (folder / "data").mkdir(parents=True)
    for number, split in enumerate(("train", "validation", "test")):
        rows = messages_of(ranked_trees(number + 1)[number:])
        columns = {name: [row.get(name) for row in rows] for name in rows[1] if name != "labels"}
        columns["rank"] = [None if rank is None else float(rank) for rank in columns["rank"]]
        pq.write_table(pa.table(columns), folder / "data" / f"{split}-00000-of-00001.parquet")
    trees = ranked_trees(2)
    plain = {turn for one in messages_of(trees) for turn in _turns(tmp_path, one)}

    from_file, _ = read(folder / "data" / "train-00000-of-00001.parquet")
    from_hub, errors = read_as_hub(folder)

    assert not errors
    assert {turn.id for turn in from_file} == {row["message_id"] for row in messages_of(trees[:1])}
    assert set(from_hub) == plain


def _turns(folder: Path, row: Mapping[str, Any]) -> list[Turn]:
    path = folder / "one.jsonl"
    path.write_text(json.dumps(row) + "\n")

    return read(path)[0]


def read_as_hub(folder: Path) -> tuple[list[Turn], list[RowError]]:
    """Read a local folder by the way of a name on the Hub."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ste_fairseq2.curation.hub.local_files", lambda source: [])
        return read(str(folder))
