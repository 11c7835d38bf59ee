"""What the stages that ask a model print at their end: kept, dropped by reason, tokens."""

from __future__ import annotations

from ste_fairseq2.synthesis.stage import StageOutcome


def describe_stage(outcome: StageOutcome) -> str:
    """Return the report of a run as text."""
    manifest = outcome.manifest
    counts = dict(manifest.counts)
    kept, malformed = counts.pop("kept"), counts.pop("malformed")
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items())) or "none"
    tokens = manifest.details["tokens"]
    lines = [
        f"kept: {kept}",
        f"dropped: {reasons}" + (" (see dropped-*.jsonl)" if counts else ""),
        f"malformed rows: {malformed}" + (" (see quarantine.jsonl)" if malformed else ""),
        f"tokens: {tokens['num_prompt_tokens']:,} of prompts, {tokens['num_output_tokens']:,} generated",
    ]
    if outcome.was_complete:
        lines.insert(0, f"`{outcome.folder}` is complete; nothing was left to do.")

    return "\n".join([*lines, f"written to {outcome.folder}"])
