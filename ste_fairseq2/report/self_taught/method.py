"""A loop of Self-Taught Evaluators as its page shows it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, Final

from ste_fairseq2.loop.plan import Plan
from ste_fairseq2.loop.self_taught.config import SelfTaughtConfig
from ste_fairseq2.report.drops import read_drops
from ste_fairseq2.report.facts import LoopFacts
from ste_fairseq2.report.held_out import read_held_out_pairs
from ste_fairseq2.report.judgements import Choice, Judgements, ShownJudgement, wanted_pairs, with_pair
from ste_fairseq2.report.method import MakePart, ReportMethod, name_benchmarks
from ste_fairseq2.report.parts import accuracy, confidence, cost, curation, lengths, position, training
from ste_fairseq2.report.self_taught.read import (
    read_judging,
    read_training_pairs,
    with_votes,
)

_PAIR_STAGES: Final = ("select", "respond", "worsen")


class SelfTaughtReport(ReportMethod[SelfTaughtConfig]):
    """Pairs, judgements of them in both orders, and what curation made of these."""

    PARTS: ClassVar[tuple[MakePart, ...]] = (
        *(accuracy.make, curation.make, lengths.make, position.make),
        *(confidence.make, training.make, cost.make),
    )
    TABLE_NOTE: ClassVar[str] = (
        "A benchmark's column is accuracy in percent, the mean of both orders, with its interval; "
        "right, the share of the drawn samples whose verdict is right; kept, samples that became "
        "training data; A / B, examples by the place of the better answer; SFT and DPO, examples; "
        "tokens, those of judging and evaluation."
    )
    READING_NOTE: ClassVar[str] = (
        "What the judges wrote: samples drawn for training, and judgements on held-out pairs. The "
        "better answer is marked."
    )

    def settings(self) -> Mapping[str, str]:
        config = self.config
        training_text = ", then ".join(phase.upper() for phase in config.training)
        start = "the seed model" if config.train_from == "seed" else "the last judge"

        return {
            "Seed model": config.model,
            "First judge": config.first_judge or "",
            "Training": f"{training_text} in each round, from {start}" if config.rounds else "none",
            "Pairs": "made once" if config.pairs == "once" else "made anew every round",
            "Rounds": str(config.rounds),
            "Random seed": str(config.seed),
            "Sources": ", ".join(
                f"{name} ({source.instructions or source.responses or source.pairs})"
                for name, source in config.sources.items()
            ),
            "Benchmarks": name_benchmarks(config),
        }

    def complete(self, facts: LoopFacts, plan: Plan, choice: Choice[ShownJudgement]) -> LoopFacts:
        judging = read_judging(self.config, plan, choice)
        chosen = list(choice.chosen())
        wanted = wanted_pairs(chosen)
        pairs, shown = read_training_pairs(plan, wanted)
        shown |= read_held_out_pairs(plan, wanted)

        return dataclasses.replace(
            facts,
            judging=judging,
            drops=list(read_drops(plan, _PAIR_STAGES)),
            pairs=pairs,
            are_pairs_given=all(source.pairs is not None for source in self.config.sources.values()),
            judgements=Judgements(
                chosen=[with_pair(judgement, shown) for judgement in with_votes(chosen, judging)],
                pairs=shown,
                total=choice.total,
                limit=choice.limit,
            ),
        )
