"""The plan of a loop of Self-Taught Evaluators. A pure function.

Layout of the loop's folder::

    sources/NAME/{select,respond,worsen}          made once
    round-0/evaluate/NAME                         the seed model's scores
    round-1/pairs/NAME/{respond,worsen}           where pairs are made anew every round
    round-1/sft/{annotate/NAME,data,run,model}    judgements, training set, training, the model of it
    round-1/dpo/…                                 likewise; the last model of a round is its judge
    round-1/evaluate/NAME                         its scores
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ste_fairseq2.loop.config import Phase
from ste_fairseq2.loop.plan import Plan, Round
from ste_fairseq2.loop.planner import Planner
from ste_fairseq2.loop.self_taught.config import SelfTaughtConfig, SourceConfig


class SelfTaughtPlanner(Planner[SelfTaughtConfig]):
    """Plans pairs once or every round, then rounds of judging and training."""

    def plan(self) -> Plan:
        config = self.config
        once = {
            name: self._make_pairs(f"sources/{name}", 0, name, source)
            for name, source in config.sources.items()
        }
        rounds = [self._seed_round()]
        for number in range(1, config.rounds + 1):
            rounds.append(self._round(number, once, rounds[-1].judge))

        return Plan(steps=tuple(self.steps), rounds=tuple(rounds))

    def _seed_round(self) -> Round:
        judge = Path(self.config.model)

        return Round(number=0, name="seed", judge=judge, evaluations=self.evaluate("round-0", 0, judge))

    def _round(self, number: int, once: Mapping[str, str], last_judge: Path) -> Round:
        config = self.config
        pairs = dict(once)
        if config.pairs == "every_round":
            pairs = {
                name: self._answer(f"round-{number}/pairs/{name}", number, source, once[name])
                for name, source in config.sources.items()
            }
        judge = last_judge
        if number == 1 and config.first_judge is not None:
            judge = Path(config.first_judge)
        start = Path(config.model) if config.train_from == "seed" else last_judge
        annotations: list[Path] = []
        data: dict[Phase, Path] = {}
        runs: dict[Phase, Path] = {}
        for phase in config.training:
            prefix = f"round-{number}/{phase}"
            drawn = [self._annotate(prefix, number, name, pairs[name], judge) for name in pairs]
            data[phase] = self._prepare(prefix, number, phase, drawn)
            runs[phase] = self.train(prefix, number, phase, data[phase], start)
            # The next training of the round goes on from this one, and learns from its judgements.
            judge = start = self.export(prefix, number, phase, runs[phase])
            annotations += drawn

        return Round(
            number=number,
            name=str(number),
            judge=judge,
            annotations=tuple(annotations),
            data=data,
            runs=runs,
            pairs=tuple(Path(path) for path in pairs.values()),
            evaluations=self.evaluate(f"round-{number}", number, judge),
        )

    def _make_pairs(self, prefix: str, number: int, name: str, source: SourceConfig) -> str:
        """Return the pairs of a source; or, where these are made every round, what they are made of."""
        config = self.config
        if source.pairs is not None:
            return source.pairs
        if source.responses is not None:
            begin = source.responses
        else:
            assert source.instructions is not None
            begin = source.instructions
            selection = config.selection_of(source)
            if selection is not None:
                begin = self.stage(f"{prefix}/select", number, "select", begin, selection)
        if config.pairs == "every_round":
            return begin

        return self._answer(prefix, number, source, begin)

    def _answer(self, prefix: str, number: int, source: SourceConfig, begin: str) -> str:
        config, seed_model = self.config, {"model": self.config.model}
        if source.responses is None:
            options = seed_model | config.respond
            begin = self.stage(f"{prefix}/respond", number, "respond", begin, options)

        return self.stage(f"{prefix}/worsen", number, "worsen", begin, seed_model | config.worsen)

    def _annotate(self, prefix: str, number: int, name: str, pairs: str, judge: Path) -> Path:
        options = self.config.annotate | {"model": judge}

        return Path(self.stage(f"{prefix}/annotate/{name}", number, "annotate", pairs, options))

    def _prepare(self, prefix: str, number: int, phase: Phase, annotations: list[Path]) -> Path:
        config = self.config
        options = config.prepare_sft if phase == "sft" else config.prepare_dpo
        if len(annotations) > 1:
            options = {"mix": [source.weight for source in config.sources.values()]} | options
        places = {"generation_dir": [str(folder) for folder in annotations]}

        return self.curate(f"{prefix}/data", number, f"prepare_{phase}", places, options)
