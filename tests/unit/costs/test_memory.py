"""Memory and tokens by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

import w2s
from w2s.config.schema import Lora, Runtime
from w2s.costs import memory
from w2s.flow.work import Work
from w2s.models.architecture import Architecture

MODEL = Architecture(1000, {"num_hidden_layers": 2, "num_key_value_heads": 3, "head_dim": 4, "num_attention_heads": 6})
"""2 * 2 * 3 * 4 = 48 numbers per token."""

WORK = Work(
    "strong", prompts=10, prompt_characters=400, longest_prompt=50, shown_characters=80, shown_tokens=30, rows=40,
    new_tokens=7,
)  # fmt: skip


def test_prefill_reads_each_prompt_once_and_what_all_share_once() -> None:
    assert WORK.prefill_tokens(4.0) == (400 + 80) // 4 + 30


def test_memory_of_generation() -> None:
    """Shared 80 / 4 + 30 = 50 tokens; 10 prompts of at most 13 (50 / 4, rounded up); 40 rows of 7: 460 tokens."""
    assert memory.generation_bytes(WORK, MODEL, "transformers", "bfloat16", 4.0) == 2000 + 2 * 48 * 460
    # vLLM's rows are counted with a prompt each.
    assert memory.generation_bytes(WORK, MODEL, "vllm", "float32", 4.0) == 4000 + 4 * 48 * (50 + 40 * 13 + 280)
    assert memory.generation_bytes(WORK, MODEL, "openai", "float32", 4.0) == 0


def test_an_engine_s_limits_bound_it() -> None:
    many = Work("strong", prompts=10**6, longest_prompt=4, rows=10**7, new_tokens=100)
    # 1024 rows of 103 prompts.
    expected = 2000 + 96 * (103 * 1 + 1024 * 100)
    assert memory.generation_bytes(many, MODEL, "transformers", "bfloat16", 4.0) == expected
    wide = Architecture(1000, {"num_hidden_layers": 80, "num_key_value_heads": 64, "head_dim": 128})
    assert memory.generation_bytes(many, wide, "transformers", "bfloat16", 4.0) == 2000 + 4 * 2**30


@pytest.mark.parametrize("model", [Architecture(None, MODEL.config), Architecture(1000, {})])
def test_unknown_is_unknown(model: Architecture) -> None:
    assert memory.generation_bytes(WORK, model, "transformers", "float32", 4.0) is None


def test_the_engine_s_own_constants_are_these() -> None:
    """Read as text: importing the engine takes seconds."""
    source = (Path(w2s.__file__).parent / "engines" / "transformers.py").read_text()
    assert (memory.ROWS["transformers"], memory.CACHE_BYTES["transformers"]) == (1024, 4 * 2**30)
    assert "\nMAX_ROWS = 1024\n" in source and "\nCACHE_BYTES = 4 * 2**30\n" in source


def test_device_hours() -> None:
    assert memory.device_hours(1800, 8) == 4.0


def test_the_least_memory_refuses_only_what_surely_does_not_fit() -> None:
    """1,000 parameters: in full training 16 bytes each; generation takes the weights."""
    assert memory.least_bytes("train", WORK, MODEL, "vllm", "bfloat16") == 16_000
    assert memory.least_bytes("generate", WORK, MODEL, "vllm", "bfloat16") == 2000
    assert memory.least_bytes("generate", WORK, MODEL, "scripted", "bfloat16") == 0
    assert memory.least_bytes("train", WORK, Architecture(None, {}), "vllm", "bfloat16") is None
    assert Architecture(1000, {}).least_training_bytes(Lora()) is None  # the size of its adapters is unknown


def test_copies_that_are_there_for_sure() -> None:
    ray = Runtime(launcher="ray", train_workers=4, tensor_parallel=2)
    assert memory.least_copies("generate", ray) == 1 and memory.least_copies("train", ray) == 4
    assert memory.least_copies("generate", ray.model_copy(update={"workers": 3})) == 3
    assert memory.least_copies("train", ray.model_copy(update={"sharding": "fsdp"})) == 1
    assert memory.shared_by("generate", ray, 8) == 8 and memory.shared_by("train", ray, 8) == 4
    assert memory.shared_by("generate", Runtime(tensor_parallel=2), 2) == 2
    assert memory.shared_by("train", Runtime(tensor_parallel=2), 2) == 1
