"""`ste prepare-eft`: from scores of human-ranked answers to examples of judging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ste_fairseq2.cli.config import parse_config
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
    print(f"instructions by fate: {_listed(manifest.counts)}")
    print(f"answers by fate: {_listed(details['answers'])}")
    print(f"by score: {_listed(details['points']['before'])}")
    print(f"after thinning: {_listed(details['points']['after'])}")
    print(f"rows: {_listed(details['examples'])}")
    print(describe_lengths(details["lengths"]))
    print(f"written to {config.output_dir}")


def _listed(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
