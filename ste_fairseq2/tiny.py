"""Writes a small, untrained Llama with a tokenizer of its own: a real model for tests and trials.

The folder is an ordinary Hugging Face model folder. The tokenizer is a byte-level BPE learned from the
texts given (any text can be encoded), with the control tokens of Llama 3 and a chat template of the
same form; the weights are random.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.jsonl import find_data_files, read_rows

BOS: Final = "<|begin_of_text|>"
END_OF_TEXT: Final = "<|end_of_text|>"
END_OF_TURN: Final = "<|eot_id|>"
HEADER_START: Final = "<|start_header_id|>"
HEADER_END: Final = "<|end_header_id|>"
PAD: Final = "<|finetune_right_pad_id|>"

_SPECIALS: Final = (BOS, END_OF_TEXT, HEADER_START, HEADER_END, END_OF_TURN, PAD)

_CHAT_TEMPLATE: Final = (
    "{{- bos_token }}"
    "{%- for message in messages %}"
    "{{- '" + HEADER_START + "' + message['role'] + '" + HEADER_END + "\\n\\n' }}"
    "{{- message['content'] | trim }}{{- '" + END_OF_TURN + "' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}"
    "{{- '" + HEADER_START + "assistant" + HEADER_END + "\\n\\n' }}"
    "{%- endif %}"
)


@dataclass(kw_only=True)
class TinyModelConfig:
    """The shape of the model; every size divides by two, so that it trains under tensor parallelism."""

    output: Path
    """folder to write"""
    texts: tuple[Path, ...] = ()
    """JSONL files whose text the tokenizer learns from; the shipped sample where none is given"""
    vocab_size: int = 2048
    """tokens, control tokens included"""
    hidden_size: int = 128
    """model width"""
    intermediate_size: int = 384
    """width of the feed-forward layers"""
    num_layers: int = 2
    """decoder layers"""
    num_heads: int = 4
    """attention heads"""
    num_kv_heads: int = 2
    """key and value heads"""
    max_seq_len: int = 8192
    """positions"""
    dtype: str = "float32"
    """type of the stored weights"""
    initializer_range: float = 0.02
    """standard deviation of the random weights"""
    seed: int = 2
    """seed of the random weights"""


def build_tiny_model(config: TinyModelConfig) -> Path:
    """Write the folder and return it."""
    return write_untrained(config, train_tokenizer(_texts(config.texts), config.vocab_size))


def write_untrained(config: TinyModelConfig, tokenizer: Any) -> Path:
    """Write the folder of an untrained model with a tokenizer of :func:`train_tokenizer`; return it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    eot, end = tokenizer.convert_tokens_to_ids([END_OF_TURN, END_OF_TEXT])

    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=config.vocab_size,
                hidden_size=config.hidden_size,
                intermediate_size=config.intermediate_size,
                num_hidden_layers=config.num_layers,
                num_attention_heads=config.num_heads,
                num_key_value_heads=config.num_kv_heads,
                max_position_embeddings=config.max_seq_len,
                rms_norm_eps=1e-5,
                rope_theta=500_000.0,
                initializer_range=config.initializer_range,
                tie_word_embeddings=False,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=[end, eot],
                pad_token_id=tokenizer.pad_token_id,
            )
        ).to(getattr(torch, config.dtype))
    config.output.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(config.output)
    tokenizer.save_pretrained(config.output)

    return config.output


def train_tokenizer(
    texts: Iterable[str],
    vocab_size: int,
    *,
    pieces: str | None = None,
    chat_template: str = _CHAT_TEMPLATE,
) -> Any:
    """Learn a byte-level BPE with exactly ``vocab_size`` ids, control tokens first.

    :param pieces: a pattern for what a token may span; where absent GPT-2's words, and line breaks.
    :param chat_template: in Jinja, with the control tokens of this module.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    # Line breaks by themselves, as in Llama 3: a prompt that ends with some has the same tokens whether
    # or not an answer follows.
    split = pre_tokenizers.Split(Regex(pieces or r"\n+"), "isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pieces is None)
    bpe.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(_SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    # Too few texts yield too few merges; unused ids up to the model's size are made ordinary tokens.
    missing = range(bpe.get_vocab_size(), vocab_size)
    bpe.add_tokens([f"<unused{index}>" for index in missing])

    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=BOS,
        eos_token=END_OF_TURN,
        pad_token=PAD,
        additional_special_tokens=[END_OF_TEXT, HEADER_START, HEADER_END],
        chat_template=chat_template,
        clean_up_tokenization_spaces=False,
    )


def _texts(paths: tuple[Path, ...]) -> Iterable[str]:
    from ste_fairseq2.resources import resource_dir

    for path in paths or (resource_dir("data") / "sample",):
        for file in find_data_files(path):
            for row in read_rows(file):
                for value in row.data.values():
                    yield value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
