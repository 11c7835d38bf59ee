"""A loop of Self-Rewarding Language Models as its page shows it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from ste_fairseq2.loop.options import STAGES
from ste_fairseq2.loop.plan import Plan
from ste_fairseq2.loop.rounds import RoundSummary
from ste_fairseq2.loop.self_rewarding.config import CANDIDATES, SCORE, SelfRewardingConfig
from ste_fairseq2.report.drops import read_drops
from ste_fairseq2.report.facts import LoopFacts, ScoringFacts
from ste_fairseq2.report.held_out import read_held_out_pairs
from ste_fairseq2.report.judgements import (
    BECAME,
    Choice,
    Judgements,
    ShownAnswer,
    ShownJudgement,
    wanted_pairs,
    with_pair,
)
from ste_fairseq2.report.method import MakePart, ReportMethod, name_benchmarks
from ste_fairseq2.report.parts import (
    accuracy,
    answer_lengths,
    cost,
    following,
    position,
    ranks,
    scores,
    training,
)
from ste_fairseq2.report.self_rewarding.answers import offer_answers
from ste_fairseq2.report.self_rewarding.ranking import read_rankings
from ste_fairseq2.store.manifest import read_manifest

_ASKING_STAGES: Final = ("self_instruct", "candidates", "score")


class SelfRewardingReport(ReportMethod[SelfRewardingConfig]):
    """Answers, their scores, and the pairs made of them; how models answer, and how they judge."""

    PARTS: ClassVar[tuple[MakePart, ...]] = (
        *(following.make, accuracy.make, ranks.make, scores.make, answer_lengths.make),
        *(position.make_held_out, training.make, cost.make),
    )
    TABLE_NOTE: ClassVar[str] = (
        "The column of a test of following or of a benchmark is in percent, with its interval: right "
        "answers or comparisons won, and accuracy; answers, those that were scored for the round's "
        "training set; unscored, those of which no judgement has a score; samples, the judgements; SFT "
        "and DPO, examples; tokens, those of scoring and evaluation."
    )
    READING_NOTE: ClassVar[str] = (
        "What the models wrote: answers with the judgements that score them, and what became of each in "
        "the training set; and judgements on held-out pairs, whose better answer is marked."
    )

    def settings(self) -> Mapping[str, str]:
        config = self.config
        engine = config.engine
        settings = {
            "Method": "Self-Rewarding Language Models",
            "Seed model": config.model,
            "Ranked answers": ", ".join(config.ranked),
            "Training": self._training(),
            "Rounds of DPO": str(config.rounds),
        }
        if config.rounds:
            options = engine | CANDIDATES | config.candidates
            settings["Instructions of DPO"] = self._instructions()
            settings["Answers to each"] = f"{options['samples']}, {_sampling('candidates', options)}"
        options = engine | SCORE | config.score

        return settings | {
            "Score": f"mean of {options['samples']} judgements, {_sampling('score', options)}",
            "Random seed": str(config.seed),
            "Tests of following": ", ".join(self._tests()),
            "Benchmarks": name_benchmarks(config),
        }

    def complete(self, facts: LoopFacts, plan: Plan, choice: Choice[ShownJudgement]) -> LoopFacts:
        config = self.config
        answers = Choice[ShownAnswer](config.seed, choice.limit, BECAME)
        offer_answers(plan, answers)
        chosen = list(choice.chosen())
        shown = read_held_out_pairs(plan, wanted_pairs(chosen))

        return dataclasses.replace(
            facts,
            drops=list(read_drops(plan, _ASKING_STAGES)),
            tests=list(config.follow),
            rankings=read_rankings(plan),
            scoring=list(_read_scoring(plan, facts.summaries)),
            sampling=_sampling("candidates", config.engine | CANDIDATES | config.candidates),
            judgements=Judgements(
                chosen=[with_pair(judgement, shown) for judgement in chosen],
                pairs=shown,
                total=choice.total,
                answers=list(answers.chosen()),
                total_answers=answers.total,
                limit=choice.limit,
            ),
        )

    def _training(self) -> str:
        text = "SFT on people's best answers (IFT), and on these and judgements of ranked answers (M1)"

        return f"{text}; then DPO, each time from the last model" if self.config.rounds else text

    def _instructions(self) -> str:
        config = self.config
        if config.instructions is not None:
            return config.instructions
        options = config.engine | config.self_instruct
        writer = options.get("model")
        by = "the seed model" if writer in (None, config.model) else writer

        count = int(_value("self-instruct", options, "count"))

        return f"up to {count:,} new ones each round, written by {by}"

    def _tests(self) -> Iterator[str]:
        for name, options in self.config.follow.items():
            judge = options.get("judge")
            measure = "exact match" if judge is None else f"win rate, judged by {judge}"
            yield f"{name} ({options.get('inputs') or 'the ranked answers held out'}; {measure})"


def _read_scoring(plan: Plan, summaries: Sequence[RoundSummary]) -> Iterator[ScoringFacts]:
    for round_, summary in zip(plan.rounds, summaries, strict=True):
        if round_.scores is not None:
            [(phase, data)] = round_.data.items()
            manifest = read_manifest(data)
            yield ScoringFacts(
                label=round_.name,
                phase=phase,
                scores=summary.scores,
                lengths={} if manifest is None else manifest.details["lengths"],
                taught={} if manifest is None else manifest.details.get("points", {}),
            )


def _sampling(stage: str, options: Mapping[str, Any]) -> str:
    temperature, top_p = (float(_value(stage, options, name)) for name in ("temperature", "top_p"))

    return f"temperature {temperature:g}, top_p {top_p:g}"


def _value(stage: str, options: Mapping[str, Any], name: str) -> Any:
    """Return an option of a stage, or its default."""
    return options.get(name, getattr(STAGES[stage].config(), name))
