"""GGUF files become model folders: dequantised, with a tokenizer corrected after llama.cpp (llama-vocab.cpp)."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from w2s.errors import UserError, first_line, lacks_memory
from w2s.models import cache, files, whole

FORMAT = 1
"""Part of the identity: raise it when the output changes."""

_PLAIN = ("gpt-2", "phi-2", "mpt", "olmo", "jais")
_SINGLE_DIGITS = ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b")
"""llama.cpp's pre-tokenizers like GPT-2's, without and with single digits."""

_FIELDS = {
    "hidden_size": "embedding_length",
    "num_hidden_layers": "block_count",
    "intermediate_size": "feed_forward_length",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "head_dim": "attention.key_length",
    "max_position_embeddings": "context_length",
}


def identity(path: Path) -> str:
    """By the file's content."""
    return named(files.sha256(path))


def named(sha256: str) -> str:
    """The identity for a sha256."""
    return f"gguf{FORMAT}:{sha256}"


def cached(identity: str) -> Path | None:
    """The folder made, or None."""
    return cache.find(cache_name(identity))


def folder(path: Path, identity: str) -> Path:
    """The folder made from a GGUF file.

    Raises:
        UserError: gguf is not installed, or the file is unreadable.
    """
    return cache.make(cache_name(identity), lambda out: convert(path, out))


def cache_name(identity: str) -> str:
    """The folder's name in the cache."""
    return identity.replace(":", "-")[:40]


def convert(path: Path, out: Path) -> None:
    """Write configuration, tokenizer and safetensors weights into `out`.

    Raises:
        UserError: as `folder`.
    """
    reader = _open(path)
    tokens = _tokenizer(path, reader)
    import torch
    import transformers

    # Otherwise a machine with matching kernels keeps the quantised blocks, which cannot be saved.
    options = {"quantization_config": transformers.GgufConfig(dequantize=True)} if _keeps_blocks() else {}
    with _silence():
        try:
            model, info = transformers.AutoModelForCausalLM.from_pretrained(
                path.parent,
                gguf_file=path.name,
                dtype=getattr(torch, _dtype(reader)),
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
                **options,
            )
        except Exception as error:  # transformers and gguf share no base class
            if lacks_memory(error):
                raise  # the file is right
            raise _unreadable(path, error) from error
        whole.check(model, info, path)
        config = model.config
        for field in ("quantization_config", "_model_name_or_path"):  # the first would be refused for saving
            config.__dict__.pop(field, None)
        with torch.device("meta"):
            plain = transformers.AutoModelForCausalLM.from_config(config, dtype=model.dtype)
        plain.load_state_dict(model.state_dict(), assign=True)
        plain.tie_weights()
        plain.generation_config = model.generation_config
        if not all(bool(torch.isfinite(weight).all()) for weight in plain.parameters()):
            raise UserError(f"holds weights beyond {model.dtype}", file=path, hint="use the original model instead")
        plain.save_pretrained(out)
        tokens.save_pretrained(out)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with contextlib.redirect_stderr(io.StringIO()):
        yield


def describe(path: Path) -> tuple[int, dict[str, Any]] | None:
    """(parameters, fields of config.json); None: unreadable."""
    try:
        reader = _open(path)
    except UserError:
        return None
    kind = _field(reader, "general.architecture")
    config: dict[str, Any] = {"model_type": kind}
    config |= {ours: _field(reader, f"{kind}.{theirs}") for ours, theirs in _FIELDS.items()}
    names = {tensor.name for tensor in reader.tensors}
    config["tie_word_embeddings"] = "output.weight" not in names
    sizes = {tensor.name: [int(side) for side in tensor.shape] for tensor in reader.tensors}
    if "token_embd.weight" in sizes:
        config["vocab_size"] = sizes["token_embd.weight"][-1]
    return sum(map(math.prod, sizes.values())), {name: value for name, value in config.items() if value is not None}


def _dtype(reader: Any) -> str:
    """The smallest sufficient dtype: bfloat16 would add half a step of Q8_0."""
    kinds = {tensor.tensor_type.name for tensor in reader.tensors if len(tensor.shape) > 1}
    if "F32" in kinds:
        return "float32"
    return "bfloat16" if kinds & {"BF16", "MXFP4"} else "float16"  # MXFP4's scales are powers of two of any size


def _tokenizer(path: Path, reader: Any) -> Any:
    kind, split = _field(reader, "tokenizer.ggml.model"), _field(reader, "tokenizer.ggml.pre")
    import transformers
    from tokenizers import pre_tokenizers, processors

    try:
        tokens = transformers.AutoTokenizer.from_pretrained(
            path.parent, gguf_file=path.name, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # as above
        raise _unreadable(path, error) from error
    core = tokens.backend_tokenizer
    whole = isinstance(core.pre_tokenizer, pre_tokenizers.ByteLevel)  # what transformers falls back to
    if kind == "gpt2" and whole and split in _SINGLE_DIGITS:
        core.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    elif kind == "gpt2" and whole and split not in _PLAIN:
        raise UserError(
            f"its tokenizer has an unknown pre-tokenizer ({split or 'unnamed'})",
            file=path,
            field="tokenizer.ggml.pre",
            hint="use the original model with its tokenizer.json",
        )
    begins = _field(reader, "tokenizer.ggml.add_bos_token")
    begin = tokens.bos_token
    if begins is None:
        begins = kind == "llama" or split in ("llama-bpe", "llama3", "llama-v3")  # llama.cpp's defaults
    if begins and begin is not None:
        core.post_processor = processors.TemplateProcessing(
            single=f"{begin} $A", pair=f"{begin} $A {begin} $B:1", special_tokens=[(begin, tokens.bos_token_id)]
        )
    if tokens.pad_token is None:
        tokens.pad_token = tokens.eos_token
    context = _field(reader, f"{_field(reader, 'general.architecture')}.context_length")
    if context is not None:
        tokens.model_max_length = int(context)
    return tokens


def _open(path: Path) -> Any:
    try:
        from gguf import GGUFReader
    except ModuleNotFoundError as error:
        raise UserError(
            "a GGUF file needs the package gguf, which is not installed",
            file=path,
            hint="pip install 'w2s-reasoning[gguf]'",
        ) from error
    try:
        return GGUFReader(path)
    except Exception as error:  # a damaged header can cause any
        raise _unreadable(path, error) from error


def _field(reader: Any, name: str) -> Any:
    field = reader.fields.get(name)
    return None if field is None else field.contents()


def _keeps_blocks() -> bool:
    import transformers

    return hasattr(transformers, "GgufConfig")


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(
        f"cannot be read as a GGUF model ({type(error).__name__}: {first_line(error)})",
        file=path,
        expected="a file of a causal language model that transformers can read",
        hint="download it again, or use the original model in safetensors",
    )
