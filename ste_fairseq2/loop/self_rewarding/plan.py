"""The plan of a loop of Self-Rewarding Language Models. A pure function.

Layout of the loop's folder; M1 and its successors are the paper's models::

    ranked/{ift,train,held_out}.jsonl            people's best answers, and their ranked ones
    seed/{evaluate,follow}/NAME                  the seed model's scores
    ift/{run,model,evaluate,follow}              SFT on the best answers: the model that EFT begins with
    m1/{scores,data,run,model,evaluate,follow}   scores of ranked answers, IFT+EFT, SFT on both
    m2/{instructions,candidates,scores,data}     new instructions, answers to them, their scores, pairs
    m2/{run,model,evaluate,follow}               DPO from the last model
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.curation.ranked import HELD_OUT_NAME, IFT_NAME, TRAIN_NAME
from ste_fairseq2.loop.plan import Plan, Round
from ste_fairseq2.loop.planner import Planner
from ste_fairseq2.loop.self_rewarding.config import CANDIDATES, SCORE, SelfRewardingConfig

RANKED_BENCHMARK: Final = "ranked"
"""The benchmark of `ste evaluate` whose data are the held-out ranked answers, unless told otherwise."""

_RANKED: Final = "ranked"
"""The step that reads what people ranked."""

_NUM_SFT_ROUNDS: Final = 2


class SelfRewardingPlanner(Planner[SelfRewardingConfig]):
    """Plans SFT on people's answers, SFT on judgements of them too, and rounds of DPO."""

    def plan(self) -> Plan:
        config = self.config
        places = {"inputs": config.ranked}
        ranked = self.curate(_RANKED, 0, "prepare_ranked", places, config.prepare_ranked)
        seed = Path(config.model)
        rounds = [self._tested("seed", Round(number=0, name="seed", judge=seed))]
        rounds.append(self._ift_round(ranked))
        rounds.append(self._eft_round(ranked, rounds[-1].judge))
        for number in range(1, config.rounds + 1):
            rounds.append(self._dpo_round(number, ranked, rounds[-1].judge))

        return Plan(steps=tuple(self.steps), rounds=tuple(rounds))

    def _ift_round(self, ranked: Path) -> Round:
        data = ranked / IFT_NAME
        run = self.train("ift", 1, "sft", data, Path(self.config.model))
        model = self.export("ift", 1, "sft", run)

        ift = Round(number=1, name="IFT", judge=model, data={"sft": data}, runs={"sft": run})

        return self._tested("ift", ift)

    def _eft_round(self, ranked: Path, ift_model: Path) -> Round:
        scores = self._score("m1/scores", 2, str(ranked / TRAIN_NAME), ift_model)
        places = {"scores_dir": str(scores), "ift": str(ranked / IFT_NAME)}
        data = self.curate("m1/data", 2, "prepare_eft", places, self.config.prepare_eft)
        # As in the paper, from the seed model again, on both kinds of examples.
        run = self.train("m1", 2, "sft", data, Path(self.config.model))
        model = self.export("m1", 2, "sft", run)

        m1 = Round(
            number=2, name="M1", judge=model, data={"sft": data}, runs={"sft": run}, scores=scores
        )

        return self._tested("m1", m1)

    def _dpo_round(self, dpo_round: int, ranked: Path, last: Path) -> Round:
        config = self.config
        number, name = dpo_round + _NUM_SFT_ROUNDS, f"m{dpo_round + 1}"
        instructions = config.instructions
        if instructions is None:
            options = {"model": config.model} | config.self_instruct
            seeds = str(ranked / IFT_NAME)
            instructions = self.stage(
                f"{name}/instructions", number, "self_instruct", seeds, options, ("self-instruct",)
            )
        options = CANDIDATES | config.candidates | {"model": last}
        candidates = self.stage(
            f"{name}/candidates", number, "candidates", instructions, options, ("respond",)
        )
        scores = self._score(f"{name}/scores", number, candidates, last)
        places = {"scores_dir": str(scores)}
        data = self.curate(
            f"{name}/data", number, "prepare_preferences", places, config.prepare_preferences
        )
        run = self.train(name, number, "dpo", data, last)
        model = self.export(name, number, "dpo", run)

        round_ = Round(
            number=number,
            name=name.upper(),
            judge=model,
            data={"dpo": data},
            runs={"dpo": run},
            candidates=Path(candidates),
            scores=scores,
        )

        return self._tested(name, round_)

    def _score(self, name: str, number: int, answers: str, judge: Path) -> Path:
        options = SCORE | self.config.score | {"model": judge}

        return Path(self.stage(name, number, "score", answers, options, ("judge",)))

    def _tested(self, prefix: str, round_: Round) -> Round:
        """Add what the round's model is tested by: as a judge, and by its own answers."""
        evaluations = self.evaluate(prefix, round_.number, round_.judge)
        followings = {}
        for name, options in self.config.follow.items():
            own = {key: value for key, value in options.items() if key != "inputs"}
            place = f"{prefix}/follow/{name}"
            inputs = options.get("inputs", self._held_out)
            output = self.stage(place, round_.number, "follow", inputs, {"model": round_.judge} | own)
            followings[name] = Path(output)

        return dataclasses.replace(round_, evaluations=evaluations, followings=followings)

    def complete_evaluation(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        if options.get("benchmark") == RANKED_BENCHMARK and "data" not in options:
            return {**options, "data": self._held_out}

        return options

    @property
    def _held_out(self) -> str:
        """Ranked answers that no training sees."""
        return str(self.folder / _RANKED / HELD_OUT_NAME)
