"""A tiny model learns what it is shown, is exported, and vLLM writes it word for word."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.jsonl import write_rows
from ste_fairseq2.records import Message
from tests.recipes.conftest import RunJobs, read_metrics

COLOURS = ("red", "green", "blue", "black")
THINGS = ("car", "hat", "tea", "owl")


@pytest.fixture(scope="module")
def examples() -> list[dict[str, Any]]:
    """Sixteen prompts with an answer of their own; two carry control tokens and marks as text."""
    rows = []
    for k, (colour, thing) in enumerate((c, t) for c in COLOURS for t in THINGS):
        answer = f"A {colour} {thing} it is, number {k}. [[{'AB'[k % 2]}]]"
        prompt = f"Which {thing} is {colour}?" + (" <|eot_id|> [[B]]" if k in (3, 9) else "")
        messages = [{"role": "user", "content": prompt}]
        rows.append({"id": f"e{k}", "messages": messages, "tgt": answer})

    return rows


@pytest.fixture(scope="module")
def trained(
    run_jobs: RunJobs,
    write_config: Callable[..., Path],
    tiny_model: Path,
    examples: list[dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with an SFT run on the examples and a DPO run on pairs made of them."""
    folder = tmp_path_factory.mktemp("trained")
    write_rows(folder / "sft.jsonl", examples)
    others = examples[1:] + examples[:1]
    write_rows(
        folder / "pairs.jsonl",
        (
            {
                "id": e["id"],
                "messages": e["messages"],
                "tgt_chosen": e["tgt"],
                "tgt_rejected": o["tgt"],
            }
            for e, o in zip(examples, others, strict=True)
        ),
    )
    common = {
        "model": {"name": str(tiny_model)},
        "optimizer": {"config": {"lr": 3e-3}},
        "export": {"every_checkpoint": True, "dtype": "float32"},
    }
    sft = write_config(
        common
        | {
            "dataset": {
                "config_overrides": {"sources": [{"path": str(folder / "sft.jsonl")}]},
                "batch_size": 16,
            },
            "regime": {"num_steps": 120, "checkpoint_every_n_steps": 120},
        }
    )
    dpo = write_config(
        common
        | {
            "reference_model": {"name": str(tiny_model)},
            "dataset": {
                "config_overrides": {"sources": [{"path": str(folder / "pairs.jsonl")}]},
                "batch_size": 16,
            },
            "regime": {"num_steps": 40, "checkpoint_every_n_steps": 40},
        }
    )
    run_jobs(
        [
            ("instruction_finetune", folder / "sft", sft, []),
            ("preference_finetune", folder / "dpo", dpo, []),
        ]
    )

    return folder


def test_dpo_drives_the_margin_up(trained: Path) -> None:
    metrics = read_metrics(trained / "dpo")

    assert metrics[0]["Reward Margin"] == pytest.approx(0.0, abs=1e-6)
    assert metrics[-1]["Reward Accuracy"] == 1.0
    assert metrics[-1]["Reward Margin"] > 2.0
    assert metrics[-1]["DPO Loss"] < 0.15
    assert metrics[-1]["NLL Loss"] < metrics[0]["NLL Loss"]


def test_vllm_writes_the_learned_answers(trained: Path, examples: list[dict[str, Any]]) -> None:
    from ste_fairseq2.engines.prompting import TokenPrompter
    from ste_fairseq2.engines.protocol import GenerationRequest, SamplingSettings
    from ste_fairseq2.engines.vllm_engine import VllmEngine, VllmSettings

    folder = trained / "sft" / "checkpoints" / "step_120" / "hg"
    renderer = ChatRenderer.from_folder(folder)
    prompter = TokenPrompter(renderer)
    requests = [
        GenerationRequest(
            id=e["id"],
            prompt=prompter.render([Message(**m) for m in e["messages"]]),
            sampling=SamplingSettings(max_tokens=64),
            seed=0,
        )
        for e in examples
    ]
    engine = VllmEngine(VllmSettings(model=folder), stop_token_ids=[renderer.eot_id])
    try:
        results = {r.request_id: r for r in engine.generate(requests)}
    finally:
        engine.close()

    assert {i: r.text for i, r in results.items()} == {e["id"]: e["tgt"] for e in examples}
    assert {r.finish_reason for r in results.values()} == {"stop"}


def test_the_exported_folder_is_the_checkpoint(trained: Path, tiny_model: Path) -> None:
    """transformers computes from the export what fairseq2 computes from its checkpoint."""
    from fairseq2.assets import AssetCard
    from fairseq2.checkpoint import ModelMetadataLoader
    from fairseq2.composition import _register_library
    from fairseq2.device import CPU
    from fairseq2.gang import create_fake_gangs
    from fairseq2.models import ModelFamily
    from fairseq2.nn import BatchLayout
    from fairseq2.runtime.dependency import DependencyContainer
    from transformers import AutoModelForCausalLM

    checkpoints = trained / "dpo" / "checkpoints"
    container = DependencyContainer()
    _register_library(container, no_progress=True)
    metadata = container.resolve(ModelMetadataLoader).load(checkpoints)
    base = AssetCard("checkpoint", dict(metadata.maybe_get_metadata("checkpoint@") or {}))
    card = AssetCard("last", dict(metadata.maybe_get_metadata("last_checkpoint@") or {}), base)
    family = container.resolve(ModelFamily, key="llama")
    ours = family.load_model(
        card, create_fake_gangs(CPU), torch.float32, None, load_rank0_only=False, mmap=False
    )
    theirs = AutoModelForCausalLM.from_pretrained(checkpoints / "step_40" / "hg")

    ids = torch.arange(6, 70).unsqueeze(0)
    with torch.no_grad():
        logits = ours(ids, BatchLayout.of(ids))
        torch.testing.assert_close(theirs(ids).logits, logits, rtol=1e-5, atol=1e-5)
    exported = json.loads((checkpoints / "step_40" / "hg" / "config.json").read_text())
    original = json.loads((tiny_model / "config.json").read_text())
    for field in ("eos_token_id", "bos_token_id", "pad_token_id", "rms_norm_eps"):
        assert exported[field] == original[field]


def test_a_checkpoint_is_the_next_runs_model(
    trained: Path,
    write_config: Callable[..., Path],
    run_jobs: RunJobs,
    tmp_path: Path,
) -> None:
    """SFT first, then DPO from its checkpoint as policy and reference, with its tokenizer."""
    config = write_config(
        {
            "model": {"name": "last_checkpoint"},
            "reference_model": {"name": "last_checkpoint"},
            "dataset": {
                "config_overrides": {"sources": [{"path": str(trained / "pairs.jsonl")}]},
                "batch_size": 16,
            },
            "regime": {"num_steps": 1},
            "common": {"assets": {"prev_checkpoint_dir": str(trained / "sft" / "checkpoints")}},
            "export": {"every_checkpoint": True},
        }
    )
    run_jobs([("preference_finetune", tmp_path / "run", config, [])])

    first = read_metrics(tmp_path / "run")[0]
    assert first["Reward Margin"] == pytest.approx(0.0, abs=1e-6)
    assert first["NLL Loss"] < 0.1, "the policy is the trained one"
    assert (tmp_path / "run" / "checkpoints" / "step_1" / "hg" / "model.safetensors").is_file()
