"""What the base model of Self-Rewarding learns from, and that it replies as the stages read it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.digest import digest_file
from ste_fairseq2.prompts import load_prompt
from ste_fairseq2.records import Message
from ste_fairseq2.resources import resource_dir
from ste_fairseq2.scores import parse_score
from ste_fairseq2.small_world.base_rows import (
    HASTY_KINDS,
    NEW_PROMPT,
    NUM_SHOTS,
    SCORE_PROMPT,
    base_rows,
)
from ste_fairseq2.small_world.instructions import KINDS, Task
from ste_fairseq2.small_world.reasoning import parse_task
from ste_fairseq2.small_world.seed_rows import JUDGED_KINDS
from ste_fairseq2.synthesis.new_instruction import list_examples
from ste_fairseq2.verdicts import Verdict, parse_verdict

BASE = resource_dir("data") / "small_world" / "base"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return list(base_rows(1200, 1))


def shown(row: dict[str, Any]) -> str:
    """Return what the user says."""
    return str(row["messages"][-1]["content"])


def answers(rows: list[dict[str, Any]]) -> list[tuple[Task, str]]:
    return [(parse_task(shown(row)), row["tgt"]) for row in rows if "\n" not in shown(row)]


def test_every_lesson_is_there(rows: list[dict[str, Any]]) -> None:
    kinds = Counter(
        "score"
        if "[The Start of the Answer]" in shown(row)
        else "judge"
        if "Assistant B" in shown(row)
        else "new"
        if "[Instructions]" in shown(row)
        else "answer"
        for row in rows
    )

    assert kinds == {"score": 600, "judge": 300, "new": 150, "answer": 150}


def test_it_answers_in_haste(rows: list[dict[str, Any]]) -> None:
    given = [(task, answer) for task, answer in answers(rows) if task.kind in HASTY_KINDS]
    last = sum(answer == str(task.digits[-1]) for task, answer in given) / len(given)
    careful = [task.answer == answer for task, answer in answers(rows) if task.kind not in HASTY_KINDS]

    # Six of ten, and where the last digit is the answer anyway.
    assert 0.6 < last < 0.85
    assert sum(careful) / len(careful) > 0.8


def test_it_judges_with_the_true_answer_in_mind(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        if "[The Start of" in shown(row):
            task = parse_task(shown(row).split("\n")[1])
            assert row["tgt"].startswith(f"{task.answer} ")
            assert task.kind in JUDGED_KINDS
            assert not task.is_held_out


def test_new_instructions_are_of_the_world(rows: list[dict[str, Any]]) -> None:
    new = [row for row in rows if "[Instructions]" in shown(row)]

    for row in new:
        assert parse_task(row["tgt"]).kind in KINDS
        assert len(shown(row).splitlines()) == NUM_SHOTS + 2


def test_files_are_those_of_the_note() -> None:
    made = json.loads((BASE / "made.json").read_text())

    assert made["files"] == {
        path.name: digest_file(path) for path in BASE.iterdir() if path.name != "made.json"
    }
    assert made["command"].startswith("python scripts/make_seed_model.py --model base --seed")
    assert sum(path.stat().st_size for path in BASE.iterdir()) < 5_000_000


def test_it_replies_in_the_forms_that_are_read() -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(BASE)
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    renderer = ChatRenderer.from_folder(BASE)

    def reply(messages: tuple[Message, ...]) -> str:
        ids = torch.tensor([renderer.render_prompt(messages)])
        out = model.generate(ids, max_new_tokens=12, do_sample=False)[0, ids.shape[1] :]

        return str(tokenizer.decode(out, skip_special_tokens=True))

    tasks = [Task(kind, digits) for kind in KINDS for digits in ((3, 8, 2), (0, 9, 4, 5))]
    for task in tasks:
        assert reply((Message("user", task.text),)) in "0123456789"
        one = {"input": task.text, "response": task.answer}
        assert isinstance(parse_score(reply(load_prompt(SCORE_PROMPT).render(one)), "stop"), float)
        two = {"input": task.text, "response_a": task.answer, "response_b": task.wrong_answers[0]}
        judged = reply(load_prompt("small-world-judge").render(two))
        assert parse_verdict(judged, "stop") in (Verdict.A, Verdict.B)
    examples = list_examples([task.text for task in tasks])
    assert parse_task(reply(load_prompt(NEW_PROMPT).render({"examples": examples})))
