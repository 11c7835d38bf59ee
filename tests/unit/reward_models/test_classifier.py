"""Classifiers: batches score as transformers does one conversation by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.errors import ConfigError
from ste_fairseq2.reward_models.config import RewardModelConfig
from ste_fairseq2.reward_models.protocol import Candidate, RewardModel
from ste_fairseq2.reward_models.start import start_reward_model
from tests.plain_rewards import classifier_logits
from tests.reward_model_folders import save, write_classifier

HEAD_OF_ITS_OWN = '''
"""A classifier whose score is read off the last position, filled or not."""
import torch
from transformers import LlamaConfig, LlamaModel, LlamaPreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class LastPosition(LlamaPreTrainedModel):
    config_class = LlamaConfig

    def __init__(self, config):
        super().__init__(config)
        self.model = LlamaModel(config)
        self.score = torch.nn.Linear(config.hidden_size, 1, bias=False)
        self.post_init()

    def forward(self, input_ids, attention_mask=None, **_):
        hidden = self.model(input_ids, attention_mask=attention_mask).last_hidden_state
        return SequenceClassifierOutput(logits=100 + self.score(hidden[:, -1]).squeeze(-1))
'''


def start(folder: Path, **options: object) -> RewardModel:
    return start_reward_model(RewardModelConfig(model=folder, output=folder, **options))  # type: ignore[arg-type]


def batched(model: RewardModel, candidates: list[Candidate]) -> list[float]:
    return model.score([model.encode(candidate.conversation) for candidate in candidates])


def one_by_one(folder: Path, candidates: list[Candidate], label: int = 0) -> list[float]:
    """What transformers says of each conversation without a batch."""
    renderer = ChatRenderer.from_folder(folder)
    ids = [renderer.render_conversation(candidate.conversation) for candidate in candidates]

    return [logits[label] for logits in classifier_logits(folder, ids)]


def test_a_batch_scores_as_each_conversation_by_itself(
    classifier: Path, candidates: list[Candidate]
) -> None:
    expected = one_by_one(classifier, candidates)

    assert batched(start(classifier), candidates) == pytest.approx(expected, abs=1e-5)
    assert len({round(score, 4) for score in expected}) > 5


def test_the_ids_are_those_of_the_chat_template(classifier: Path, candidates: list[Candidate]) -> None:
    model, tokenizer = start(classifier), AutoTokenizer.from_pretrained(classifier)
    for candidate in candidates:
        rows = [message.to_row() for message in candidate.conversation]
        if "<|eot_id|>" not in rows[-1]["content"]:
            ids = tokenizer.apply_chat_template(rows)
            assert list(model.encode(candidate.conversation).ids) == ids


def test_control_tokens_in_an_answer_stay_text(classifier: Path, candidates: list[Candidate]) -> None:
    (hostile,) = [c for c in candidates if "<|eot_id|>" in c.conversation[-1].content]
    model, tokenizer = start(classifier), AutoTokenizer.from_pretrained(classifier)
    ids = list(model.encode(hostile.conversation).ids)

    assert ids.count(tokenizer.convert_tokens_to_ids("<|eot_id|>")) == 2


def test_a_model_that_declares_no_padding(
    tiny_model: Path, tmp_path: Path, candidates: list[Candidate]
) -> None:
    folder = write_classifier(tmp_path / "model", tiny_model, pad_token_id=None)
    expected = one_by_one(folder, candidates)

    assert batched(start(folder), candidates) == pytest.approx(expected, abs=1e-5)


def test_padding_that_ends_each_conversation_too(
    tiny_model: Path, tmp_path: Path, candidates: list[Candidate]
) -> None:
    # The head then reads the token before the end, in a batch as by itself.
    end = ChatRenderer.from_folder(tiny_model).eot_id
    folder = write_classifier(tmp_path / "model", tiny_model, pad_token_id=end)
    expected = one_by_one(folder, candidates)

    assert batched(start(folder), candidates) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("family", ["gpt2", "bert", "gemma2"])
def test_other_families(
    family: str, tiny_model: Path, tmp_path: Path, candidates: list[Candidate]
) -> None:
    """Learned positions and no padding token; an encoder; sliding windows."""
    config = AutoConfig.for_model(
        family,
        vocab_size=2048,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        sliding_window=16,
        num_labels=1,
        # Wide enough that what an untrained model reads matters.
        initializer_range=0.3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = AutoModelForSequenceClassification.from_config(config)
    folder = save(model, tmp_path / "model", tiny_model)

    expected = one_by_one(folder, candidates)
    assert batched(start(folder), candidates) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert max(expected) - min(expected) > 0.05


def test_a_label_is_chosen_by_its_index(
    tiny_model: Path, tmp_path: Path, candidates: list[Candidate]
) -> None:
    folder = write_classifier(tmp_path / "model", tiny_model, num_labels=3)
    expected = one_by_one(folder, candidates, label=2)

    assert batched(start(folder, label_index=2), candidates) == pytest.approx(expected, abs=1e-5)


def test_the_label_must_be_named_and_be_there(tiny_model: Path, tmp_path: Path) -> None:
    names = {0: "bad", 1: "good"}
    folder = write_classifier(tmp_path / "model", tiny_model, num_labels=2, id2label=names)

    with pytest.raises(ConfigError, match=r"must be given: the model has 2 .*0 \(bad\), 1 \(good\)"):
        start(folder)
    with pytest.raises(ConfigError, match="is 2, but the model has 2"):
        start(folder, label_index=2)


def test_a_head_of_the_folders_own(
    tiny_model: Path, tmp_path: Path, candidates: list[Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "cache"))
    folder = write_classifier(tmp_path / "model", tiny_model)
    (folder / "head.py").write_text(HEAD_OF_ITS_OWN)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModelForSequenceClassification": "head.LastPosition"}
    (folder / "config.json").write_text(json.dumps(config))
    model = start(folder, trust_remote_code=True)
    standard = one_by_one(write_classifier(tmp_path / "standard", tiny_model), candidates)

    # Conversations of different lengths never meet, as such a head would read the filling.
    assert not model.pads
    scores = [batched(model, [candidate])[0] for candidate in candidates]
    assert scores == pytest.approx([100 + score for score in standard], abs=1e-4)
