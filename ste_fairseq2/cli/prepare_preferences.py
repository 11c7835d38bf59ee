"""`ste prepare-preferences`: from scored answers to pairs of the best and the worst."""

from __future__ import annotations

from collections.abc import Sequence

from ste_fairseq2.cli.config import parse_config
from ste_fairseq2.cli.counts import list_counts
from ste_fairseq2.curation.config import PreparePreferencesConfig


def run(argv: Sequence[str]) -> None:
    config = parse_config(
        PreparePreferencesConfig,
        argv,
        prog="ste prepare-preferences",
        description=(
            "Pair the best and the worst answer to each instruction by their scores, as "
            "{id, src, tgt_chosen, tgt_rejected, messages}."
        ),
        epilog="""
        examples:
          ste respond --inputs instructions.jsonl --model MODEL --output answers --samples 4
          ste judge --mode score --inputs answers --model MODEL --output scored --samples 3 \\
              --temperature 0.7
          ste prepare-preferences --scores-dir scored --output-dir dpo
        """,
    )

    from ste_fairseq2.curation.lengths import describe_lengths
    from ste_fairseq2.curation.preferences import prepare_preferences

    manifest = prepare_preferences(config)
    details = manifest.details
    print(f"instructions by fate: {list_counts(manifest.counts)}")
    print(f"pairs: {details['examples']['written']}, mean gap of the scores {details['mean_gap']:g}")
    print(f"longer: chosen {details['chosen_longer']}, rejected {details['rejected_longer']}")
    print(describe_lengths(details["lengths"]))
    print(f"written to {config.output_dir}")
