"""The small world's models before they have learned anything: tokenizer, shape, random weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ste_fairseq2.prompts import load_prompt
from ste_fairseq2.scores import MAX_SCORE
from ste_fairseq2.small_world.base_rows import NEW_PROMPT, NUM_SHOTS, SCORE_PROMPT
from ste_fairseq2.small_world.graded import judgement_of_one
from ste_fairseq2.small_world.instructions import KINDS, Task
from ste_fairseq2.small_world.seed_rows import JUDGE_PROMPT, RELATED_PROMPT, judgement, related_reply
from ste_fairseq2.synthesis.new_instruction import list_examples
from ste_fairseq2.tiny import (
    END_OF_TURN,
    HEADER_END,
    HEADER_START,
    TinyModelConfig,
    train_tokenizer,
    write_untrained,
)

_VOCAB_SIZE: Final = 448
"""256 bytes, the control tokens, and room for the words and marks of the world, a token each."""

_MARK_OR_DIGIT: Final = r" ?\[\[[A-Z]\]\]|\[[^\[\]\n]+\]| ?\d|\n+"
_PIECES: Final = rf"{_MARK_OR_DIGIT}| ?\p{{L}}+| ?[^\s\p{{L}}\d\[]+|\[|\s"

_CHAT_TEMPLATE: Final = (
    "{{- bos_token }}"
    "{%- for message in messages %}"
    "{{- '" + HEADER_START + "' + message['role'] + '" + HEADER_END + "' }}"
    "{{- message['content'] | trim }}{{- '" + END_OF_TURN + "' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}"
    "{{- '" + HEADER_START + "assistant" + HEADER_END + "' }}"
    "{%- endif %}"
)
"""Llama 3's without its line breaks: two tokens fewer a turn."""


def build_untrained(output: Path, seed: int, texts: Iterator[str]) -> Path:
    """Write the folder of a model with random weights and return it.

    :param texts: what its byte-level BPE is learned from, so that every word, digit and section mark in
        them is one token.
    """
    tokenizer = train_tokenizer(texts, _VOCAB_SIZE, pieces=_PIECES, chat_template=_CHAT_TEMPLATE)
    config = TinyModelConfig(
        output=output,
        vocab_size=_VOCAB_SIZE,
        hidden_size=128,
        intermediate_size=384,
        num_layers=3,
        num_heads=4,
        num_kv_heads=4,
        max_seq_len=512,
        # Three times what is usual: attention that compares tokens then forms within a few hundred steps
        # instead of thousands.
        initializer_range=0.06,
        seed=seed,
    )

    return write_untrained(config, tokenizer)


def texts_of_seed() -> Iterator[str]:
    """Yield every word, mark and digit that the self-taught judge meets, often enough for the BPE to
    join it up."""
    template_of_answer = {"generation": "0"}
    for task, both in _tasks():
        for name, values in ((JUDGE_PROMPT, both), (RELATED_PROMPT, both | template_of_answer)):
            yield from (message.content for message in load_prompt(name).render(values))
        yield from (judgement(task, "A"), judgement(task, "B"), related_reply(task))
        yield "user assistant system"


def texts_of_base() -> Iterator[str]:
    """Yield likewise what the self-rewarding model meets."""
    for task, both in _tasks():
        one = {"input": task.text, "response": task.answer}
        shown = {"examples": list_examples([task.text] * NUM_SHOTS)}
        for name, values in ((JUDGE_PROMPT, both), (SCORE_PROMPT, one), (NEW_PROMPT, shown)):
            yield from (message.content for message in load_prompt(name).render(values))
        yield from (judgement(task, "A"), judgement(task, "B"))
        yield from (judgement_of_one(task, points) for points in range(MAX_SCORE + 1))
        yield "user assistant system"


def _tasks() -> Iterator[tuple[Task, dict[str, str]]]:
    """Yield tasks with all digits, and the values of a prompt that shows two answers to each."""
    for kind in KINDS:
        for digit in range(10):
            task = Task(kind, (digit, (digit + 1) % 10))
            yield (
                task,
                {"input": task.text, "response_a": str(digit), "response_b": str(digit)},
            )
