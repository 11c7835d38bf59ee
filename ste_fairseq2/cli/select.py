"""`ste select`: pick the instructions that a judge will be trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ste_fairseq2.cli.config import parse_config
from ste_fairseq2.synthesis.select import run_select
from ste_fairseq2.synthesis.select_config import SelectConfig
from ste_fairseq2.synthesis.stage import StageOutcome

_EPILOG = """\
examples:
  ste select --inputs instructions.jsonl --output selected --count 20000
  ste select --inputs hg://allenai/WildChat-1M --languages English --output selected \\
      --benchmarks rewardbench judgebench helpsteer2 --model MODEL --count 20582
  ste select --inputs instructions.jsonl --output selected --engine endpoint \\
      --endpoint http://localhost:8000/v1 --model NAME_THERE \\
      --categories "Knowledge and Reasoning" "Mathematical reasoning" --min-complexity 5

Run the same command again after an interruption: what is read and labelled is kept. The rows stand in
the order of the choice, so the first hundred are a random sample of all.
"""


def run(argv: Sequence[str]) -> None:
    config = parse_config(
        SelectConfig,
        argv,
        prog="ste select",
        description="Pick the instructions that a judge will be trained on out of a large source.",
        epilog=_EPILOG,
    )
    print(describe_selection(run_select(config)))


def describe_selection(outcome: StageOutcome) -> str:
    """Return the report of a run as text."""
    manifest = outcome.manifest
    counts = dict(manifest.counts)
    kept, malformed = counts.pop("kept"), counts.pop("malformed")
    lines = [
        f"kept: {kept} ({manifest.details['choice']})",
        f"dropped: {_list_counts(counts)}",
        f"malformed rows: {malformed}" + (" (see quarantine.jsonl)" if malformed else ""),
        f"benchmarks: {_describe_benchmarks(manifest.details['contamination'])}",
    ]
    if "categories" in manifest.details:
        tokens = manifest.details["tokens"]
        lines += [
            f"labelled: {_list_counts(manifest.details['categories'])}",
            f"tokens: {tokens['num_prompt_tokens']:,} of prompts, "
            f"{tokens['num_output_tokens']:,} generated",
        ]
    if outcome.was_complete:
        lines.insert(0, f"`{outcome.folder}` is complete; nothing was left to do.")

    return "\n".join([*lines, f"written to {outcome.folder}"])


def _describe_benchmarks(contamination: Mapping[str, Any]) -> str:
    if not contamination["benchmarks"]:
        return "not compared with any; name some with `--benchmarks`"
    hits = Counter(hit["benchmark"] for hit in contamination["hits"])

    return ", ".join(
        f"{hits[name]} instructions taken out for {name} ({benchmark['prompts']} prompts)"
        for name, benchmark in contamination["benchmarks"].items()
    )


def _list_counts(counts: Mapping[str, int]) -> str:
    listed = sorted(counts.items(), key=lambda item: (-item[1], item[0]))

    return ", ".join(f"{name} {count}" for name, count in listed if count) or "none"
