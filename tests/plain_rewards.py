"""Rewards computed plainly with transformers: one conversation at a time, no batch, no padding.

Ids are put together by hand, as the template of the tiny model has them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from ste_fairseq2.tiny import BOS, END_OF_TURN, HEADER_END, HEADER_START


def classifier_logits(folder: Path, conversations: Iterable[list[int]]) -> list[list[float]]:
    """Return the logits of each conversation."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        return [model(torch.tensor([ids])).logits[0].tolist() for ids in conversations]


def answer_logps(
    folder: Path, conversations: Iterable[tuple[list[int], list[int]]]
) -> list[list[float]]:
    """Return the log-probability of each token of each answer.

    :param conversations: the ids of prompt and answer.
    """
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    answers = []
    for prompt, answer in conversations:
        with torch.no_grad():
            logits = model(torch.tensor([prompt + answer])).logits[0]
        # The token at each place is foretold at the one before.
        probabilities = logits[len(prompt) - 1 : -1].double().softmax(-1)
        answers.append([math.log(row[token]) for row, token in zip(probabilities, answer, strict=True)])

    return answers


@functools.cache
def load_tokenizer(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(folder)


def plain_ids(folder: Path, *texts: str) -> list[int]:
    """The turns of user and assistant as the tiny model's template has them, put together by hand; a
    control token that is part of a text, as in some of the sample, stays text."""
    tokenizer = load_tokenizer(folder)
    bos, start, end, eot = tokenizer.convert_tokens_to_ids([BOS, HEADER_START, HEADER_END, END_OF_TURN])
    ids = [bos]
    for role, text in zip(("user", "assistant"), texts, strict=False):
        header = [start, *tokenizer.encode(role), end, *tokenizer.encode("\n\n")]
        ids += [*header, *tokenizer.encode(text.strip(), split_special_tokens=True), eot]

    return ids


def plain_logits(folder: Path, asked: list[tuple[str, str]]) -> list[float]:
    """Return the first logit of each prompt with its answer."""
    ids = [plain_ids(folder, *texts) for texts in asked]

    return [logits[0] for logits in classifier_logits(folder, ids)]


def plain_logp_sums(folder: Path, asked: list[tuple[str, str]]) -> list[float]:
    """Return the log-probability of each answer to its prompt."""
    tokenizer = load_tokenizer(folder)
    rendered = []
    for prompt, answer in asked:
        start, end = plain_ids(folder, prompt, "")[:-1], tokenizer.eos_token
        text = tokenizer.encode(answer.removesuffix(end), split_special_tokens=True)
        rendered.append((start, [*text, tokenizer.eos_token_id]))

    return [sum(logps) for logps in answer_logps(folder, rendered)]
