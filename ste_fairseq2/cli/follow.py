"""`ste follow`: test a model's own answers against known ones."""

from __future__ import annotations

from collections.abc import Sequence

from ste_fairseq2.cli.config import parse_config
from ste_fairseq2.evaluation.follow_config import FollowConfig

_EPILOG = """\
examples:
  ste follow --inputs held_out.jsonl --model MODEL --output followed
  ste follow --inputs held_out.jsonl --model MODEL --output followed --judge checkpoints/judge

The first counts answers that are the known ones, as where there is one right answer; the second, how
often a judge prefers the model's answer to the known one.
"""


def run(argv: Sequence[str]) -> None:
    config = parse_config(
        FollowConfig,
        argv,
        prog="ste follow",
        description="Test how well a model answers instructions whose answers are known.",
        epilog=_EPILOG,
    )
    from ste_fairseq2.evaluation import markdown
    from ste_fairseq2.evaluation.following import run_follow

    found = run_follow(config)
    name = {"exact_match": "right answers", "win_rate": "wins against the known answers"}[found.measure]
    print(f"{name}: {markdown.percent(found.score, found.interval)}")
    for category, score in found.categories.items():
        print(f"  {category}: {markdown.percent(score)}")
    print(f"instructions: {found.instructions}, answered: {found.answered}")
    if found.mean_words is not None:
        print(f"words in an answer, mean: {found.mean_words:.1f}")
    print(f"written to `{config.output}`: following.json and the answers")
