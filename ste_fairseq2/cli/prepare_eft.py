"""`ste prepare-eft`: from scores of human-ranked answers to examples of judging."""

from __future__ import annotations

from collections.abc import Sequence

from ste_fairseq2.cli.config import parse_config
from ste_fairseq2.cli.counts import list_counts
from ste_fairseq2.curation.ranked_config import PrepareEftConfig


def run(argv: Sequence[str]) -> None:
    config = parse_config(
        PrepareEftConfig,
        argv,
        prog="ste prepare-eft",
        description=(
            "Keep the judgements of instructions whose scores agree with human ranks, as "
            "{id, src, tgt}; the most frequent score is thinned out to as many as the second has."
        ),
        epilog="""
        examples:
          ste prepare-ranked --inputs hg://OpenAssistant/oasst1 --output-dir ranked
          ste judge --mode score --inputs ranked/train.jsonl --model MODEL --output scored \\
              --samples 3 --temperature 0.7
          ste prepare-eft --scores-dir scored --ift ranked/ift.jsonl --output-dir seed
        """,
    )

    from ste_fairseq2.curation.eft import prepare_eft
    from ste_fairseq2.curation.lengths import describe_lengths

    manifest = prepare_eft(config)
    details = manifest.details
    print(f"instructions by fate: {list_counts(manifest.counts)}")
    print(f"answers by fate: {list_counts(details['answers'])}")
    print(f"by score: {list_counts(details['points']['before'])}")
    print(f"after thinning: {list_counts(details['points']['after'])}")
    print(f"rows: {list_counts(details['examples'])}")
    print(describe_lengths(details["lengths"]))
    print(f"written to {config.output_dir}")
