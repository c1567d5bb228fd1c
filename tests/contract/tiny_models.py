"""Model folders of the real architectures with random weights, made on the fly: two layers, a vocabulary of hundreds.

Configuration and tokenizer are transformers' own classes of each family, with its special tokens, its habits (who puts
a BOS in front, who has a padding token) and a chat template in the manner of its published one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from tokenizers import Tokenizer, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import AutoModelForCausalLM, GenerationConfig

from w2s import prompting
from w2s.models import chat

Kind = Literal["llama", "gemma", "mistral", "qwen2"]

BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
TEXTS = (
    "Question: What is the sum of two and two, and how many apples does Mary have?\nAnswer: The answer is: 4\n#### 4",
    "A question has numbers like 0 1 2 3 4 5 6 7 8 9 and an answer that is one of them.",
    "It is #### 4 and not #### 7.",
    "You are a helpful assistant. user model system assistant [INST] [/INST]",
)
MERGES = 120
"""Tokens of the vocabulary that are longer than a character."""


@dataclass(frozen=True)
class Family:
    """What tells one family from another."""

    specials: tuple[str, ...]
    tokenizer: str
    template: str
    adds_bos: bool
    config: Mapping[str, Any] = field(default_factory=dict)
    tokens: Mapping[str, Any] = field(default_factory=dict)
    chat_tokens: Mapping[str, Any] = field(default_factory=dict)
    ends: tuple[str, ...] = ()
    chat_ends: tuple[str, ...] = ()

    @property
    def byte_level(self) -> bool:
        """Whether the vocabulary is one of bytes, not of SentencePiece's characters with bytes to fall back upon."""
        return self.tokenizer == "Qwen2Tokenizer"


FAMILIES: Mapping[Kind, Family] = {
    "llama": Family(
        specials=("<unk>", "<s>", "</s>"),
        tokenizer="LlamaTokenizer",
        adds_bos=True,
        template=(
            "{% for message in messages %}{% if message['role'] == 'user' %}"
            "{{ bos_token + '[INST] ' + message['content'].strip() + ' [/INST]' }}"
            "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'].strip() + ' ' + eos_token }}"
            "{% endif %}{% endfor %}"
        ),
        ends=("</s>",),
        chat_ends=("</s>",),
    ),
    "gemma": Family(
        specials=("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>"),
        tokenizer="GemmaTokenizer",
        adds_bos=True,
        template=(
            "{{ bos_token }}{% for message in messages %}"
            "{% if message['role'] == 'assistant' %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}"
            "{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}"
            "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
        ),
        config={"num_key_value_heads": 1, "head_dim": 16},  # one KV head and heads wider than hidden / heads, as in 2b
        tokens={"extra_special_tokens": ["<start_of_turn>", "<end_of_turn>"]},
        ends=("<eos>",),
        chat_ends=("<eos>", "<end_of_turn>"),
    ),
    "mistral": Family(
        specials=("<unk>", "<s>", "</s>", "[INST]", "[/INST]"),
        tokenizer="LlamaTokenizer",  # the class that Mistral's folders name
        adds_bos=True,
        template=(
            "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
            "{{ '[INST] ' + message['content'] + '[/INST]' }}"
            "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}"
            "{% endif %}{% endfor %}"
        ),
        config={"sliding_window": 4096},
        tokens={"extra_special_tokens": ["[INST]", "[/INST]"]},
        ends=("</s>",),
        chat_ends=("</s>",),
    ),
    "qwen2": Family(
        specials=("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        tokenizer="Qwen2Tokenizer",
        adds_bos=False,
        template=(
            "{% if messages[0]['role'] != 'system' %}"
            "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
            "{% for message in messages %}"
            "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
        ),
        config={"tie_word_embeddings": True},  # as in 0.5B
        tokens={"extra_special_tokens": ["<|im_start|>", "<|im_end|>"]},
        chat_tokens={"eos_token": "<|im_end|>"},
        ends=("<|endoftext|>",),
        chat_ends=("<|im_end|>", "<|endoftext|>"),
    ),
}

KINDS: tuple[Kind, ...] = tuple(FAMILIES)


def make(kind: Kind, folder: Path, chat: bool, *, seed: int = 0, **sizes: Any) -> Path:
    """Write a model folder of a family: float32 safetensors, tokenizer, generation_config.json; equal each time.

    Args:
        kind: the family.
        folder: where to; made if missing.
        chat: with a chat template and the end tokens of the family's instruct models.
        seed: of the weights.
        sizes: fields of the configuration to set otherwise.

    Returns:
        The folder.
    """
    tokenizer = make_tokenizer(kind, chat)
    family = FAMILIES[kind]
    fields = {
        "vocab_size": -(-len(tokenizer) // 64) * 64,  # more than the tokenizer has, as in published models
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "initializer_range": 0.1,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": kind == "gemma",
    }
    config = transformers.AutoConfig.for_model(kind, **{**fields, **family.config, **sizes})
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    ends = tokenizer.convert_tokens_to_ids(list(family.chat_ends if chat else family.ends))
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=ends if len(ends) > 1 else ends[0],
        pad_token_id=tokenizer.pad_token_id,
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def texts(tokenizer: Any, question: str, response: str) -> tuple[str, str]:
    """A question as a prompt and a response as its completion: by the chat template where there is one.

    The completion has no EOS: training puts it there.
    """
    builder: prompting.Builder = prompting.PLAIN
    if tokenizer.chat_template is not None:
        builder = chat.Chat(tokenizer.chat_template, tokenizer.special_tokens_map)
    return builder.prompt(question), builder.completion(response)


def make_tokenizer(kind: Kind, chat: bool) -> Any:
    """The tokenizer of a family, trained on `TEXTS`."""
    family = FAMILIES[kind]
    vocabulary, merges = _byte_level(family) if family.byte_level else _sentence_piece(family)
    options = {**family.tokens, **(family.chat_tokens if chat else {})}
    tokenizer = getattr(transformers, family.tokenizer)(
        vocab=vocabulary, merges=merges, add_bos_token=family.adds_bos, **options
    )
    if chat:
        tokenizer.chat_template = family.template
    return tokenizer


def _sentence_piece(family: Family) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Characters with "▁" for a space, the 256 bytes for whatever else there is, and pairs up to words."""
    backend = Tokenizer(BPE(byte_fallback=True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    return _trained(backend, family, [*family.specials, *BYTES], [])


def _byte_level(family: Family) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """One token a byte, and pairs up to words; special tokens come last, as in Qwen's vocabulary."""
    backend = Tokenizer(BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    vocabulary, merges = _trained(backend, family, [], sorted(pre_tokenizers.ByteLevel.alphabet()))
    return {**vocabulary, **{token: len(vocabulary) + n for n, token in enumerate(family.specials)}}, merges


def _trained(
    backend: Tokenizer, family: Family, first: list[str], alphabet: Iterable[str]
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    lines = [line for text in TEXTS for line in text.splitlines()]  # SentencePiece and Qwen merge nothing across lines
    characters = len(set("".join(lines)) | {"▁"})
    trainer = trainers.BpeTrainer(
        vocab_size=len(first) + max(characters, len(list(alphabet))) + MERGES,
        special_tokens=first,
        initial_alphabet=list(alphabet),
        show_progress=False,
    )
    backend.train_from_iterator(lines, trainer)
    model = json.loads(backend.to_str())["model"]
    return model["vocab"], [(left, right) for left, right in model["merges"]]
