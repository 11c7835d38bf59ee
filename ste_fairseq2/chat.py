"""The one renderer: conversations to token ids, for generation and for training alike.

A conversation is rendered with the model's own chat template. The template's text is tokenised with
control tokens; what a user, a candidate answer or a model wrote is not: ``<|eot_id|>`` typed inside an
answer stays eight ordinary characters' worth of tokens. Training sees exactly the ids that generation
is given, followed by the answer's own ids and the end-of-turn token once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ste_fairseq2.errors import ChatTemplateError, MissingPathError, ModelFolderError
from ste_fairseq2.records import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SENTINEL: Final = "\ue000{}\ue001"
_SENTINEL_PATTERN: Final = re.compile("\ue000(\\d+)\ue001")

_CONTROL_TOKEN: Final = re.compile(
    r"<(\|[^<>|\n]{1,64}\|)>|<(/?s)>|<((?:start|end)_of_turn|bos|eos|pad|unk)>|\[(/?INST|/?SYSTEM_PROMPT)\]"
)
"""What control tokens of common model families look like."""

_TEMPLATE_DATE: Final = "26 Jul 2024"
"""Some templates print today's date; a fixed one (Llama 3.1's own default) keeps prompts repeatable."""


@dataclass(frozen=True)
class TokenizedExample:
    """Token ids of a prompt followed by an answer; only the answer is learned from."""

    ids: list[int]
    prompt_len: int

    @property
    def answer_len(self) -> int:
        return len(self.ids) - self.prompt_len


class ChatRenderer:
    """Renders conversations of one model; made with :meth:`from_folder`."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if not tokenizer.is_fast:
            raise ModelFolderError(
                tokenizer.name_or_path, "a fast tokenizer (`tokenizer.json`) is needed."
            )
        self._tokenizer = tokenizer
        self._special_texts = tuple(tokenizer.all_special_tokens) + tuple(
            token.content for token in tokenizer.added_tokens_decoder.values() if token.special
        )
        self._special_ids = frozenset(tokenizer.all_special_ids) | frozenset(
            index for index, token in tokenizer.added_tokens_decoder.items() if token.special
        )

    @staticmethod
    def from_folder(folder: Path) -> ChatRenderer:
        """Load the tokenizer of a Hugging Face model folder; no code of the folder is run.

        :raises MissingPathError: the folder does not exist.
        :raises ModelFolderError: it holds no tokenizer that can be loaded.
        """
        if not folder.is_dir():
            raise MissingPathError("model folder", folder)
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError) as ex:
            raise ModelFolderError(folder, f"its tokenizer cannot be loaded ({ex}).") from ex

        return ChatRenderer(tokenizer)

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return self._tokenizer

    @property
    def special_ids(self) -> frozenset[int]:
        """The ids of all control tokens."""
        return self._special_ids

    @property
    def has_template(self) -> bool:
        return bool(self._tokenizer.chat_template)

    @cached_property
    def vocab_size(self) -> int:
        """One more than the largest token id, added tokens included."""
        return 1 + max(int(index) for index in self._tokenizer.get_vocab().values())

    @cached_property
    def bos_id(self) -> int | None:
        """The beginning-of-sequence token that prompts of this model start with, if any.

        A tokenizer may declare a token that its model never sees, so this asks what is really put in
        front: by the template or, where there is none, by the tokenizer itself.
        """
        declared = self._tokenizer.bos_token_id
        if declared is None:
            return None
        if self.has_template:
            first = self._render_text([Message("user", "x")], add_generation_prompt=True)
            return int(declared) if first.startswith(self._tokenizer.bos_token) else None
        by_itself = self._tokenizer("x")["input_ids"]

        return int(declared) if by_itself[:1] == [declared] else None

    @cached_property
    def eot_id(self) -> int:
        """The token that ends the assistant's turn: what the template puts right behind an answer.

        :raises ChatTemplateError: neither the template nor the tokenizer names one.
        """
        if self.has_template:
            sentinels = [Message("user", _SENTINEL.format(0)), Message("assistant", _SENTINEL.format(1))]
            text = self._render_text(sentinels, add_generation_prompt=False)
            for token in self._encode(text.rpartition(_SENTINEL.format(1))[2]):
                if token in self._special_ids:
                    return token
        if self._tokenizer.eos_token_id is None:
            raise ChatTemplateError("no token ends an answer; set `eos_token` in the tokenizer.")

        return int(self._tokenizer.eos_token_id)

    @cached_property
    def pad_id(self) -> int:
        """A token to fill padded positions with; they are masked, so any token serves."""
        declared = self._tokenizer.pad_token_id

        return int(declared) if declared is not None else self.eot_id

    def render_prompt(self, messages: Sequence[Message]) -> list[int]:
        """Return the ids of a conversation up to where the assistant's next answer begins.

        :raises ChatTemplateError: the model has no template, or it rewrites, repeats or leaves out
            what a message says.
        """
        return self._render(messages, add_generation_prompt=True)

    def render_conversation(self, messages: Sequence[Message]) -> list[int]:
        """Return the ids of a conversation as a whole, its last answer ended as the template ends it.

        :raises ChatTemplateError: as :meth:`render_prompt`.
        """
        return self._render(messages, add_generation_prompt=False)

    def encode_rendered(self, text: str) -> list[int]:
        """Return the ids of a prompt that already carries the template, with one BOS whatever it has."""
        return self._with_one_bos(self._encode(text))

    def encode_answer(self, text: str) -> list[int]:
        """Return the ids of an answer: plain text, then the end-of-turn token exactly once."""
        end = self._tokenizer.convert_ids_to_tokens(self.eot_id)
        while text.endswith(end):
            text = text.removesuffix(end)

        return [*self._encode_plain(text), self.eot_id]

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = False) -> str:
        text = self._tokenizer.decode(
            list(ids),
            skip_special_tokens=skip_special_tokens,
            # Some tokenizers ask for it (Llama 3 does), and it would change what was written.
            clean_up_tokenization_spaces=False,
        )

        return str(text)

    def _render(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> list[int]:
        ids: list[int] = []
        for text, is_content in self._spans(messages, add_generation_prompt=add_generation_prompt):
            ids.extend(self._encode_plain(text) if is_content else self._encode(text))

        return self._with_one_bos(ids)

    def _spans(
        self, messages: Sequence[Message], *, add_generation_prompt: bool
    ) -> list[tuple[str, bool]]:
        """Split the rendered conversation into runs that may and that must not hold control tokens.

        Content without any control token's text is joined with its surroundings, so that the ids are
        those of the rendered text as a whole.
        """
        if not self.has_template:
            raise ChatTemplateError(
                "this model has none; use rows whose `src` already carries the template, "
                "or a model with `chat_template` in its tokenizer."
            )
        masked = [Message(m.role, _SENTINEL.format(i)) for i, m in enumerate(messages)]
        with_prompt = {"add_generation_prompt": add_generation_prompt}
        pieces = _SENTINEL_PATTERN.split(self._render_text(masked, **with_prompt))
        rendered = self._render_text(messages, **with_prompt)

        spans: list[tuple[str, bool]] = []
        rest, between = rendered, ""
        for piece, index, following in zip(pieces[0::2], pieces[1::2], pieces[2::2], strict=False):
            content = messages[int(index)].content
            body = rest.removeprefix(piece)
            for candidate in (content, content.strip(), content.lstrip(), content.rstrip()):
                if rest.startswith(piece) and body.startswith(candidate + following):
                    break
            else:
                raise ChatTemplateError(
                    f"it changes what the {messages[int(index)].role} message says, so the ids cannot "
                    "be made safely; use a template that copies each message's content."
                )
            rest = body[len(candidate) :]
            if any(special in candidate for special in self._special_texts):
                spans += [(between + piece, False), (candidate, True)]
                between = ""
            else:
                between += piece + candidate
        shown = [int(index) for index in pieces[1::2]]
        for index, message in enumerate(messages):
            if shown.count(index) != 1:
                did = "repeats" if index in shown else "leaves out"
                raise ChatTemplateError(f"it {did} the {message.role} message.")
        if rest != pieces[-1]:
            raise ChatTemplateError(f"what follows the {messages[-1].role} message depends on its text.")
        spans.append((between + rest, False))

        return [span for span in spans if span[0]]

    def _render_text(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
        from jinja2 import TemplateError

        conversation: Any = [m.to_row() for m in messages]
        try:
            text = self._tokenizer.apply_chat_template(
                conversation,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                date_string=_TEMPLATE_DATE,
            )
        except TemplateError as ex:
            roles = ", ".join(m.role for m in messages)
            raise ChatTemplateError(f"it refuses the roles {roles} ({ex}).") from ex

        return str(text)

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def _encode_plain(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))

    def _with_one_bos(self, ids: list[int]) -> list[int]:
        if self.bos_id is None:
            return ids
        start = 0
        while start < len(ids) and ids[start] == self.bos_id:
            start += 1

        return [self.bos_id, *ids[start:]]


def defuse_control_tokens(text: str) -> str:
    """Replace the brackets of whatever looks like a control token by parentheses.

    For text that somebody else tokenises with control tokens; where the tokenizer is at hand,
    :class:`ChatRenderer` needs no such guess.
    """
    return _CONTROL_TOKEN.sub(lambda match: f"({next(filter(None, match.groups()))})", text)
