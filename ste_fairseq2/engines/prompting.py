"""Turns messages into what an engine is given: token ids, or messages without control tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ste_fairseq2.chat import ChatRenderer, defuse_control_tokens
from ste_fairseq2.engines.config import EngineConfig
from ste_fairseq2.engines.protocol import Prompt
from ste_fairseq2.errors import ConfigError
from ste_fairseq2.records import Message


class Prompter(Protocol):
    """Makes the prompts of one engine."""

    @property
    def stop_token_ids(self) -> tuple[int, ...]:
        """Tokens that end an answer, beside those that the engine knows of."""

    def render(self, messages: Sequence[Message]) -> Prompt:
        """
        :raises ChatTemplateError: the model's template cannot render the messages faithfully.
        """

    def render_text(self, text: str) -> Prompt:
        """Take a prompt that already carries the chat template."""

    def text_of(self, prompt: Prompt) -> str:
        """Return a prompt as text, template included where it is known."""


class TokenPrompter:
    """Renders to token ids with the model's own template; the way of every engine that takes ids."""

    def __init__(self, renderer: ChatRenderer) -> None:
        self._renderer = renderer

    @property
    def stop_token_ids(self) -> tuple[int, ...]:
        return (self._renderer.eot_id,)

    def render(self, messages: Sequence[Message]) -> Prompt:
        return Prompt(messages=tuple(messages), ids=tuple(self._renderer.render_prompt(messages)))

    def render_text(self, text: str) -> Prompt:
        return Prompt(ids=tuple(self._renderer.encode_rendered(text)))

    def text_of(self, prompt: Prompt) -> str:
        assert prompt.ids is not None

        return self._renderer.decode(prompt.ids)


class MessagePrompter:
    """Leaves rendering to the endpoint, which would take control tokens typed by a user for real ones;
    so they lose their brackets here."""

    @property
    def stop_token_ids(self) -> tuple[int, ...]:
        return ()

    def render(self, messages: Sequence[Message]) -> Prompt:
        return Prompt(
            messages=tuple(Message(m.role, defuse_control_tokens(m.content)) for m in messages)
        )

    def render_text(self, text: str) -> Prompt:
        raise ConfigError(
            "tokenizer",
            "must name the model's folder: rendered prompts can only be sent as token ids.",
        )

    def text_of(self, prompt: Prompt) -> str:
        assert prompt.messages is not None

        return "\n\n".join(message.content for message in prompt.messages)


def make_prompter(config: EngineConfig) -> Prompter:
    """Return the prompter for the engine that a configuration asks for.

    :raises MissingPathError: a folder it names does not exist.
    :raises ModelFolderError: it holds no tokenizer that can be loaded.
    """
    folder = config.model_folder if config.engine == "vllm" else config.tokenizer
    if folder is None:
        return MessagePrompter()

    return TokenPrompter(ChatRenderer.from_folder(folder))
