"""Digests of what a step reads; kept in the journal, so that a judge leads back to its raw data."""

from __future__ import annotations

from pathlib import Path

from ste_fairseq2.digest import digest_file, digest_model
from ste_fairseq2.loop.plan import Step
from ste_fairseq2.store.manifest import MANIFEST_NAME


def digest_inputs(step: Step) -> dict[str, str]:
    """Return digests of what a step reads, by path, as far as it lies on this machine.

    Of a stage's folder that of its manifest, which holds those of its own inputs; of a model folder
    that of its files; of a data file that of its content.
    """
    places = [*step.reads, *(str(place) for place in (step.model, step.settings) if place is not None)]
    digests = {place: digest_place(Path(place)) for place in places}

    return {place: digest for place, digest in digests.items() if digest is not None}


def digest_place(path: Path) -> str | None:
    """Return the digest of a stage's folder, a model folder or a file; ``None`` of anything else."""
    if path.is_file():
        return digest_file(path)
    if (path / MANIFEST_NAME).is_file():
        return digest_file(path / MANIFEST_NAME)
    if (path / "config.json").is_file():
        return digest_model(path)

    return None
