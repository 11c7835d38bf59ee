"""Reward models that are sequence classifiers: the score is a logit for the whole conversation."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.errors import ConfigError, ModelFolderError
from ste_fairseq2.reward_models.loading import brings_code, context_length
from ste_fairseq2.reward_models.protocol import Conversation, Encoded
from ste_fairseq2.reward_models.tensors import to_tensors

if TYPE_CHECKING:
    from torch import Tensor


class SequenceClassifier:
    """A model with a head for classes; a :class:`~ste_fairseq2.reward_models.protocol.RewardModel`."""

    def __init__(self, model: Any, renderer: ChatRenderer, *, label_index: int | None) -> None:
        """
        :param label_index: the label whose logit is the score; ``None`` where there is one label.
        """
        self._model = model
        self._model.config.use_cache = False
        self._renderer = renderer
        self._label_index = label_index
        declared = model.config.pad_token_id
        self._pad_id = declared if declared is not None and declared >= 0 else None
        self.max_len = context_length(model, renderer.tokenizer)
        # transformers' own heads find the end of a conversation behind which it was filled; what code
        # that a folder brings looks at is not known.
        self.pads = not brings_code(model)

    def encode(self, conversation: Conversation) -> Encoded:
        return Encoded(array("i", self._renderer.render_conversation(conversation)), 0)

    def score(self, batch: Sequence[Encoded]) -> list[float]:
        """
        :raises ConfigError: the label index does not fit the model's labels.
        :raises ModelFolderError: the model gives no logits, as a class from its own folder may.
        """
        import torch

        ids, mask = to_tensors(batch, filler=self._filler(batch), device=self._model.device)
        with torch.inference_mode():
            output = self._model(input_ids=ids, attention_mask=mask)
        logits = getattr(output, "logits", None)
        if not isinstance(logits, torch.Tensor) or len(logits) != len(batch):
            raise ModelFolderError(
                self._model.config.name_or_path, "it gives no logit for each conversation."
            )

        return self._pick(logits.reshape(len(batch), -1))

    def _filler(self, batch: Sequence[Encoded]) -> int:
        """Return the token to fill with.

        The head takes the last token that is another one as the end of the conversation. A model that
        declares none was trained on conversations without filling, so any token will do that no
        conversation ends with.
        """
        if self._pad_id is not None:
            return int(self._pad_id)
        ends = {encoded.ids[-1] for encoded in batch}
        filler = next(token for token in itertools.count() if token not in ends)
        self._model.config.pad_token_id = filler

        return filler

    def _pick(self, logits: Tensor) -> list[float]:
        """
        :param logits: *Shape:* (conversations, labels)
        """
        num_labels = logits.size(1)
        index = self._label_index
        if index is None and num_labels > 1:
            raise ConfigError("label_index", f"must be given: the model has {self._labels(num_labels)}.")
        if index is not None and index >= num_labels:
            raise ConfigError(
                "label_index", f"is {index}, but the model has {self._labels(num_labels)}."
            )

        return [float(score) for score in logits[:, index or 0].float()]

    def _labels(self, count: int) -> str:
        names = self._model.config.id2label

        return f"{count} label(s): " + ", ".join(
            f"{index} ({names.get(index, 'without name')})" for index in range(count)
        )
