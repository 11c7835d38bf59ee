"""What an inference engine takes and gives; the stages know nothing else about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from ste_fairseq2.records import Message


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """How tokens are chosen; a temperature of 0 is greedy decoding."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 2048


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What a model is shown: token ids, or messages that an endpoint renders by itself."""

    messages: tuple[Message, ...] | None = None
    """``None`` where only the rendered text was known."""
    ids: tuple[int, ...] | None = None
    """``None`` where the endpoint renders."""


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """One completion that is wanted. Several samples of a prompt are several requests in a row; the
    engine computes what they share once."""

    id: str
    """Unique among the requests of one :meth:`Engine.generate` call."""
    prompt: Prompt
    sampling: SamplingSettings
    seed: int
    """Seed of this completion alone, so that its neighbours in a batch do not matter."""

    @property
    def prompt_ids(self) -> tuple[int, ...]:
        """The token ids of a prompt that has them; at most :attr:`Engine.max_model_len` - 1."""
        assert self.prompt.ids is not None

        return self.prompt.ids


@dataclass(frozen=True, kw_only=True)
class GenerationResult:
    """The completion of the request with the same id."""

    request_id: str
    text: str
    """Without control tokens."""
    finish_reason: str
    """``stop`` where the model ended by itself, ``length`` where it ran into a limit."""
    num_prompt_tokens: int
    num_output_tokens: int
    """The token that ended the turn included."""
    token_ids: tuple[int, ...] | None = None
    """As they were generated; ``None`` where the engine does not tell."""


RefusalReason: TypeAlias = Literal["too_long", "refused"]


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A request that the model cannot be asked: its neighbours are none the worse for it."""

    request_id: str
    reason: RefusalReason
    """``too_long`` for the model's context, or ``refused`` by the endpoint for another reason."""
    sentence: str
    """What to tell the user, beginning behind the name of the record."""


Completion: TypeAlias = GenerationResult | Refusal


class Engine(Protocol):
    """A model that generates."""

    @property
    def max_model_len(self) -> int | None:
        """The most tokens that a prompt and its completion may have together; ``None`` where unknown."""

    @property
    def description(self) -> Mapping[str, Any]:
        """Name, version and settings, for manifests; holds no secret."""

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Completion]:
        """Yield each result as soon as it is finished, in no particular order.

        Requests are drawn from the iterable as room becomes free, so that it may be endless as far as
        memory goes.

        :raises EngineError: the engine failed.
        :raises InputError: the endpoint cannot be used as it was configured.
        """

    def close(self) -> None:
        """Free the memory that the model holds."""


def refuse_too_long(request: GenerationRequest, max_model_len: int | None) -> Refusal | None:
    """Return a refusal where the prompt leaves no room for a single token of an answer."""
    ids = request.prompt.ids
    if ids is None or max_model_len is None or len(ids) < max_model_len:
        return None

    return Refusal(
        request_id=request.id,
        reason="too_long",
        sentence=f"makes a prompt of {len(ids)} tokens, but the model takes {max_model_len} with the "
        "answer; shorten it or use a model with a longer context.",
    )
