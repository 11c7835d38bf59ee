"""Curation of 2,316 real judgements: balanced, traceable, nothing lost from the count."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.curation.config import PrepareDpoConfig, PrepareSftConfig
from ste_fairseq2.curation.prepare import prepare_dpo, prepare_sft
from ste_fairseq2.jsonl import read_rows
from ste_fairseq2.records import JudgementSample
from ste_fairseq2.verdicts import Verdict, parse_verdict

ReadJsonl = Callable[[Path], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def source(shared_data: Path) -> Path:
    return shared_data / "llmbar" / "judgements.jsonl"


@pytest.fixture(scope="module")
def samples(source: Path) -> dict[str, JudgementSample]:
    return {sample.id: sample for sample in map(JudgementSample.from_row, read_rows(source))}


def verdict(sample: JudgementSample) -> Verdict:
    return parse_verdict(sample.output, sample.finish_reason)


def test_targets(
    tmp_path: Path, source: Path, samples: dict[str, JudgementSample], read_jsonl: ReadJsonl
) -> None:
    manifest = prepare_sft(PrepareSftConfig(generation_dir=(source,), output_dir=tmp_path / "out"))
    examples = read_jsonl(tmp_path / "out")
    golds = Counter(example["gold"] for example in examples)

    assert sum(manifest.counts.values()) == len(samples) == 2316
    assert golds["A"] == golds["B"] > 100
    for example in examples:
        sample = samples[example["sample_id"]]
        assert (example["src"], example["tgt"]) == (sample.text, sample.output)
        assert verdict(sample) is sample.gold is Verdict(example["gold"])


def test_pairs(
    tmp_path: Path, source: Path, samples: dict[str, JudgementSample], read_jsonl: ReadJsonl
) -> None:
    manifest = prepare_dpo(
        PrepareDpoConfig(generation_dir=(source,), output_dir=tmp_path / "out", num_pairs=3)
    )
    pairs = read_jsonl(tmp_path / "out")
    golds = Counter(pair["gold"] for pair in pairs)

    assert sum(manifest.counts.values()) == len(samples)
    assert manifest.counts["malformed"] == 4  # empty judgements
    assert sum(manifest.details["prompts"].values()) == 386
    assert golds["A"] == golds["B"] > 100
    assert len({pair["id"] for pair in pairs}) == len(pairs)
    for pair in pairs:
        chosen, rejected = samples[pair["chosen_sample_id"]], samples[pair["rejected_sample_id"]]
        assert pair["src"] == chosen.text == rejected.text
        assert (pair["tgt_chosen"], pair["tgt_rejected"]) == (chosen.output, rejected.output)
        assert verdict(chosen) is chosen.gold
        assert verdict(rejected) is not rejected.gold
    used = {pair[side] for pair in pairs for side in ("chosen_sample_id", "rejected_sample_id")}
    assert manifest.counts["kept"] == len(used)


def test_both_orders_judged_right(tmp_path: Path, source: Path, read_jsonl: ReadJsonl) -> None:
    config = PrepareSftConfig(
        generation_dir=(source,), output_dir=tmp_path / "out", min_agreement=0.5, balance=False
    )
    prepare_sft(config)
    right: Counter[tuple[str, str]] = Counter()
    total: Counter[tuple[str, str]] = Counter()
    for line in source.read_text("utf-8").splitlines():
        row = json.loads(line)
        output, metadata = row["vllm_output"]["output"], row["metadata"]
        if output.strip():
            key = (metadata["pair_id"], metadata["order"])
            gold = Verdict.A if metadata["ranks"][0] < metadata["ranks"][1] else Verdict.B
            total[key] += 1
            right[key] += parse_verdict(output) is gold
    pairs = {pair for pair, _ in total}
    agreed = {p for p in pairs if all(right[p, o] >= 0.5 * total[p, o] for o in ("0_1", "1_0"))}

    found = Counter(example["pair_id"] for example in read_jsonl(tmp_path / "out"))
    assert found == dict.fromkeys(agreed, 2)


@pytest.mark.parametrize("stage", ["prepare-sft", "prepare-dpo"])
def test_other_names_and_another_hash_seed_give_the_same_bytes(
    tmp_path: Path, source: Path, stage: str
) -> None:
    """Two processes; the second reads the samples backwards, from files of other names."""
    lines = source.read_bytes().splitlines(keepends=True)[::-1]
    for number in range(3):
        path = tmp_path / "renamed" / f"{9 - number}" / f"{number}.jsonl"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"".join(lines[number::3]))
    written = []
    for hash_seed, samples in (("1", source), ("2", tmp_path / "renamed")):
        output = tmp_path / f"out-{hash_seed}"
        script = "from ste_fairseq2.cli.main import main; main()"
        paths = ["--generation-dir", str(samples), "--output-dir", str(output)]
        subprocess.run(
            [sys.executable, "-c", script, stage, *paths, "--num-shards", "2"],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            check=True,
        )
        manifest = json.loads((output / "manifest.json").read_text("utf-8"))
        files = {path.name: path.read_bytes() for path in output.glob("train-*.jsonl")}
        written.append((files, manifest["counts"], manifest["digests"], manifest["details"]))

    assert len(written[0][0]) == 2
    assert written[0] == written[1]
