"""Ranked conversations become seed data: every drop counted, nothing held out leaks into training."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.cli.main import dispatch
from ste_fairseq2.config_values import build_config
from ste_fairseq2.curation.first_turns import RankedPrompt
from ste_fairseq2.curation.ranked import choose_ift, prepare_ranked, split_prompts
from ste_fairseq2.curation.ranked_config import PrepareRankedConfig
from ste_fairseq2.errors import ConfigError, EmptyDataError, QuarantineLimitError
from ste_fairseq2.jsonl import Row, read_rows
from ste_fairseq2.records import Message, SftExample
from ste_fairseq2.records.ranked import RankedAnswer
from ste_fairseq2.store import read_manifest
from tests.ranked_conversations import Fields, answer, messages_of, prompt, ranked_trees, tree

WriteJsonl = Callable[..., Path]

FILES = ("ift.jsonl", "train.jsonl", "held_out.jsonl")


def config(source: Path, **values: Any) -> PrepareRankedConfig:
    common = {"inputs": [str(source)], "output_dir": source.parent / "ranked"}

    return build_config(PrepareRankedConfig, common | values)


def rows_of(path: Path) -> list[Row]:
    return list(read_rows(path))


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def ranked(name: str, *ranks: float, text: str | None = None) -> RankedPrompt:
    text = text or f"Ask {name}"
    found = [
        RankedAnswer(f"{name}:{number}", name, text, f"{name} {number}", rank)
        for number, rank in enumerate(ranks)
    ]

    return RankedPrompt(name, text, tuple(found))


class TestSplit:
    def test_the_share_counts_prompts_that_have_an_order(self) -> None:
        prompts = [ranked(f"p{k:02}", 0, 1) for k in range(12)]
        prompts += [ranked(f"q{k:02}", 0, 0) for k in range(12)]

        sets = split_prompts(prompts, share=0.25, seed=1)

        assert (len(sets.train), len(sets.held_out), len(sets.one_rank)) == (9, 3, 12)
        assert len(sets.ift_candidates) == 9 + 12

    def test_texts_that_say_the_same_stay_together(self) -> None:
        texts = ("What is 2 + 2?", "what is  2 + 2", "WHAT IS 2 + 2?!")
        same = [ranked(f"same{number}", 0, 1, text=text) for number, text in enumerate(texts)]
        alone = ranked("one-rank", 1, text="What is 2+2?")
        others = [ranked(f"p{k}", 0, 1) for k in range(9)]
        sides = set()
        for seed in range(30):
            sets = split_prompts([*same, alone, *others], share=0.5, seed=seed)
            held_out = {p.id for p in sets.held_out}
            sides.add(frozenset(held_out & {p.id for p in same}))
            # One that has no order is no training data either where its text is held out.
            assert ("same0" in held_out) == (alone not in sets.ift_candidates)

        assert sides == {frozenset(), frozenset(p.id for p in same)}

    @pytest.mark.parametrize(("share", "held_out"), [(0.0, 0), (0.01, 1), (0.5, 2), (0.99, 3)])
    def test_neither_side_is_empty_by_rounding(self, share: float, held_out: int) -> None:
        sets = split_prompts([ranked(f"p{k}", 0, 1) for k in range(4)], share=share, seed=1)

        assert (len(sets.train), len(sets.held_out)) == (4 - held_out, held_out)

    def test_the_seed_decides(self) -> None:
        prompts = [ranked(f"p{k}", 0, 1) for k in range(10)]
        found = {
            tuple(p.id for p in split_prompts(prompts, share=0.3, seed=seed).held_out)
            for seed in range(10)
        }

        assert len(found) > 5


class TestIft:
    def test_the_best_rank_is_learned_from(self) -> None:
        [example] = choose_ift([ranked("p", 2, 1, 3)], most=5, seed=1)

        assert example == SftExample(
            "p:1", "", "p 1", (Message("user", "Ask p"),), {"instruction_id": "p"}
        )

    def test_one_of_several_best_by_the_seed(self) -> None:
        found = {choose_ift([ranked("p", 0, 1, 0)], most=1, seed=seed)[0].id for seed in range(20)}

        assert found == {"p:0", "p:2"}

    def test_a_smaller_draw_is_the_beginning_of_a_larger(self) -> None:
        prompts = [ranked(f"p{k}", 0, 1) for k in range(20)]
        large = choose_ift(prompts, most=10, seed=1)

        assert choose_ift(reversed(prompts), most=4, seed=1) == large[:4]
        assert choose_ift(prompts, most=10, seed=2) != large
        assert choose_ift(prompts, most=0, seed=1) == []


def every_reason() -> list[Fields]:
    """Two usable prompts, and one or more for each reason to leave out a prompt or an answer."""
    good = answer("x", "Good.", 0)

    def left_out(name: str, **changes: Any) -> Fields:
        own = [answer(f"{name}-{k}", f"Answer {k}.", k) for k in range(2)]

        return prompt(name, f"Question {name}?", *own, **changes)

    return [
        *ranked_trees(2),
        tree(left_out("deleted", deleted=True)),
        tree(left_out("failed", review_result=False)),
        tree(left_out("german", lang="de")),
        tree(left_out("spanish", lang="es")),
        tree(left_out("growing"), state="growing"),
        tree(left_out("no-state"), state=None),
        tree(prompt("blank", " ", good)),
        tree(prompt("unanswered", "Anybody?")),
        tree(prompt("unranked", "Which?", answer("u0", "A.", None), answer("u1", "B.", None))),
        tree(
            prompt(
                "mixed",
                "Mixed?",
                answer("m-deleted", "A.", 0, deleted=True),
                answer("m-failed", "B.", 1, review_result=False),
                answer("m-blank", "\n", 2),
                answer("m-not-reviewed", "D.", 3, review_result=None),
            )
        ),
    ]


# By hand: `no-state` is usable, since a tree need not say; `mixed` has one usable answer left.
PROMPT_FATES = {
    "malformed": 0,
    "deleted": 1,
    "failed_review": 1,
    "other_language": 2,
    "not_ready": 1,
    "empty": 1,
    "no_ranked_answer": 2,
    "one_rank": 1,
    "train": 2,
    "held_out": 1,
}


def test_everything_left_out_is_counted(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", every_reason())

    manifest = prepare_ranked(config(path))

    assert manifest.counts == PROMPT_FATES
    answers = dict(manifest.details["answers"])
    # Two usable prompts have three answers, one has two; which is held out is the seed's.
    assert answers.pop("train") + answers.pop("held_out") == 8
    assert answers == {
        "prompt_left_out": 5 * 2 + 1,
        "deleted": 1,
        "failed_review": 1,
        "empty": 1,
        "unranked": 2,
        "one_rank": 1,
    }
    # Behind the best answer of each of the two: a question and an answer to that.
    assert manifest.details["other_turns"] == {"later_turn": 4}
    assert manifest.details["prompts"] == {
        "ift": 3,
        "ift_candidates": 3,
        "train": 2,
        "held_out": 1,
    }


def test_languages_are_asked_for(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", every_reason())
    found = {
        names: prepare_ranked(
            config(path, languages=names, output_dir=tmp_path / "-".join(["out", *names]))
        ).counts
        for names in [("de", "en"), ("any",), ()]
    }

    assert found["de", "en"]["other_language"] == 1
    assert "other_language" not in found["any",]
    assert found[()] == found["any",]


def test_both_forms_give_the_same_files(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    trees = every_reason()
    # In the flat form `x`, `growing` and the others are rows of their own; none is an orphan.
    first = prepare_ranked(config(write_jsonl(tmp_path / "a" / "in.jsonl", trees)))
    flat = messages_of(trees)
    second = prepare_ranked(config(write_jsonl(tmp_path / "b" / "in.jsonl", flat)))

    assert contents(tmp_path / "a" / "ranked") == contents(tmp_path / "b" / "ranked")
    assert (first.counts, first.details) == (second.counts, second.details)


def test_neither_order_nor_files_matter(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    rows = messages_of(ranked_trees(12))
    prepare_ranked(config(write_jsonl(tmp_path / "a" / "in.jsonl", rows)))
    random.Random(1).shuffle(rows)
    write_jsonl(tmp_path / "b" / "in" / "2.jsonl", rows[:30])
    write_jsonl(tmp_path / "b" / "in" / "1.jsonl", rows[30:])
    prepare_ranked(config(tmp_path / "b" / "in"))

    assert contents(tmp_path / "a" / "ranked") == contents(tmp_path / "b" / "ranked")


def test_nothing_held_out_is_trained_on(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    trees = [*ranked_trees(20), tree(prompt("again", "question 3", answer("g", "G.", 0)))]
    manifest = prepare_ranked(config(write_jsonl(tmp_path / "in.jsonl", trees)))
    folder = tmp_path / "ranked"
    ift = [SftExample.from_row(row) for row in rows_of(folder / "ift.jsonl")]
    train = [RankedAnswer.from_row(row) for row in rows_of(folder / "train.jsonl")]
    held_out = [RankedAnswer.from_row(row) for row in rows_of(folder / "held_out.jsonl")]

    # Twenty texts, a quarter of them held out; three answers to each.
    assert (len(train), len(held_out)) == (45, 15)
    texts = {found.input for found in held_out}
    assert not texts & {found.input for found in train}
    assert not texts & {example.messages[0].content for example in ift if example.messages}
    assert {example.extra["instruction_id"] for example in ift} >= {a.instruction_id for a in train}
    # All that have the best answers of their prompts.
    assert all(example.tgt.startswith(("Good", "G.")) for example in ift)
    assert manifest.details["examples"]["written"] == len(ift) + 60
    assert {name: file["rows"] for name, file in manifest.details["files"].items()} == {
        "ift.jsonl": len(ift),
        "train.jsonl": 45,
        "held_out.jsonl": 15,
    }


def test_plain_rows_are_ranked_answers_too(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    rows = [
        {"instruction": f"Ask {k}", "response": text, "rank": rank}
        for k in range(4)
        for rank, text in ((0.5, "good"), (2, "bad"), (None, "unknown"))
    ]
    path = write_jsonl(tmp_path / "in.jsonl", rows)

    manifest = prepare_ranked(config(path, ift_examples=1))

    assert manifest.counts == {"malformed": 0, "train": 3, "held_out": 1, "one_rank": 0}
    assert manifest.details["answers"]["unranked"] == 4
    row = rows_of(tmp_path / "ranked" / "train.jsonl")[0].data
    assert set(row) == {"id", "instruction_id", "input", "response", "rank"}
    assert row["rank"] in (0.5, 2)
    assert [row.data["tgt"] for row in rows_of(tmp_path / "ranked" / "ift.jsonl")] == ["good"]


def test_malformed_rows_are_set_aside(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    rows = messages_of(ranked_trees(2))
    bad = [answer("z", "x", 0), rows[1], rows[0] | {"text": "Another?"}]
    path = write_jsonl(tmp_path / "in.jsonl", [*rows, *bad])

    with pytest.raises(QuarantineLimitError, match=r"3 of 15 rows are malformed.*in.jsonl:13: `role`"):
        prepare_ranked(config(path))
    manifest = prepare_ranked(config(path, quarantine_limit=0.5))

    assert manifest.counts["malformed"] == 3
    set_aside = [row.data for row in rows_of(tmp_path / "ranked" / "quarantine.jsonl")]
    assert [(row["line"], row["field"]) for row in set_aside] == [
        (13, "role"),
        (14, "message_id"),
        (15, "message_id"),
    ]
    assert f"is that of {path}:2 too" in set_aside[1]["reason"]


def test_ids_of_plain_rows_are_unique(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    def plain(name: str, text: str, rank: int) -> Fields:
        return {"instruction": text, "instruction_id": "i", "id": name, "response": name, "rank": rank}

    rows = [plain("a", "Ask", 0), plain("b", "Ask", 1), plain("a", "Ask", 2), plain("c", "Other", 1)]
    prepare_ranked(config(write_jsonl(tmp_path / "in.jsonl", rows), quarantine_limit=1))

    set_aside = [row.data for row in rows_of(tmp_path / "ranked" / "quarantine.jsonl")]
    assert [(row["line"], row["field"]) for row in set_aside] == [(3, "id"), (4, "instruction_id")]
    assert "of another instruction at" in set_aside[1]["reason"]


def test_replies_to_nothing_are_counted(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    rows = [row for row in messages_of(ranked_trees(3)) if row["message_id"] != "p0"]
    manifest = prepare_ranked(config(write_jsonl(tmp_path / "in.jsonl", rows)))

    assert manifest.details["other_turns"] == {"later_turn": 3 * 2, "no_prompt": 3}


def test_again_is_the_same_and_new_inputs_replace_old_files(
    tmp_path: Path, write_jsonl: WriteJsonl
) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", ranked_trees(4))
    first = prepare_ranked(config(path))
    before = contents(tmp_path / "ranked")

    assert prepare_ranked(config(path)) == first
    write_jsonl(path, ranked_trees(1))
    second = prepare_ranked(config(path))

    # A single prompt cannot be on both sides; the earlier file would be of another input.
    assert second.counts["held_out"] == 0
    assert not (tmp_path / "ranked" / "held_out.jsonl").exists()
    assert read_manifest(tmp_path / "ranked") == second
    assert (tmp_path / "ranked" / "train.jsonl").read_bytes() != before["train.jsonl"]


def test_no_order_is_an_error_that_shows_the_counts(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", [tree(prompt("p", "x", answer("a", "y", 0)))])

    with pytest.raises(EmptyDataError, match="one_rank: 1"):
        prepare_ranked(config(path))
    assert not (tmp_path / "ranked" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"inputs": []}, "inputs"),
        ({"ift_examples": -1}, "ift_examples"),
        ({"held_out_share": 1.0}, "held_out_share"),
        ({"quarantine_limit": 2}, "quarantine_limit"),
    ],
)
def test_wrong_values(values: dict[str, Any], field: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"`{field}"):
        config(tmp_path / "in.jsonl", **values)


def test_the_output_is_no_input(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    path = write_jsonl(tmp_path / "in" / "in.jsonl", ranked_trees(2))

    with pytest.raises(ConfigError, match="`output_dir` must lie outside"):
        config(path.parent, output_dir=path.parent / "ranked")


def test_command(tmp_path: Path, write_jsonl: WriteJsonl, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", every_reason())

    argv = ["prepare-ranked", "--inputs", str(path), "--output-dir", str(tmp_path / "ranked")]
    assert dispatch([*argv, "--languages", "en", "de", "--ift-examples", "2"]) == 0
    shown = capsys.readouterr().out
    assert "prompts by fate: malformed 0, deleted 1, empty 1" in shown
    assert "turns that are no first turns: later_turn 4" in shown
    assert "rows: ift 2, " in shown
    assert dispatch([*argv[:2], "nowhere", *argv[3:]]) == 2
