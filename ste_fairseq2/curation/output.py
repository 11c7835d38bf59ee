"""The output folder of a curation run: built aside, moved into place at the end, manifest last.

Nothing of an unfinished run is worth keeping, so a run that was killed is simply run again. A finished
one is left alone while its configuration and its input files are what they were.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterable, Mapping, Sized
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from ste_fairseq2.digest import digest_file
from ste_fairseq2.errors import InputError
from ste_fairseq2.jsonl import write_text
from ste_fairseq2.store.folder import CONFIG_NAME, LOCK_NAME, check_config, lock_folder, write_config
from ste_fairseq2.store.manifest import MANIFEST_NAME, Manifest, read_manifest, write_manifest
from ste_fairseq2.store.quarantine import QUARANTINE_NAME

_SCRATCH_NAME: Final = ".work"
_INPUTS_NAME: Final = ".inputs.json"

_UNFINISHED: Final = {LOCK_NAME, _SCRATCH_NAME, QUARANTINE_NAME, f".{CONFIG_NAME}.tmp"}
"""What a run that did not finish leaves behind."""


def resolve_config(
    stage: str, config: Any, *, without: Collection[str] = ("output_dir", "quarantine_limit")
) -> dict[str, Any]:
    """Return what a result depends on, as JSON values.

    :param config: the dataclass that the run was configured with.
    :param without: its fields that change nothing in the result.
    """
    plain = {name: value for name, value in asdict(config).items() if name not in without}

    return {"stage": stage, **json.loads(json.dumps(plain, default=str))}


class OutputFolder:
    """Holds the folder's lock; a context manager that removes its scratch folder at the end."""

    def __init__(self, folder: Path, config: Mapping[str, Any], files: Iterable[Path]) -> None:
        """
        :param config: everything the result depends on, as JSON values.
        :param files: the input files; their sizes and times tell whether they have changed.
        :raises ResumeMismatchError: the folder holds the result of another configuration.
        :raises InputError: the folder holds files of something else.
        :raises FolderBusyError: another process holds the folder.
        """
        self.path = folder
        self.scratch = folder / _SCRATCH_NAME
        self.staged = self.scratch / "staged"
        self._config = config
        self._inputs = [[str(path), (stat := path.stat()).st_size, stat.st_mtime_ns] for path in files]
        self._lock = lock_folder(folder)
        try:
            if not check_config(folder, config):
                strangers = sorted({path.name for path in folder.iterdir()} - _UNFINISHED)
                if strangers:
                    raise InputError(
                        f"`{folder}` holds `{strangers[0]}` but no {CONFIG_NAME} of an earlier run; "
                        "use an empty output folder."
                    )
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.staged.mkdir(parents=True)
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> OutputFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)
        self._lock.close()

    def finished(self) -> Manifest | None:
        """Return the manifest of an earlier run whose inputs have not changed since."""
        path = self.path / _INPUTS_NAME
        if not path.is_file() or json.loads(path.read_text(encoding="utf-8")) != self._inputs:
            return None
        manifest = read_manifest(self.path)
        if manifest is None or not all(
            (self.path / name).is_file() for name in manifest.details["files"]
        ):
            return None

        return manifest

    def describe_staged(self, files: Mapping[str, Sized]) -> dict[str, Any]:
        """Return what a manifest says of staged files.

        :param files: their rows, by name.
        """
        return {
            name: {"rows": len(rows), "sha256": digest_file(self.staged / name)}
            for name, rows in files.items()
        }

    def commit(self, manifest: Manifest) -> None:
        """Move the staged files into place, in the stead of those of an earlier run."""
        earlier = read_manifest(self.path)
        named = [self.path / name for name in earlier.details["files"]] if earlier else []
        (self.path / MANIFEST_NAME).unlink(missing_ok=True)
        write_config(self.path, self._config)
        # A run that was killed in here has left no manifest that names its files.
        shards = [*self.path.glob("train-*.jsonl"), *self.path.glob("iter_*/train-*.jsonl")]
        for old in {*named, *shards}:
            old.unlink(missing_ok=True)
        for new in sorted(path for path in self.staged.rglob("*") if path.is_file()):
            target = self.path / new.relative_to(self.staged)
            target.parent.mkdir(exist_ok=True)
            new.replace(target)
        write_text(self.path / _INPUTS_NAME, json.dumps(self._inputs) + "\n")
        write_manifest(self.path, manifest)
