"""Measures `ste select` against a plain MinHash index: python -m benchmarks.select_instructions FOLDER

The instructions are recombined from the sentences of real ones and given words of their own; one in ten
differs from another by a word, one in twenty in nothing but its case. The peer does what a script of a
few lines does with the same library: a signature and a query of `MinHashLSH` for each instruction, and
nothing else (no filters, no quarantine, no comparison of the texts themselves).
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.prepare_dpo import Measured, measure

_ROOT = Path(__file__).resolve().parent.parent
_REAL = _ROOT.parent / "shared" / "data" / "ram" / "example_inputs.jsonl"
_THRESHOLD = 0.8
_WORDS_AT_A_TIME = 3


def make_instructions(real: Path, size: int) -> Iterator[str]:
    generator = random.Random(0)
    with real.open(encoding="utf-8") as stream:
        texts = [json.loads(line)["input"] for line in stream]
    sentences = [s for text in texts for s in re.split(r"(?<=[.?!])\s+", text) if s.strip()]
    earlier = ""
    for number in range(size):
        if number % 20 == 19:
            yield earlier.upper()
        elif number % 10 == 9:
            yield f"{earlier} please"
        else:
            own = " ".join(f"{generator.getrandbits(20):x}" for _ in range(6))
            earlier = " ".join([*generator.choices(sentences, k=generator.randint(1, 4)), own])
            yield earlier


def prepare_input(folder: Path, real: Path, size: int) -> Path:
    path = folder / f"{size}.jsonl"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        with temporary.open("w", encoding="utf-8") as stream:
            for number, text in enumerate(make_instructions(real, size)):
                stream.write(json.dumps({"id": f"{number:08d}", "instruction": text}) + "\n")
        temporary.rename(path)

    return path


def keep_with_plain_index(source: Path, target: Path) -> None:
    """The peer."""
    from datasketch import MinHash, MinHashLSH  # type: ignore[import-untyped]

    index = MinHashLSH(threshold=_THRESHOLD, num_perm=128)
    kept = 0
    with source.open(encoding="utf-8") as rows, target.open("w", encoding="utf-8") as out:
        for line in rows:
            row = json.loads(line)
            words = row["instruction"].lower().split()
            runs = {
                " ".join(words[i : i + _WORDS_AT_A_TIME]).encode()
                for i in range(max(len(words) - _WORDS_AT_A_TIME + 1, 1))
            }
            signature = MinHash(num_perm=128)
            signature.update_batch(list(runs))
            if not index.query(signature):
                index.insert(row["id"], signature)
                out.write(line)
                kept += 1
    print(f"kept {kept}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where instructions and results are kept")
    parser.add_argument("--instructions", type=int, nargs="+", default=[100_000, 300_000])
    parser.add_argument("--real", type=Path, default=_REAL, help="the texts to recombine")
    parser.add_argument("--plain", type=Path, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.plain is not None:
        keep_with_plain_index(*arguments.plain)
        return

    print("| instructions | MB | program | seconds | CPU seconds | peak MB |")
    print("|--:|--:|---|--:|--:|--:|")
    for size in arguments.instructions:
        source = prepare_input(arguments.folder, arguments.real, size)
        output = arguments.folder / "selected"
        shutil.rmtree(output, ignore_errors=True)
        itself = [sys.executable, "-m", "benchmarks.select_instructions", str(arguments.folder)]
        ste = [sys.executable, "-c", "from ste_fairseq2.cli.main import main; main()", "select"]
        results: dict[str, Measured] = {
            "plain `MinHashLSH`": measure(
                [*itself, "--plain", str(source), str(arguments.folder / "plain.jsonl")]
            ),
            "`ste select`": measure([*ste, "--inputs", str(source), "--output", str(output)]),
        }
        for name, (seconds, cpu, peak) in results.items():
            print(
                f"| {size:,} | {source.stat().st_size / 1e6:,.0f} | {name} | {seconds:.1f} | {cpu:.1f} "
                f"| {peak / 1e6:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
