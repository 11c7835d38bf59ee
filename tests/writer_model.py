"""Trains the tiny model to reply in the form that each stage reads, whatever it is asked: real weights
for tests that go from instructions to training data.

The replies make no sense and the verdicts are a toss of a coin, which is what such a test needs: right
and wrong judgements on every pair, and some replies that cannot be read.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.jsonl import write_rows
from ste_fairseq2.prompts import load_prompt
from ste_fairseq2.records import Message
from ste_fairseq2.tiny import TinyModelConfig, build_tiny_model

_NOUNS: Final = ("tea", "owls", "maps", "rain", "iron", "jazz")
_LABELS: Final = "Category: {}\nComplexity: 6\nLength: (b)"
_CATEGORIES: Final = ("Knowledge and Reasoning", "Coding")


def training_rows(count: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield SFT rows: each kind of prompt in turn, on made-up instructions of many lengths."""
    generator = random.Random(seed)
    label, judge = load_prompt("label"), load_prompt("judge")
    related = load_prompt("worse-related")
    for number in range(count):
        instruction, first, second = (_words(generator) for _ in range(3))
        noun = generator.choice(_NOUNS)
        answer = f"It is about {noun}."
        shown = {"input": instruction, "generation": first}
        pair = {"input": instruction, "response_a": first, "response_b": second}
        prompts: list[tuple[Sequence[Message], str]] = [
            ([Message("user", instruction)], answer),
            (label.render({"input": instruction}), _LABELS.format(_CATEGORIES[0])),
            (label.render({"input": instruction}), _LABELS.format(_CATEGORIES[number % 4 // 2])),
            (
                related.render(shown),
                f"[User Question Modified]\nWhat of {noun}?\n"
                f"[The start of Assistant's answer to the modified instruction]\n{answer}\n"
                "[The end of Assistant's answer to the modified instruction]",
            ),
            (judge.render(pair), f"Both speak of {noun}.\n\n[[{generator.choice('AB')}]]"),
            (judge.render(pair), f"One speaks of {noun}.\n\n[[{generator.choice('AB')}]]"),
        ]
        messages, target = prompts[number % len(prompts)]
        yield {
            "id": f"w{number}",
            "messages": [message.to_row() for message in messages],
            "tgt": target,
        }


def scoring_rows(count: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield SFT rows of another model: answers of two lengths, and scores that like the longer ones.

    One reply in eight to the scoring prompt has no score.
    """
    generator = random.Random(seed)
    prompt = load_prompt("score")
    for number in range(count):
        instruction, noun = _words(generator), generator.choice(_NOUNS)
        is_long = generator.random() < 0.5
        answer = f"It is about {noun}." + " So it is." * is_long
        messages: Sequence[Message] = [Message("user", instruction)]
        target = answer
        if number % 2:
            messages = prompt.render({"input": instruction, "response": answer})
            target = f"It says something.\n\nScore: {4 if is_long else 2}"
            if number % 16 == 1:
                target = "It says something."
        yield {
            "id": f"s{number}",
            "messages": [message.to_row() for message in messages],
            "tgt": target,
        }


def train_writer(
    rows: Iterable[Mapping[str, Any]],
    folder: Path,
    *,
    run_jobs: Callable[..., None],
    write_config: Callable[..., Path],
    num_steps: int,
    texts: Sequence[Path] = (),
) -> Path:
    """Train a tiny model on SFT rows by the recipe, and return it as a model folder.

    :param run_jobs: the fixture of that name, as is ``write_config``.
    :param texts: what the tokenizer learns from, beside the rows.
    """
    write_rows(folder / "sft.jsonl", rows)
    base = build_tiny_model(
        TinyModelConfig(output=folder / "base", texts=(folder / "sft.jsonl", *texts))
    )
    config = write_config(
        {
            "model": {"name": str(base)},
            "optimizer": {"config": {"lr": 3e-3}},
            "dataset": {
                "config_overrides": {"sources": [{"path": str(folder / "sft.jsonl")}]},
                "batch_size": 8,
            },
            "regime": {"num_steps": num_steps, "checkpoint_every_n_steps": num_steps},
            "export": {"every_checkpoint": True, "dtype": "float32"},
        }
    )
    run_jobs([("instruction_finetune", folder / "run", config, [])])

    return folder / "run" / "checkpoints" / f"step_{num_steps}" / "hg"


def _words(generator: random.Random) -> str:
    """Return text of up to forty words, so that the form of a prompt is all there is to learn."""
    return " ".join(
        "".join(generator.choices(string.ascii_lowercase, k=generator.randint(1, 9)))
        for _ in range(generator.randint(2, 40))
    )
