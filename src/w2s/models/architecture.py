"""Sizes of a model from its configuration and weight headers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2s.config.schema import Dtype, Lora
from w2s.data import disk
from w2s.errors import UserError
from w2s.models import cut, files, gguf, pypi
from w2s.models.kinds import Gguf
from w2s.models.model import Model

BYTES: Mapping[Dtype, int] = {"float32": 4, "bfloat16": 2}
"""Bytes per parameter."""

QUANTIZED_BYTES = (4 + 8 / 64 + 32 / (64 * 256)) / 8
"""Bytes per parameter in 4 bits (QLoRA, double quantisation)."""

_FIELDS = (
    "model_type", "hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads",
    "num_key_value_heads", "head_dim", "vocab_size", "tie_word_embeddings",
)  # fmt: skip
KNOWN: Mapping[str, Mapping[str, Any]] = {
    name: dict(zip(_FIELDS, numbers, strict=True))
    for name, *numbers in (
        ("llama-2-7b", "llama", 4096, 32, 11008, 32, 32, 128, 32000, False),
        ("llama-2-13b", "llama", 5120, 40, 13824, 40, 40, 128, 32000, False),
        ("llama-2-70b", "llama", 8192, 80, 28672, 64, 8, 128, 32000, False),
        ("llama-3-8b", "llama", 4096, 32, 14336, 32, 8, 128, 128256, False),
        ("llama-3-70b", "llama", 8192, 80, 28672, 64, 8, 128, 128256, False),
        ("llama-3.1-8b", "llama", 4096, 32, 14336, 32, 8, 128, 128256, False),
        ("llama-3.1-70b", "llama", 8192, 80, 28672, 64, 8, 128, 128256, False),
        ("gemma-2b", "gemma", 2048, 18, 16384, 8, 1, 256, 256000, True),
        ("gemma-7b", "gemma", 3072, 28, 24576, 16, 16, 256, 256000, True),
        ("mistral-7b-v0.1", "mistral", 4096, 32, 14336, 32, 8, 128, 32000, False),
        ("smollm2-135m", "llama", 576, 30, 1536, 9, 3, 64, 49152, True),
        ("smollm2-360m", "llama", 960, 32, 2560, 15, 5, 64, 49152, True),
        ("smollm2-1.7b", "llama", 2048, 24, 8192, 32, 32, 64, 49152, True),
        ("qwen2.5-0.5b", "qwen2", 896, 24, 4864, 14, 2, 64, 151936, True),
        ("qwen2.5-1.5b", "qwen2", 1536, 28, 8960, 12, 2, 128, 151936, True),
        ("qwen2.5-7b", "qwen2", 3584, 28, 18944, 28, 4, 128, 152064, False),
    )
}
"""Published configurations, for plans."""

_GATED = ("llama", "mistral", "gemma", "qwen2", "qwen3")
"""Gated MLP and two norms per layer."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes of a model; None: unknown. `config`: known fields of config.json."""

    parameters: int | None
    config: Mapping[str, Any]
    quantize: str | None = None

    @property
    def kv_heads(self) -> int | None:
        return self.config.get("num_key_value_heads") or self.config.get("num_attention_heads")

    @property
    def head_dim(self) -> int | None:
        heads, width = self.config.get("num_attention_heads"), self.config.get("hidden_size")
        return self.config.get("head_dim") or (width // heads if heads and width else None)

    def weight_bytes(self, dtype: Dtype) -> int | None:
        return self._bytes(BYTES[dtype])

    def _bytes(self, each: int) -> int | None:
        if self.parameters is None or self.quantize is None:
            return None if self.parameters is None else each * self.parameters
        layers, shapes = self.config.get("num_hidden_layers"), _linear(self)
        if not layers or shapes is None:
            return None
        matrices = layers * sum(inputs * outputs for inputs, outputs in shapes.values())
        return each * (self.parameters - matrices) + round(QUANTIZED_BYTES * matrices)

    def cache_bytes(self, tokens: int, dtype: Dtype) -> int | None:
        """Bytes of keys and values."""
        layers, heads, size = self.config.get("num_hidden_layers"), self.kv_heads, self.head_dim
        return 2 * layers * heads * size * BYTES[dtype] * tokens if layers and heads and size else None

    def training_bytes(self, lora: Lora | None) -> int | None:
        """Float32 weights, gradients and AdamW's moments, without activations."""
        trained = self.parameters if lora is None else self.adapter_parameters(lora)
        weights = self._bytes(4)
        return None if weights is None or trained is None else weights + 12 * trained

    def least_training_bytes(self, lora: Lora | None) -> int | None:
        """As `training_bytes`; under adapters weights may be rounded to bfloat16."""
        if lora is None:
            return self.training_bytes(None)
        weights, trained = self._bytes(2), self.adapter_parameters(lora)
        return None if weights is None or trained is None else weights + 16 * trained

    def saved_bytes(self, lora: Lora | None) -> int | None:
        """Float32 weights of a trained model, or of its adapter (`lora.save`)."""
        saved = self.parameters if lora is None or lora.save == "merged" else self.adapter_parameters(lora)
        return None if saved is None else 4 * saved

    def adapter_parameters(self, lora: Lora) -> int | None:
        """LoRA parameters."""
        layers, shapes = self.config.get("num_hidden_layers"), _linear(self)
        if not layers or shapes is None or not set(lora.targets) <= shapes.keys():
            return None
        return int(layers * lora.rank * sum(sum(shapes[target]) for target in lora.targets))


def find(model: Model, parameters: int | None = None) -> Architecture:
    """The sizes of a model, as known here. Never asks the hub.

    `parameters`, if None, are counted.
    """
    kind, folder, layers = model.kind, model.local(), model.layers
    config: Mapping[str, Any] = KNOWN.get(_plain(kind.text), {})
    if folder is not None and (folder / "config.json").is_file():
        read = files.read_json(folder / "config.json")
        inner = read.get("text_config")
        config = _known(inner if isinstance(inner, dict) and inner else read)
    elif folder is None and isinstance(kind, Gguf):
        whole, config = gguf.describe(kind.path) or (None, {})
        parameters = parameters if layers else parameters or whole
    total = config.get("num_hidden_layers")
    if layers is not None:
        config = {**config, "num_hidden_layers": len(layers)}
    if parameters is None and folder is not None:
        parameters = stored(sorted(folder.glob("*.safetensors")), layers, total)
    architecture = Architecture(parameters, config, model.quantize)
    return architecture if parameters is not None else Architecture(_count(architecture), config, model.quantize)


def stored(paths: Sequence[Path], layers: Sequence[int] | None = None, of: int | None = None) -> int | None:
    """Parameters by safetensors headers; with `layers` only those of `of` layers. None: unknown."""
    kept = shapes(paths)
    if layers is not None:
        try:
            before = cut.numbering(kept, of or 0, "")
        except UserError:
            return None
        kept = {name: shape for name, shape in kept.items() if cut.renamed(name, before, layers)}
    return sum(math.prod(shape) for shape in kept.values()) or None


def shapes(paths: Sequence[Path]) -> dict[str, list[int]]:
    """Tensor shapes by name, from safetensors headers.

    Raises:
        UserError: a header is invalid.
    """
    shapes: dict[str, list[int]] = {}
    for path in paths:
        try:
            with disk.opened(path) as file:
                length = int.from_bytes(file.read(8), "little")
                if length > path.stat().st_size:
                    raise ValueError("the header is longer than the file")
                header = json.loads(file.read(length))
            found = {name: tensor["shape"] for name, tensor in header.items() if name != "__metadata__"}
            if not all(_is_shape(shape) for shape in found.values()):
                raise ValueError("a tensor has no shape")
        except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"cannot be read as safetensors ({error!s:.200})", file=path, hint="fetch or copy the model again"
            ) from error
        shapes |= found
    return shapes


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, list) and all(type(side) is int and side >= 0 for side in shape)


def tokenizer(model: Model) -> Any | None:
    """The model's tokenizer, of the library `tokenizers`; None if it is not here.

    Raises:
        UserError: its file is damaged.
    """
    folder = model.local()
    if folder is None or not (folder / "tokenizer.json").is_file():
        return None
    try:
        from tokenizers import Tokenizer
    except ImportError:
        return None
    try:
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # tokenizers raises no class of its own
        raise UserError(
            f"cannot be read as a tokenizer ({error!s:.200})", file=folder / "tokenizer.json", hint="fetch it again"
        ) from error


def characters_per_token(model: Model, texts: Sequence[str]) -> float | None:
    """Mean by the model's tokenizer; None if it is not here."""
    if not any(texts) or (found := tokenizer(model)) is None:
        return None
    tokens = sum(len(encoded.ids) for encoded in found.encode_batch(list(texts), add_special_tokens=False))
    return sum(map(len, texts)) / tokens if tokens else None


def _known(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in config.items()
        if name not in _FIELDS[1:-1] or (isinstance(value, int) and not isinstance(value, bool) and value > 0)
    }


def _plain(source: str) -> str:
    if source.startswith("pypi:"):
        package = pypi.PACKAGES.get(source.removeprefix("pypi:").partition("==")[0])
        return package.architecture if package else source
    name = source.partition("@")[0].rpartition("/")[2].casefold().removeprefix("meta-")
    return re.sub(r"(-(hf|chat|instruct|it|base))+$", "", name)


def _linear(of: Architecture) -> dict[str, tuple[int, int]] | None:
    """(inputs, outputs) of a layer's linear modules."""
    config, kv, size = of.config, of.kv_heads, of.head_dim
    width, inner, heads = (config.get(f) for f in ("hidden_size", "intermediate_size", "num_attention_heads"))
    if config.get("model_type") not in _GATED or not (width and inner and heads and kv and size):
        return None
    return {
        "q_proj": (width, heads * size),
        "k_proj": (width, kv * size),
        "v_proj": (width, kv * size),
        "o_proj": (heads * size, width),
        "gate_proj": (width, inner),
        "up_proj": (width, inner),
        "down_proj": (inner, width),
    }


def _count(of: Architecture) -> int | None:
    config, shapes = of.config, _linear(of)
    width, layers, words = (config.get(f) for f in ("hidden_size", "num_hidden_layers", "vocab_size"))
    if shapes is None or not (width and layers and words):
        return None
    kind = config["model_type"]
    layer = sum(inputs * outputs for inputs, outputs in shapes.values()) + 2 * width
    if kind == "qwen2" or config.get("attention_bias"):
        layer += sum(shapes[name][1] for name in ("q_proj", "k_proj", "v_proj"))
    if kind != "qwen2" and config.get("attention_bias"):
        layer += width
    if kind == "qwen3":
        layer += 2 * (of.head_dim or 0)
    if config.get("mlp_bias"):
        layer += sum(shapes[name][1] for name in ("gate_proj", "up_proj", "down_proj"))
    tied = config.get("tie_word_embeddings", kind == "gemma")
    return int(layers * layer + width + (1 if tied else 2) * words * width)
