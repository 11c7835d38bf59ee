"""What the engines must write: requests for the tiny model, and `transformers` answering them."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.engines.protocol import GenerationRequest, Prompt, SamplingSettings
from ste_fairseq2.records import Message

GREEDY = SamplingSettings(max_tokens=12)
SAMPLED = SamplingSettings(temperature=1.0, top_p=0.95, max_tokens=12)


def messages_of(number: int) -> list[Message]:
    return [Message("user", f"Is {number} prime? " * (1 + number % 3))]


def request_of(
    renderer: ChatRenderer, number: int, sampling: SamplingSettings = GREEDY, seed: int = 1
) -> GenerationRequest:
    prompt = Prompt(ids=tuple(renderer.render_prompt(messages_of(number))))

    return GenerationRequest(id=str(number), prompt=prompt, sampling=sampling, seed=seed)


class Reference:
    """Completes greedily, one request at a time."""

    def __init__(self, folder: Path, renderer: ChatRenderer) -> None:
        self._model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        self._renderer = renderer

    def complete(
        self, request: GenerationRequest, *, repetition_penalty: float = 1.0
    ) -> tuple[int, ...]:
        prompt = torch.tensor([request.prompt_ids])
        output = self._model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            do_sample=False,
            max_new_tokens=request.sampling.max_tokens,
            repetition_penalty=repetition_penalty,
        )

        return tuple(output[0, prompt.shape[1] :].tolist())

    def text_of(self, ids: tuple[int, ...]) -> str:
        # vLLM leaves out a character that the limit cut within its bytes.
        return self._renderer.decode(ids, skip_special_tokens=True).rstrip("\ufffd")
