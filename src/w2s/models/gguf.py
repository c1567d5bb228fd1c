"""GGUF files become model folders that everything else can read: weights dequantised once, the tokenizer mended.

Transformers reads the weights and most of the tokenizer. What it leaves out is put right here, after llama.cpp's source
(llama-vocab.cpp): the split of digits, and the token that begins a text.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from w2s import disk
from w2s.errors import UserError, lacks_memory
from w2s.models import cache

FORMAT = 1
"""Part of the identity: raised when this module would make other files of the same GGUF."""

_PLAIN = ("gpt-2", "phi-2", "mpt", "olmo", "jais")
_SINGLE_DIGITS = ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b")
"""Pre-tokenizers of llama.cpp that are GPT-2's, and those that first split off each digit. Transformers 5.19 takes all
that it does not know for the first kind. The two differ where a digit follows spaces: of "a  1" one makes "a", " " and
" 1", the other "a", "  " and "1"."""

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
    """Of a GGUF file: its content, and how it is read."""
    return named(disk.sha256(path))


def named(sha256: str) -> str:
    """The identity of the GGUF file with that sha256."""
    return f"gguf{FORMAT}:{sha256}"


def cached(identity: str) -> Path | None:
    """The folder that was made of a file, if it was."""
    return cache.find(cache_name(identity))


def folder(path: Path, identity: str) -> Path:
    """The folder made of a GGUF file, the first time in some seconds to minutes.

    Raises:
        UserError: the package gguf is missing, or the file cannot be read as a model that transformers knows.
    """
    return cache.make(cache_name(identity), lambda out: convert(path, out))


def cache_name(identity: str) -> str:
    """The name of the folder that is made of a file."""
    return identity.replace(":", "-")[:40]


def convert(path: Path, out: Path) -> None:
    """Write config, generation config, tokenizer with chat template, and weights as safetensors into `out`.

    Raises:
        UserError: as `folder`.
    """
    reader = _open(path)
    tokens = _tokenizer(path, reader)
    import torch
    import transformers

    # Without this a machine with matching kernels would keep the blocks, which cannot be saved.
    options = {"quantization_config": transformers.GgufConfig(dequantize=True)} if _keeps_blocks() else {}
    with _silence():
        try:
            model, found = transformers.AutoModelForCausalLM.from_pretrained(
                path.parent,
                gguf_file=path.name,
                dtype=getattr(torch, _dtype(reader)),
                local_files_only=True,
                output_loading_info=True,
                **options,
            )
        except Exception as error:  # transformers and gguf share no base class
            if lacks_memory(error):
                raise  # nothing is wrong with the files
            raise _unreadable(path, error) from error
        if found["missing_keys"]:
            raise UserError(f"weights are missing: {', '.join(sorted(found['missing_keys'])[:3])}", file=path)
        config = model.config
        for field in ("quantization_config", "_model_name_or_path"):  # the first would be refused for saving
            config.__dict__.pop(field, None)
        with torch.device("meta"):
            plain = transformers.AutoModelForCausalLM.from_config(config, dtype=model.dtype)
        plain.load_state_dict(model.state_dict(), assign=True)
        plain.tie_weights()
        plain.generation_config = model.generation_config
        if not all(bool(torch.isfinite(weight).all()) for weight in plain.parameters()):
            raise UserError(f"holds weights beyond {model.dtype}", file=path, mend="use the original model instead")
        plain.save_pretrained(out)
        tokens.save_pretrained(out)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """No progress bars: reading and writing heed no setting, and write across the caller's output."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield


def describe(path: Path) -> tuple[int, dict[str, Any]] | None:
    """(parameters, config.json's fields) of a file from its header; None where the package gguf is missing."""
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
    """The smallest number format that loses nothing worth having.

    A block's weight is a float16 scale times a small whole number, so float16 has its range, and is off by 2^-11 of a
    weight at most: 0.06 of a step of Q8_0, which itself is off by up to half a step. bfloat16, of the same size, is off
    by up to 2^-8, again half a step. Matrices stored as float32 or bfloat16 keep their format.
    """
    kinds = {tensor.tensor_type.name for tensor in reader.tensors if len(tensor.shape) > 1}
    if "F32" in kinds:
        return "float32"
    return "bfloat16" if kinds & {"BF16", "MXFP4"} else "float16"  # MXFP4's scales are powers of two of any size


def _tokenizer(path: Path, reader: Any) -> Any:
    """The file's tokenizer, with what transformers leaves out.

    Raises:
        UserError: its pre-tokenizer is one that neither transformers nor this module knows.
    """
    kind, split = _field(reader, "tokenizer.ggml.model"), _field(reader, "tokenizer.ggml.pre")
    import transformers
    from tokenizers import pre_tokenizers, processors

    try:
        tokens = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True)
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
            f"its tokenizer splits text in a way that is not known here ({split or 'unnamed'})",
            file=path,
            field="tokenizer.ggml.pre",
            mend="use the original model with its tokenizer.json",
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
    """The file's header.

    Raises:
        UserError: the package gguf is missing, or the file is no GGUF file.
    """
    try:
        from gguf import GGUFReader
    except ModuleNotFoundError as error:
        raise UserError(
            "to read a GGUF file the package gguf is needed, which is not installed",
            file=path,
            mend="pip install 'w2s-reasoning[gguf]'",
        ) from error
    try:
        return GGUFReader(path)
    except Exception as error:  # whatever a damaged header leads to
        raise _unreadable(path, error) from error


def _field(reader: Any, name: str) -> Any:
    field = reader.fields.get(name)
    return None if field is None else field.contents()


def _keeps_blocks() -> bool:
    import transformers

    return hasattr(transformers, "GgufConfig")


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(
        f"cannot be read as a GGUF model ({type(error).__name__}: {next(iter(str(error).splitlines()), 'no reason')})",
        file=path,
        expected="a file of a causal language model that transformers can read",
        mend="fetch it again, or use the original model in safetensors",
    )
