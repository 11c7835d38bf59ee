"""`ste evaluate`: score judgements, a judge or a reward model on a benchmark, or compare evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ste_fairseq2.cli.config import ConfigT, build_config, parse_config
from ste_fairseq2.errors import ConfigError
from ste_fairseq2.reward_models.config import RewardKind

if TYPE_CHECKING:
    from ste_fairseq2.evaluation.benchmark import Benchmark, BenchmarkPair
    from ste_fairseq2.evaluation.bootstrap import Bootstrap
    from ste_fairseq2.evaluation.result import Evaluation
    from ste_fairseq2.reward_models.config import RewardModelConfig
    from ste_fairseq2.synthesis.judge import JudgeConfig

_EPILOG = """\
examples:
  ste evaluate --judgements judgements.jsonl --output scores
  ste evaluate --benchmark rewardbench --model checkpoints/judge --output scores
  ste evaluate --benchmark pairs --data my_pairs.jsonl --model checkpoints/judge --output scores \\
      --judge-options samples=32 temperature=0.7 top_p=0.9
  ste evaluate --benchmark rewardbench --judgements judged --output scores   (upstream's frozen prompts)
  ste evaluate --benchmark rewardbench2 --reward-model models/classifier --output scores
  ste evaluate --benchmark rewardbench --reward-model models/dpo --kind dpo --reference models/sft \\
      --output scores
  ste evaluate --best-of responses.jsonl --reward-model models/classifier --output ranked
  ste evaluate --benchmark helpsteer2 --checkpoints runs/dpo --output choice
  ste evaluate --compare scores/old scores/new --output comparison

benchmarks: rewardbench, rewardbench2, prior-sets, llmbar, judgebench, judgebench-claude, helpsteer2,
mt-bench, and pairs (your own file of prompt, chosen, rejected and, where wanted, subset).
"""


@dataclass(kw_only=True)
class EvaluateConfig:
    """What to score."""

    output: Path
    """folder for scores.json, card.md and what a model says of the benchmark"""
    judgements: Path | None = None
    """judgements to score: a file or folder of judgement samples, or what `ste judge` wrote"""
    benchmark: str | None = None
    """benchmark that the judgements are of, or that the model is asked about"""
    data: Path | None = None
    """local copy of the benchmark's data, in place of the Hugging Face Hub"""
    model: Path | None = None
    """model that judges the benchmark, each pair in both orders"""
    judge_options: dict[str, str] = field(default_factory=dict)
    """options of `ste judge` for that, such as prompt=released-judge samples=32 temperature=0.7"""
    checkpoints: Path | None = None
    """output folder of a training run: each of its checkpoints judges the benchmark, and the best is
    named (checkpoints.json, .md and .png); checkpoints that the run has not exported are"""
    reward_model: Path | None = None
    """reward model that scores the answers of the benchmark, or the responses of best_of, one by one"""
    kind: RewardKind = "classifier"
    """where the reward model's score comes from; classifier: its logit; dpo: the log-probability of an
    answer less that under `reference`; ref-free-*: log-probabilities of its tokens, averaged, summed, or
    their norm with a minus"""
    reference: Path | None = None
    """with --kind dpo: the model that training began with"""
    reward_options: dict[str, str] = field(default_factory=dict)
    """label_index=N for a classifier with several labels, dtype=bfloat16, batch_tokens=N,
    trust_remote_code=true for a model that brings its own code"""
    best_of: Path | None = None
    """file or folder of prompts, each with responses, which the reward model ranks"""
    frozen_inputs: Path | None = None
    """file of rendered prompts with is_shuffled, where the judgements do not have it themselves"""
    prior: Path | None = None
    """output folder of an evaluation of prior-sets, for RewardBench's score with them at half weight"""
    judge: str | None = None
    """name of the judge, for judgements that do not name theirs"""
    compare: tuple[Path, ...] = ()
    """output folders of this command; the first is what the others are compared with"""
    resamples: int = 10_000
    """bootstrap resamples of the intervals"""
    level: float = 0.95
    """confidence level of the intervals"""
    seed: int = 2
    """seed of the resamples"""
    quarantine_limit: float = 0.01
    """share of malformed rows (0 to 1) that is still put up with"""

    def validate(self) -> None:
        """
        :raises ConfigError:
        """
        sources = (
            self.judgements,
            self.model,
            self.checkpoints,
            self.reward_model,
            self.compare or None,
        )
        if sum(source is not None for source in sources) != 1:
            raise ConfigError(
                "judgements",
                "must be given, or else one of `model`, `checkpoints`, `reward_model` and `compare`.",
            )
        if (self.model is not None or self.checkpoints is not None) and self.benchmark is None:
            raise ConfigError("benchmark", "must be given, for the model to judge.")
        self._validate_reward_model()
        if self.frozen_inputs is not None and (self.judgements is None or self.benchmark is None):
            raise ConfigError("frozen_inputs", "needs `judgements` and the `benchmark` they are of.")
        if self.prior is not None and self.benchmark != "rewardbench":
            raise ConfigError("prior", "belongs to the `benchmark` rewardbench.")
        if self.resamples < 1:
            raise ConfigError("resamples", f"must be at least 1, but is {self.resamples}.")
        if not 0.0 < self.level < 1.0:
            raise ConfigError("level", f"must be between 0 and 1, but is {self.level}.")
        if not 0.0 <= self.quarantine_limit <= 1.0:
            raise ConfigError("quarantine_limit", f"must be 0 to 1, but is {self.quarantine_limit}.")

    def _validate_reward_model(self) -> None:
        if self.reward_model is not None:
            if (self.benchmark is None) == (self.best_of is None):
                raise ConfigError("benchmark", "must be given for the reward model, or else `best_of`.")
            return
        if self.kind != "classifier":
            raise ConfigError("kind", "is that of a `reward_model`, which is not given.")
        for name in ("reference", "reward_options", "best_of"):
            if getattr(self, name):
                raise ConfigError(name, "needs a `reward_model`.")


def run(argv: Sequence[str]) -> None:
    config = parse_config(
        EvaluateConfig,
        argv,
        prog="ste evaluate",
        description="Score judgements, a judge or a reward model, or compare evaluations.",
        epilog=_EPILOG,
    )
    if config.best_of is not None:
        _rank(config, config.best_of)
        return
    from ste_fairseq2.evaluation.bootstrap import Bootstrap

    bootstrap = Bootstrap(resamples=config.resamples, level=config.level, seed=config.seed)
    if config.reward_model is not None:
        _evaluate_reward_model(config, bootstrap)
    elif config.compare:
        _compare(config, bootstrap)
    elif config.checkpoints is not None:
        _choose(config, config.checkpoints, bootstrap)
    else:
        _evaluate(config, bootstrap)


def _evaluate(config: EvaluateConfig, bootstrap: Bootstrap) -> None:
    from ste_fairseq2.evaluation.catalogue import find_benchmark
    from ste_fairseq2.evaluation.evaluate import EvaluationPlan, evaluate
    from ste_fairseq2.evaluation.sources import load_pairs

    benchmark: Benchmark | None = None
    pairs: list[BenchmarkPair] = []
    passed_over: dict[str, int] = {}
    if config.benchmark is not None:
        benchmark = find_benchmark(config.benchmark)
        pairs, passed_over = load_pairs(benchmark, config.data)
    judgements = config.judgements
    if judgements is None:
        judgements = _judge(config, pairs)
    plan = EvaluationPlan(
        judgements=judgements,
        output=config.output,
        judge=config.judge,
        frozen_inputs=config.frozen_inputs,
        prior=config.prior,
        quarantine_limit=config.quarantine_limit,
        bootstrap=bootstrap,
    )
    _show(evaluate(plan, benchmark, pairs, passed_over), config.output)


def _judge(config: EvaluateConfig, pairs: Sequence[BenchmarkPair]) -> Path:
    from ste_fairseq2.evaluation.judging import INPUTS_NAME, JUDGEMENTS_NAME, judge_pairs

    assert config.model is not None
    folder = config.output

    return judge_pairs(
        pairs, _judge_config(config, folder / INPUTS_NAME, folder / JUDGEMENTS_NAME, config.model)
    )


def _choose(config: EvaluateConfig, run: Path, bootstrap: Bootstrap) -> None:
    from ste_fairseq2.evaluation.catalogue import find_benchmark
    from ste_fairseq2.evaluation.checkpoint_report import CHOICE_NAMES, choice_table
    from ste_fairseq2.evaluation.checkpoints import CheckpointPlan, judge_checkpoints
    from ste_fairseq2.evaluation.sources import load_pairs

    assert config.benchmark is not None
    benchmark = find_benchmark(config.benchmark)
    pairs, passed_over = load_pairs(benchmark, config.data)
    plan = CheckpointPlan(
        run=run,
        output=config.output,
        quarantine_limit=config.quarantine_limit,
        bootstrap=bootstrap,
    )
    choice = judge_checkpoints(plan, partial(_judge_config, config), benchmark, pairs, passed_over)
    print(choice_table(choice))
    print(choice.verdict)
    print(f"written to `{config.output}`: {', '.join(CHOICE_NAMES)}, and an evaluation in each `step_N`")


def _judge_config(config: EvaluateConfig, inputs: Path, output: Path, model: Path) -> JudgeConfig:
    from ste_fairseq2.synthesis.judge import JudgeConfig

    fixed = {"inputs": str(inputs), "output": output, "model": model, "both_orders": True}

    return _with_options(JudgeConfig, fixed, "judge_options", config.judge_options)


def _evaluate_reward_model(config: EvaluateConfig, bootstrap: Bootstrap) -> None:
    from ste_fairseq2.evaluation.catalogue import find_benchmark
    from ste_fairseq2.evaluation.reward_scores import RewardPlan, evaluate_reward_model
    from ste_fairseq2.evaluation.sources import load_items

    assert config.benchmark is not None
    benchmark = find_benchmark(config.benchmark)
    reward_config = _reward_config(config)
    items, passed_over = load_items(benchmark, config.data)
    plan = RewardPlan(output=config.output, prior=config.prior, bootstrap=bootstrap)
    _show(evaluate_reward_model(plan, reward_config, benchmark, items, passed_over), config.output)


def _rank(config: EvaluateConfig, responses: Path) -> None:
    from ste_fairseq2.evaluation.best_of import RANKINGS_NAME, rank_responses

    summary = rank_responses(
        _reward_config(config),
        responses,
        config.output,
        quarantine_limit=config.quarantine_limit,
    )
    counts = ", ".join(f"{name.replace('_', ' ')}: {n}" for name, n in summary.counts.items() if n)
    print(f"responses: {counts}")
    print(f"rows: {summary.num_rows}, of these with several best responses: {summary.num_tied}")
    if summary.num_unranked:
        print(f"rows without any score: {summary.num_unranked}")
    print(f"written to `{config.output}`: {RANKINGS_NAME}")


def _reward_config(config: EvaluateConfig) -> RewardModelConfig:
    from ste_fairseq2.evaluation.reward_scores import REWARDS_NAME
    from ste_fairseq2.reward_models.config import RewardModelConfig

    fixed = {
        "model": config.reward_model,
        "output": config.output / REWARDS_NAME,
        "kind": config.kind,
        "reference": config.reference,
    }

    return _with_options(RewardModelConfig, fixed, "reward_options", config.reward_options)


def _with_options(
    kls: type[ConfigT], fixed: Mapping[str, Any], name: str, options: Mapping[str, str]
) -> ConfigT:
    """Build a configuration from what the evaluation sets and what the user adds under ``name``."""
    import yaml

    for option in fixed.keys() & options.keys():
        raise ConfigError(name, f"cannot set `{option}`, which the evaluation sets itself.")
    added = {option: yaml.safe_load(text) for option, text in options.items()}

    return build_config(kls, {**fixed, **added})


def _show(evaluation: Evaluation, output: Path) -> None:
    from ste_fairseq2.evaluation.summary import print_summary

    print_summary(evaluation)
    print(f"written to `{output}`: scores.json and card.md")


def _compare(config: EvaluateConfig, bootstrap: Bootstrap) -> None:
    from ste_fairseq2.evaluation.compare import compare, write_comparison

    report = compare(config.compare, bootstrap)
    write_comparison(config.output, report)
    print(report.to_markdown())
    print(f"written to `{config.output}`: comparison.json and comparison.md")
