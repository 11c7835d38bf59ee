"""From ranked answers to seed data: instruction fine-tuning, answers to score, and some held out.

Self-Rewarding Language Models (arXiv 2401.10020, 2.1 and 3.1.1) begins with two small sets out of human
conversations: IFT, the best-ranked answer to each of 3,200 instructions, and EFT, judgements of ranked
answers that agree with the ranks. This writes the first and what the second is made of: answers for
`ste judge --mode score` to score, of whose judgements `ste prepare-eft` keeps those that agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.curation.conversations import read_conversations
from ste_fairseq2.curation.first_turns import FirstTurns, RankedPrompt, Selected
from ste_fairseq2.curation.lengths import LengthTally
from ste_fairseq2.curation.output import OutputFolder, resolve_config
from ste_fairseq2.curation.ranked_config import PrepareRankedConfig
from ste_fairseq2.digest import digest_json, digest_text
from ste_fairseq2.errors import EmptyDataError, RowError
from ste_fairseq2.instructions.sources import InstructionSource
from ste_fairseq2.instructions.wording import normal_form
from ste_fairseq2.jsonl import write_rows
from ste_fairseq2.records import Message, SftExample
from ste_fairseq2.rng import derived_generator, draw_key
from ste_fairseq2.store import Manifest, Quarantine

_STAGE: Final = "prepare-ranked"

IFT_NAME: Final = "ift.jsonl"
TRAIN_NAME: Final = "train.jsonl"
HELD_OUT_NAME: Final = "held_out.jsonl"


@dataclass(frozen=True)
class RankedSets:
    """The prompts of each set, sorted by id."""

    train: list[RankedPrompt]
    held_out: list[RankedPrompt]
    one_rank: list[RankedPrompt]
    """Prompts whose answers are all of one rank, which tells nothing of a judge."""
    ift_candidates: list[RankedPrompt]
    """Prompts whose text is not held out: those of ``train``, and of ``one_rank``."""


def prepare_ranked(config: PrepareRankedConfig) -> Manifest:
    """Write ``ift.jsonl``, and ``train.jsonl`` and ``held_out.jsonl`` for `ste judge --mode score`.

    :raises InputError: an input is missing or malformed.
    :raises EmptyDataError: no prompt has answers of different rank.
    """
    sources = [InstructionSource(location) for location in config.inputs]
    files = [part for source in sources for part in source.parts if isinstance(part, Path)]
    resolved = resolve_config(_STAGE, config)

    with OutputFolder(config.output_dir, resolved, files) as output:
        finished = output.finished()
        if finished is not None:
            return finished
        quarantine = Quarantine(output.path, limit=config.quarantine_limit)
        selected = _select(sources, config, quarantine)
        sets = split_prompts(selected.prompts, share=config.held_out_share, seed=config.seed)
        counts = {"malformed": quarantine.count, **_prompt_fates(selected, sets)}
        if not sets.train:
            raise EmptyDataError("the input", counts)
        examples = choose_ift(sets.ift_candidates, most=config.ift_examples, seed=config.seed)
        rows: dict[str, list[dict[str, Any]]] = {
            IFT_NAME: [example.to_row() for example in examples],
            TRAIN_NAME: [answer.to_row() for prompt in sets.train for answer in prompt.answers],
            HELD_OUT_NAME: [answer.to_row() for prompt in sets.held_out for answer in prompt.answers],
        }
        # A file without a row is no input of any command, so it is not written.
        written = {name: content for name, content in rows.items() if content}
        for name, content in written.items():
            write_rows(output.staged / name, content)
        manifest = Manifest(
            stage=_STAGE,
            config=resolved,
            counts=counts,
            digests={"inputs": digest_json(sorted(source.digest for source in sources))},
            details={
                "answers": _answer_fates(selected, sets),
                "other_turns": dict(sorted(selected.other_turns.items())),
                "prompts": {
                    "ift": len(examples),
                    "ift_candidates": len(sets.ift_candidates),
                    "train": len(sets.train),
                    "held_out": len(sets.held_out),
                },
                "examples": {
                    **{Path(name).stem: len(content) for name, content in rows.items()},
                    "written": sum(map(len, rows.values())),
                },
                "lengths": {"ift": LengthTally([example.tgt for example in examples]).report()},
                "files": output.describe_staged(written),
            },
        )
        output.commit(manifest)

    return manifest


def split_prompts(prompts: Sequence[RankedPrompt], *, share: float, seed: int) -> RankedSets:
    """Deal prompts to training and held-out ones, by their texts.

    Texts that differ in case, spacing and punctuation alone stay together, so that nothing that is held
    out has been trained on in another guise. Where a share is held out at all, neither side is empty if
    there are two texts.
    """
    ordered = [prompt for prompt in prompts if prompt.has_order]
    held_out = _draw_texts({_text_key(prompt.text) for prompt in ordered}, share, seed)

    def is_held_out(prompt: RankedPrompt) -> bool:
        return _text_key(prompt.text) in held_out

    return RankedSets(
        train=[prompt for prompt in ordered if not is_held_out(prompt)],
        held_out=[prompt for prompt in ordered if is_held_out(prompt)],
        one_rank=[prompt for prompt in prompts if not prompt.has_order],
        ift_candidates=[prompt for prompt in prompts if not is_held_out(prompt)],
    )


def choose_ift(prompts: Iterable[RankedPrompt], *, most: int, seed: int) -> list[SftExample]:
    """Draw prompts, and of each the best-ranked answer, or one of several; in the order of the draw."""
    drawn = sorted(prompts, key=lambda prompt: draw_key(seed, f"{_STAGE}/ift", prompt.id))

    return [_to_example(prompt, seed) for prompt in drawn[:most]]


def _to_example(prompt: RankedPrompt, seed: int) -> SftExample:
    best = min(answer.rank for answer in prompt.answers)
    answer = derived_generator(seed, f"{_STAGE}/best", prompt.id).choice(
        [answer for answer in prompt.answers if answer.rank == best]
    )

    return SftExample(
        id=answer.id,
        # Training renders from the messages, with the chat template of the model that it trains.
        src="",
        tgt=answer.response,
        messages=(Message("user", prompt.text),),
        extra={"instruction_id": prompt.id},
    )


def _text_key(text: str) -> str:
    return digest_text(normal_form(text))


def _draw_texts(keys: Collection[str], share: float, seed: int) -> frozenset[str]:
    number = round(share * len(keys))
    if share > 0 and len(keys) > 1:
        number = min(max(number, 1), len(keys) - 1)

    return frozenset(sorted(keys, key=lambda key: draw_key(seed, f"{_STAGE}/split", key))[:number])


def _select(
    sources: Sequence[InstructionSource], config: PrepareRankedConfig, quarantine: Quarantine
) -> Selected:
    """Read everything.

    :raises QuarantineLimitError: too many rows are malformed.
    """
    turns = FirstTurns()
    num_rows = 0
    for source in sources:
        for part in source.parts:
            for row, found in read_conversations(part, on_error=quarantine.add):
                try:
                    turns.add(row, found)
                    num_rows += 1
                except RowError as ex:
                    quarantine.add(ex)
    quarantine.check(num_rows + quarantine.count)

    return turns.select(config.wanted_languages())


def _prompt_fates(selected: Selected, sets: RankedSets) -> dict[str, int]:
    fates = Counter(selected.prompt_fates)
    fates.update(train=len(sets.train), held_out=len(sets.held_out), one_rank=len(sets.one_rank))

    return dict(sorted(fates.items()))


def _answer_fates(selected: Selected, sets: RankedSets) -> dict[str, int]:
    fates = Counter(selected.answer_fates)
    for name in ("train", "held_out", "one_rank"):
        prompts: list[RankedPrompt] = getattr(sets, name)
        fates[name] += sum(len(prompt.answers) for prompt in prompts)

    return dict(sorted(fates.items()))
