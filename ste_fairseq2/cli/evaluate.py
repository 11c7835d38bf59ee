"""`ste evaluate`: score judgements, a judge or a reward model on a benchmark, or compare evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ste_fairseq2.cli.config import parse_config
from ste_fairseq2.config_values import ConfigT, build_config
from ste_fairseq2.errors import ConfigError
from ste_fairseq2.evaluation.config import EvaluateConfig

if TYPE_CHECKING:
    from ste_fairseq2.evaluation.benchmark import Benchmark, BenchmarkPair
    from ste_fairseq2.evaluation.bootstrap import Bootstrap
    from ste_fairseq2.evaluation.pointwise import PointwisePlan
    from ste_fairseq2.evaluation.result import Evaluation
    from ste_fairseq2.reward_models.config import RewardModelConfig
    from ste_fairseq2.synthesis.judge import JudgeConfig

_EPILOG = """\
examples:
  ste evaluate --judgements judgements.jsonl --output scores
  ste evaluate --benchmark rewardbench --model checkpoints/judge --output scores
  ste evaluate --benchmark pairs --data my_pairs.jsonl --model checkpoints/judge --output scores \\
      --judge-options samples=32 temperature=0.7 top_p=0.9
  ste evaluate --benchmark ranked --data ranked.jsonl --model checkpoints/judge --output scores \\
      --judge-options mode=score samples=3 temperature=0.7
  ste evaluate --benchmark rewardbench --judgements judged --output scores   (upstream's frozen prompts)
  ste evaluate --benchmark rewardbench2 --reward-model models/classifier --output scores
  ste evaluate --benchmark rewardbench --reward-model models/dpo --kind dpo --reference models/sft \\
      --output scores
  ste evaluate --best-of responses.jsonl --reward-model models/classifier --output ranked
  ste evaluate --benchmark helpsteer2 --checkpoints runs/dpo --output choice
  ste evaluate --compare scores/old scores/new --output comparison

benchmarks: rewardbench, rewardbench2, prior-sets, llmbar, judgebench, judgebench-claude, helpsteer2,
mt-bench, pairs (your own file of prompt, chosen, rejected and, where wanted, subset), and ranked (your
own file of input, response, rank and, where wanted, instruction_id and subset). With mode=score the
model scores each answer by itself, 0 to 5, and compares no pairs.
"""


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
    elif config.model is not None and config.is_scoring:
        _evaluate_scoring_judge(config, bootstrap)
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

    fixed = {"inputs": str(inputs), "output": output, "model": model}
    if not config.is_scoring:
        fixed["both_orders"] = True

    return _with_options(JudgeConfig, fixed, "judge_options", config.judge_options)


def _evaluate_scoring_judge(config: EvaluateConfig, bootstrap: Bootstrap) -> None:
    from ste_fairseq2.evaluation.catalogue import find_benchmark
    from ste_fairseq2.evaluation.judging import INPUTS_NAME, JUDGEMENTS_NAME
    from ste_fairseq2.evaluation.scoring_judge import evaluate_scoring_judge
    from ste_fairseq2.evaluation.sources import load_items

    assert config.benchmark is not None
    assert config.model is not None
    folder = config.output
    benchmark = find_benchmark(config.benchmark)
    judge_config = _judge_config(config, folder / INPUTS_NAME, folder / JUDGEMENTS_NAME, config.model)
    items, passed_over = load_items(benchmark, config.data)
    plan = _pointwise_plan(config, bootstrap)
    evaluation = evaluate_scoring_judge(
        plan, judge_config, benchmark, items, passed_over, judge=config.judge
    )
    _show(evaluation, folder)


def _evaluate_reward_model(config: EvaluateConfig, bootstrap: Bootstrap) -> None:
    from ste_fairseq2.evaluation.catalogue import find_benchmark
    from ste_fairseq2.evaluation.reward_scores import evaluate_reward_model
    from ste_fairseq2.evaluation.sources import load_items

    assert config.benchmark is not None
    benchmark = find_benchmark(config.benchmark)
    reward_config = _reward_config(config)
    items, passed_over = load_items(benchmark, config.data)
    plan = _pointwise_plan(config, bootstrap)
    _show(evaluate_reward_model(plan, reward_config, benchmark, items, passed_over), config.output)


def _pointwise_plan(config: EvaluateConfig, bootstrap: Bootstrap) -> PointwisePlan:
    from ste_fairseq2.evaluation.pointwise import PointwisePlan
    from ste_fairseq2.evaluation.prior import read_prior

    prior = read_prior(config.prior) if config.prior is not None else None

    return PointwisePlan(output=config.output, prior=prior, bootstrap=bootstrap)


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
