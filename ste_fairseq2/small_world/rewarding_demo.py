"""Self-Rewarding on the small world: what `ste demo --method self_rewarding` runs.

Layout of the output folder::

    ranked.jsonl     answers of three grades to instructions, ranked, in OpenAssistant's form
    held_out.jsonl   instructions that nothing else shows, with their true answers
    loop/            the loop
    report.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.evaluation import markdown
from ste_fairseq2.evaluation.ranking_card import CORRELATIONS
from ste_fairseq2.jsonl import write_rows
from ste_fairseq2.loop.load import read_loop_folder
from ste_fairseq2.loop.rounds import RoundSummary
from ste_fairseq2.loop.status import rounds_cells
from ste_fairseq2.resources import resource_dir
from ste_fairseq2.small_world.demo import loop_command, num_cores, read_rounds, run_loops
from ste_fairseq2.small_world.demo_config import DemoConfig
from ste_fairseq2.small_world.graded import share_of_right_pairs, write_ranked_trees
from ste_fairseq2.small_world.instructions import draw_distinct

LOOP_NAME: Final = "loop"

RANKS: Final = "ranks"
"""The benchmark of people's ranks, in training_configs/small_world/self_rewarding.yaml."""

_STAGE: Final = "small-world-questions"
_NUM_RANKED: Final = 800
_NUM_HELD_OUT: Final = 400

_RANKING_COLUMNS: Final = {
    "pairwise_accuracy": "pairwise accuracy",
    "exact_match": "exact match",
    "spearman": "Spearman",
    "kendall": "Kendall tau",
    "five_best": "five best",
}


def held_out_questions(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Draw instructions that are never trained on, with their true answers; ``category`` is the kind."""
    return (
        {
            "id": f"held-out-{index:04d}",
            "instruction": task.text,
            "answer": task.answer,
            "category": task.kind,
        }
        for index, task in enumerate(draw_distinct(_STAGE, count, seed, held_out=True))
    )


def run_rewarding_demo(config: DemoConfig) -> list[RoundSummary]:
    """Run what is still to do; return the rounds, the base model first.

    :raises DemoError: the loop failed; its own error stands above.
    """
    folder = config.output_dir
    folder.mkdir(parents=True, exist_ok=True)
    ranked, held_out = folder / "ranked.jsonl", folder / "held_out.jsonl"
    if not ranked.is_file():
        write_ranked_trees(ranked, _NUM_RANKED, config.seed)
    if not held_out.is_file():
        write_rows(held_out, held_out_questions(_NUM_HELD_OUT, config.seed))
    configs = resource_dir("training_configs") / "small_world"
    values = {
        "model": resource_dir("data") / "small_world" / "base",
        "ranked": ranked,
        "follow.held_out.inputs": held_out,
        "self_instruct.count": config.num_instructions,
        "rounds": config.num_rounds,
        "seed": config.seed,
        "sft.config_file": configs / "sft.yaml",
        "dpo.config_file": configs / "dpo.yaml",
    }
    command = loop_command(folder / LOOP_NAME, values, name="self_rewarding.yaml")
    run_loops({LOOP_NAME: command}, cores=num_cores())

    return read_rounds(folder / LOOP_NAME)


def describe_rewarding_demo(folder: Path, summaries: Sequence[RoundSummary]) -> str:
    """Return the table of the rounds and that of the judges' agreement with people's ranks.

    :param folder: the demonstration's.
    """
    config, _ = read_loop_folder(folder / LOOP_NAME)
    header, *rows = rounds_cells(config, summaries)
    ranking = [
        [summary.name, *_ranking(summary), _right_pairs(folder / LOOP_NAME, summary)]
        for summary in summaries
    ]
    columns = ["round", *_RANKING_COLUMNS.values(), "pairs the right way"]

    return (
        f"{markdown.table(header, rows)}\n\n{markdown.table(columns, ranking)}\n\n"
        "Above, in percent: right answers to held-out instructions, and accuracy on held-out ranked "
        "answers, which are scored one by one (ranks) or compared in pairs (pairs). Below: agreement of "
        "the scores with people's ranks; the correlations are from -1 to 1. Pairs the right way: of the "
        "preference pairs whose answers differ in grade, those whose chosen answer has the better one."
    )


def _ranking(summary: RoundSummary) -> Iterator[str]:
    score = summary.benchmarks.get(RANKS)
    for name in _RANKING_COLUMNS:
        value = None if score is None else score.ranking.get(name)
        if value is None:
            yield markdown.NONE
        else:
            yield f"{value:.2f}" if name in CORRELATIONS else markdown.percent(value)


def _right_pairs(loop: Path, summary: RoundSummary) -> str:
    if summary.dpo_examples is None:
        return markdown.NONE

    return markdown.percent(share_of_right_pairs(loop / summary.name.lower() / "data"))
