"""`ste judge`: judge pairs of answers, or answers one by one, with a model."""

from __future__ import annotations

from collections.abc import Sequence

from ste_fairseq2.cli.config import parse_config
from ste_fairseq2.cli.stage_report import describe_stage
from ste_fairseq2.synthesis.judge import JudgeConfig, JudgeOutcome, run_judge
from ste_fairseq2.synthesis.score import ScoreOutcome, run_score

_EPILOG = """\
examples:
  ste judge --inputs pairs.jsonl --model checkpoints/judge --output judged
  ste judge --inputs pairs.jsonl --model checkpoints/judge --output judged --both-orders
  ste judge --inputs pairs.jsonl --model checkpoints/judge --output judged \\
      --samples 32 --temperature 0.7 --top-p 0.9
  ste judge --inputs rewardbench_inputs.jsonl --prompt-key text --model … --output …
  ste judge --inputs pairs.jsonl --engine endpoint --endpoint http://localhost:8000/v1 \\
      --model NAME_THERE --tokenizer checkpoints/judge --output judged
  ste judge --mode score --inputs answers.jsonl --model checkpoints/judge --output scored \\
      --samples 3 --temperature 0.7

The output folder holds one row for each input and order, in the order in which they finished; `index`
restores the order of the input. Run the same command again after an interruption.
"""


def run(argv: Sequence[str]) -> None:
    config = parse_config(
        JudgeConfig,
        argv,
        prog="ste judge",
        description="Judge answers with a model: through vLLM in process, or at an endpoint.",
        epilog=_EPILOG,
    )
    if config.mode == "score":
        _show_scores(run_score(config))
    else:
        _show(run_judge(config))


def _show(outcome: JudgeOutcome) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(soft_wrap=True)
    table = Table(title=f"{outcome.summary.num_judgements} judgements", title_justify="left")
    table.add_column("verdict")
    table.add_column("judgements", justify="right")
    for name, share in outcome.summary.lines():
        table.add_row(name, share)
    console.print(table)
    print(describe_stage(outcome.stage))


def _show_scores(outcome: ScoreOutcome) -> None:
    summary = outcome.summary
    points = ", ".join(f"{points}: {count}" for points, count in summary["points"].items())
    failures = ", ".join(f"{name}: {count}" for name, count in summary["failures"].items())
    print(f"{summary['answers']} answers; by points, rounded: {points}; unscored: {summary['unscored']}")
    print(f"{summary['samples']} samples, of these without a score: {failures}")
    print(describe_stage(outcome.stage))
