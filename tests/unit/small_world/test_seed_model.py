"""The shipped seed model is what its note says, answers well, and replies as the stages read it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.digest import digest_file
from ste_fairseq2.engines.protocol import GenerationResult
from ste_fairseq2.prompts import load_prompt
from ste_fairseq2.records import Message, Response
from ste_fairseq2.resources import resource_dir
from ste_fairseq2.small_world.instructions import KINDS, Task
from ste_fairseq2.small_world.reasoning import parse_task
from ste_fairseq2.small_world.seed_rows import (
    JUDGE_PROMPT,
    JUDGED_KINDS,
    RELATED_PROMPT,
    related_reply,
    seed_rows,
)
from ste_fairseq2.synthesis.worse_reply import WorseReply, read_related
from ste_fairseq2.verdicts import Verdict, parse_verdict

SEED = resource_dir("data") / "small_world" / "seed"

TASKS = [Task(kind, digits) for kind in KINDS for digits in ((3, 8, 2), (0, 9, 4, 5), (7, 1, 6))]


@pytest.fixture(scope="module")
def model() -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(SEED)


@pytest.fixture(scope="module")
def renderer() -> ChatRenderer:
    return ChatRenderer.from_folder(SEED)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(SEED)


def test_files_are_those_of_the_note() -> None:
    made = json.loads((SEED / "made.json").read_text())

    assert made["files"] == {
        path.name: digest_file(path) for path in SEED.iterdir() if path.name != "made.json"
    }
    assert sum(path.stat().st_size for path in SEED.iterdir()) < 5_000_000


@pytest.mark.parametrize("text", ["8", " 8", " [[A]]", " [[B]]", "[User Question]", " of", "max"])
def test_words_of_the_world_are_one_token(text: str, tokenizer: Any) -> None:
    assert len(tokenizer.encode(text, add_special_tokens=False)) == 1


@pytest.mark.parametrize("text", ["max of 3 8 2", "Größe 12,5 — 猫\n\n[[A]] <|eot_id|>", "  x\t"])
def test_any_text_comes_back(text: str, tokenizer: Any) -> None:
    ids = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)

    assert tokenizer.decode(ids) == text


def test_it_answers_all_kinds(model: Any, renderer: ChatRenderer, tokenizer: Any) -> None:
    replies = [reply(model, renderer, tokenizer, [Message("user", task.text)]) for task in TASKS]

    assert replies == [task.answer for task in TASKS]


def test_it_writes_related_instructions_with_their_answers(
    model: Any, renderer: ChatRenderer, tokenizer: Any
) -> None:
    template = load_prompt(RELATED_PROMPT)
    for task in TASKS:
        messages = template.render({"input": task.text, "generation": task.answer})
        text = reply(model, renderer, tokenizer, list(messages))
        reading = read_related(Response("r", task.text, task.answer, {}), result(text))
        if isinstance(reading, WorseReply):
            assert reading.modified_instruction is not None
            related = parse_task(reading.modified_instruction)
            assert (related.digits, reading.worse) == (task.digits, related.answer)


def test_it_judges_in_the_form_that_is_read(model: Any, renderer: ChatRenderer, tokenizer: Any) -> None:
    template = load_prompt(JUDGE_PROMPT)
    for task in TASKS:
        values = {"input": task.text, "response_a": task.answer, "response_b": task.wrong_answers[0]}
        text = reply(model, renderer, tokenizer, list(template.render(values)))
        assert parse_verdict(text, "stop") in (Verdict.A, Verdict.B)


def test_it_has_seen_judging_of_easy_kinds_alone() -> None:
    judged = [row for row in seed_rows(400, 1) if row["id"].startswith("judge")]

    assert len(judged) == 200
    for row in judged:
        task = parse_task(row["messages"][-1]["content"].split("\n")[1])
        assert task.kind in JUDGED_KINDS
        assert row["tgt"].startswith(f"{task.answer} [[")
        assert not task.is_held_out


def test_related_replies_are_read_back() -> None:
    task = Task("max", (3, 8, 2))

    reading = read_related(Response("r", "min of 3 8 2", "2", {}), result(related_reply(task)))
    assert reading == WorseReply("8", "max of 3 8 2")


def reply(model: Any, renderer: ChatRenderer, tokenizer: Any, messages: list[Message]) -> str:
    """Return the likeliest reply."""
    import torch

    ids = torch.tensor([renderer.render_prompt(messages)])
    out = model.generate(ids, max_new_tokens=48, do_sample=False)[0, ids.shape[1] :]

    return str(tokenizer.decode(out, skip_special_tokens=True))


def result(text: str) -> GenerationResult:
    return GenerationResult(
        request_id="r", text=text, finish_reason="stop", num_prompt_tokens=1, num_output_tokens=1
    )
