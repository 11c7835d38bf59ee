"""Reward models that are language models: the score is in the log-probabilities of the answer's tokens.

A model trained by DPO has an implicit reward: the log-probability of an answer under it, less that
under the model that training began with (times beta, which changes no comparison). Without a reference
there are the three forms that RewardBench has: the sum of the tokens' log-probabilities, their average,
and their Euclidean norm with a minus before it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.reward_models.config import RewardKind
from ste_fairseq2.reward_models.loading import brings_code, context_length
from ste_fairseq2.reward_models.protocol import Conversation, Encoded
from ste_fairseq2.reward_models.tensors import to_tensors

if TYPE_CHECKING:
    from torch import Tensor

_FORMS: Final[Mapping[RewardKind, Callable[[Tensor], Tensor]]] = {
    "dpo": lambda logps: logps.sum(),
    "ref-free-sum": lambda logps: logps.sum(),
    "ref-free-avg": lambda logps: logps.mean(),
    "ref-free-norm": lambda logps: -logps.norm(),
}


class ImplicitReward:
    """Log-probabilities as a score; a :class:`~ste_fairseq2.reward_models.protocol.RewardModel`."""

    def __init__(
        self, kind: RewardKind, policy: Any, reference: Any | None, renderer: ChatRenderer
    ) -> None:
        """
        :param reference: the model that training began with; for the kind ``dpo`` alone.
        """
        models = [policy] if reference is None else [policy, reference]
        self._form = _FORMS[kind]
        self._policy = policy
        self._reference = reference
        self._renderer = renderer
        lengths = [context_length(model, renderer.tokenizer) for model in models]
        self.max_len = min((length for length in lengths if length is not None), default=None)
        self.pads = not any(brings_code(model) for model in models)

    def encode(self, conversation: Conversation) -> Encoded:
        prompt = self._renderer.render_prompt(conversation[:-1])
        answer = self._renderer.encode_answer(conversation[-1].content)

        return Encoded(array("i", [*prompt, *answer]), len(prompt))

    def score(self, batch: Sequence[Encoded]) -> list[float]:
        scores = [float(self._form(logps)) for logps in self._answer_logps(self._policy, batch)]
        if self._reference is None:
            return scores
        reference = self._answer_logps(self._reference, batch)

        return [s - float(self._form(logps)) for s, logps in zip(scores, reference, strict=True)]

    def _answer_logps(self, model: Any, batch: Sequence[Encoded]) -> list[Tensor]:
        """Return the log-probability of each token of each answer."""
        import torch
        from torch.nn.functional import cross_entropy

        ids, mask = to_tensors(batch, filler=self._renderer.pad_id, device=model.device)
        with torch.inference_mode():
            logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
            answers = []
            for row, encoded in enumerate(batch):
                start, end = encoded.answer_start, len(encoded)
                predicted = logits[row, start - 1 : end - 1].float()
                answers.append(-cross_entropy(predicted, ids[row, start:end], reduction="none").double())

        return answers
