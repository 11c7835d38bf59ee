"""The stage behind `ste self-instruct`: new instructions, written by a model from a few examples.

As in Self-Rewarding Language Models (arXiv 2401.10020, 2.2), after Self-Instruct: each prompt
shows a few of the instructions that people gave and, once there are any, some that were written before.
A reply that resembles a known instruction, that cannot be answered by writing, or that is too short or
too long is dropped.

Layout of the output folder, besides that of every stage (see ``store/stage.py``)::

    .work/    the replies of the batch that is under way
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ste_fairseq2.errors import ConfigError
from ste_fairseq2.instructions.novelty import BANNED_WORDS, WordingRule
from ste_fairseq2.instructions.wording import words
from ste_fairseq2.prompts import PromptTemplate, load_prompt
from ste_fairseq2.records import Instruction
from ste_fairseq2.store import StageStore
from ste_fairseq2.synthesis.config import StageConfig
from ste_fairseq2.synthesis.growth import EXAMPLES, Growth, GrowthPlan
from ste_fairseq2.synthesis.inputs import InputScan, StageInputs, ignore
from ste_fairseq2.synthesis.new_instruction import read_seed
from ste_fairseq2.synthesis.replies import ReplyPlan
from ste_fairseq2.synthesis.stage import Remainder, StageBase, StageOutcome, run_stage_by

_STAGE: Final = "self-instruct"
_REPLIES_PER_NEW: Final = 10


@dataclass(kw_only=True)
class SelfInstructConfig(StageConfig):
    """`ste self-instruct`."""

    inputs: str
    """instructions to take as examples: JSONL or the folder of a stage, with `instruction` and, where
    known, `id`; or SFT rows with `messages`, of which the user's turn is taken"""
    temperature: float = 0.6
    """0 is greedy"""
    max_tokens: int = 256
    """longest reply of the model"""
    count: int = 1000
    """new instructions wanted"""
    shots: int = 8
    """examples that a prompt shows"""
    new_shots: int = 2
    """those of them that were written before, once there are any"""
    batch: int = 64
    """replies asked for at a time; the prompts of a batch show what those before it came to"""
    max_replies: int | None = None
    """replies to ask for at the most, so that a model that repeats itself comes to an end; where absent,
    ten for each instruction wanted"""
    max_similarity: float = 0.7
    """similarity (ROUGE-L, 0 to 1) to an instruction that is known from which on a new one is dropped"""
    banned_words: tuple[str, ...] = BANNED_WORDS
    """words that no instruction may have, here or as a list in the `--config` file ([] for none)"""
    min_words: int = 3
    """shortest instruction, in words"""
    max_words: int = 150
    """longest instruction, in words"""
    prompt: str = "self-instruct"
    """prompt that asks for a new instruction, by name or path"""

    @property
    def most_replies(self) -> int:
        return self.max_replies if self.max_replies is not None else _REPLIES_PER_NEW * self.count

    @property
    def batch_size(self) -> int:
        """Replies of a batch: no more than instructions are wanted."""
        return min(self.batch, self.count)

    def validate(self) -> None:
        super().validate()
        for name in ("count", "shots", "batch", "min_words"):
            if getattr(self, name) < 1:
                raise ConfigError(name, f"must be at least 1, but is {getattr(self, name)}.")
        if not 0 <= self.new_shots < self.shots:
            raise ConfigError(
                "new_shots",
                f"must be at least 0 and below `shots` ({self.shots}), so that one is given.",
            )
        if self.most_replies < self.count:
            raise ConfigError("max_replies", f"must be at least `count` ({self.count}).")
        if not 0.0 < self.max_similarity <= 1.0:
            raise ConfigError(
                "max_similarity", f"must be above 0 and at most 1, but is {self.max_similarity}."
            )
        if self.max_words < self.min_words:
            raise ConfigError("max_words", f"must be at least `min_words` ({self.min_words}).")
        for banned in self.banned_words:
            if not words(banned):
                raise ConfigError("banned_words", f"must be words, but has {banned!r}.")

    def plan(self, template: PromptTemplate) -> GrowthPlan:
        return GrowthPlan(
            template=template,
            replies=ReplyPlan(stage=_STAGE, sampling=self.sampling(), seed=self.seed),
            rule=WordingRule(
                min_words=self.min_words, max_words=self.max_words, banned_words=self.banned_words
            ),
            max_similarity=self.max_similarity,
            count=self.count,
            shots=self.shots,
            new_shots=self.new_shots,
            batch_size=self.batch_size,
            max_replies=self.most_replies,
        )

    def settings(self) -> dict[str, Any]:
        """Return what the records depend on, beside what every stage's do."""
        return {
            "count": self.count,
            "shots": self.shots,
            "new_shots": self.new_shots,
            "batch": self.batch,
            "max_replies": self.most_replies,
            "max_similarity": self.max_similarity,
            "banned_words": list(self.banned_words),
            "min_words": self.min_words,
            "max_words": self.max_words,
        }


def run_self_instruct(config: SelfInstructConfig) -> StageOutcome:
    """Write new instructions until there are as many as are wanted; see
    :func:`~ste_fairseq2.synthesis.stage.run_stage` for what it raises.

    Fewer than are wanted, where the replies have run out, are no error; none at all are.

    :raises PromptFileError: the prompt is not known or lacks its field.
    """
    template = load_prompt(config.prompt)
    template.require(EXAMPLES)
    plan = config.plan(template)
    inputs = StageInputs(config.inputs, read_seed, limit=config.limit)

    def find_rest(_: InputScan, store: StageStore) -> Remainder | None:
        seeds = (
            Instruction(record.id, record.content.instruction)
            for record in inputs.records(on_error=ignore)
        )
        growth = Growth(plan, seeds, store)
        if growth.is_over:
            return None

        return Remainder(
            total=config.count,
            done=store.num_records,
            tokens_spent=growth.tokens_undecided,
            finish=growth.finish,
        )

    work = StageBase(
        name=_STAGE,
        inputs=inputs,
        template=template,
        settings=config.settings(),
        describe=lambda store: {"summary": _summarise(config, store)},
    )

    return run_stage_by(config, work, find_rest)


def _summarise(config: SelfInstructConfig, store: StageStore) -> dict[str, int]:
    return {
        "wanted": config.count,
        "replies": store.num_done,
        "batches": -(-store.num_done // config.batch_size),
    }
