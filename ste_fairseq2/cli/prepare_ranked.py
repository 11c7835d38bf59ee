"""`ste prepare-ranked`: from human-ranked answers to the seed data of a self-rewarding model."""

from __future__ import annotations

from collections.abc import Sequence

from ste_fairseq2.cli.config import parse_config
from ste_fairseq2.cli.counts import list_counts
from ste_fairseq2.curation.ranked_config import PrepareRankedConfig


def run(argv: Sequence[str]) -> None:
    config = parse_config(
        PrepareRankedConfig,
        argv,
        prog="ste prepare-ranked",
        description=(
            "Make three files of human-ranked answers: instruction fine-tuning examples with the best "
            "answers (ift.jsonl), and answers to score, of training prompts (train.jsonl) and of "
            "others (held_out.jsonl)."
        ),
        epilog="""
        examples:
          ste prepare-ranked --inputs hg://OpenAssistant/oasst1 --output-dir ranked
          ste judge --mode score --inputs ranked/train.jsonl --model MODEL --output scored \\
              --samples 3 --temperature 0.7
          ste prepare-eft --scores-dir scored --ift ranked/ift.jsonl --output-dir seed
        """,
    )

    from ste_fairseq2.curation.lengths import describe_lengths
    from ste_fairseq2.curation.ranked import prepare_ranked

    manifest = prepare_ranked(config)
    details = manifest.details
    print(f"prompts by fate: {list_counts(manifest.counts)}")
    print(f"answers by fate: {list_counts(details['answers'])}")
    print(f"turns that are no first turns: {list_counts(details['other_turns']) or 'none'}")
    print(f"rows: {list_counts(details['examples'])}")
    print(describe_lengths(details["lengths"]))
    print(f"written to {config.output_dir}")
