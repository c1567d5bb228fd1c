"""What the CPU tests promise, on a CUDA device: `make test-gpu`. Skipped where there is none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_models
import torch

from w2s import engines, models, prompting, tasks
from w2s.config.schema import ArithTask, Lora, Preference, Runtime, Training
from w2s.engines import checks, journal
from w2s.engines.base import Decoding, Loading, Request
from w2s.models import parity
from w2s.records import Example
from w2s.records import Preference as Pair

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

STRONG = "w2s:tiny-strong"


def _requests(count: int, n: int = 1) -> list[Request]:
    questions = tasks.load(ArithTask(train_1=1, train_2=1, test=count)).questions("test")
    return [Request(q.id, k, prompting.prompt(q.question, [])) for q in questions for k in range(n)]


def test_greedy_texts_are_those_of_the_cpu() -> None:
    requests, decoding, texts = _requests(64), Decoding(64), {}
    for device in ("cpu", "cuda"):
        engine = engines.load(STRONG, Loading(runtime=Runtime(device=device, offline=True)))
        texts[device] = [c.text for c in journal.generate(engine, requests, decoding)]
        engine.close()
    assert sum(a == b for a, b in zip(texts["cpu"], texts["cuda"], strict=True)) >= 60


def test_samples_are_the_same_twice() -> None:
    requests, decoding = _requests(32, n=10), Decoding(64, temperature=1.0, seed=3)
    engine = engines.load(STRONG, Loading(dtype="bfloat16", runtime=Runtime(device="cuda", offline=True)))
    first, second = (journal.generate(engine, requests, decoding) for _ in range(2))
    engine.close()
    assert first == second and len({c.text for c in first}) > len(requests) // 2


def _examples(count: int) -> list[tuple[str, str]]:
    return [(prompting.prompt(f"What is {i} + 1?"), prompting.completion(f"#### {i + 1}")) for i in range(count)]


def test_sft_has_the_losses_of_the_cpu(tmp_path: Path) -> None:
    from w2s.training import sft
    from w2s.training.setup import Setup

    examples = [Example(str(i), prompt, text) for i, (prompt, text) in enumerate(_examples(40))]
    curves = [
        sft.train(
            models.folder(STRONG, offline=True), examples, tmp_path / device, Training(epochs=1, batch_size=8),
            Setup(runtime=Runtime(device=device, gradient_checkpointing=device == "cuda")),
        ).curve
        for device in ("cpu", "cuda")
    ]  # fmt: skip
    assert curves[1] == pytest.approx(curves[0], rel=2e-3)


def test_dpo_starts_at_ln_2(tmp_path: Path) -> None:
    from w2s.training import preference
    from w2s.training.setup import Setup

    pairs = [
        Pair(str(i), prompt, text, prompting.completion("#### 0")) for i, (prompt, text) in enumerate(_examples(24))
    ]
    result = preference.train(
        models.folder(STRONG, offline=True), pairs, tmp_path / "out", Preference(epochs=1, batch_size=8),
        Setup(dtype="bfloat16", runtime=Runtime(device="cuda")), "dpo",
    )  # fmt: skip
    assert result.loss_first == pytest.approx(0.6931, abs=5e-3)


LORA = Lora(rank=8, alpha=16)


@pytest.mark.parametrize("save", ["merged", "adapter"])
def test_adapters_in_bfloat16_pass_the_gate_and_serve(tmp_path: Path, save: str) -> None:
    """Trained, written, read again, compared, and asked by the engine: all on the device."""
    from w2s.training import sft
    from w2s.training.setup import Setup

    examples = [Example(str(i), prompt, text) for i, (prompt, text) in enumerate(_examples(80))]
    config = Training(epochs=2, batch_size=8, learning_rate=1e-3, lora=LORA.model_copy(update={"save": save}))
    cuda = Runtime(device="cuda", offline=True)
    sft.train(models.folder(STRONG, offline=True), examples, tmp_path / "out", config,
              Setup(dtype="bfloat16", runtime=cuda))  # fmt: skip
    kept = parity.read(tmp_path / "out")
    assert kept is not None and len(kept.prompts) == 64
    engine = engines.load(tmp_path / "out", Loading(dtype="bfloat16", runtime=cuda))
    assert checks.served_equals_trained(engine, kept, "out", "bfloat16")["agreement"] > 0.8
    engine.close()


def test_four_bits_train_and_serve(tmp_path: Path) -> None:
    """QLoRA's base takes less memory than the same base in bfloat16, and learns."""
    pytest.importorskip("bitsandbytes")
    from w2s.training import sft
    from w2s.training.setup import Setup

    examples = [Example(str(i), prompt, text) for i, (prompt, text) in enumerate(_examples(80))]
    config = Training(epochs=3, batch_size=8, learning_rate=1e-3, lora=LORA)
    runtime = Runtime(device="cuda", offline=True)
    result = sft.train(models.folder(STRONG, offline=True), examples, tmp_path / "out", config,
                       Setup(dtype="bfloat16", quantize="4bit", runtime=runtime))  # fmt: skip
    assert result.loss_last < result.loss_first
    engine = engines.load(f"{tmp_path / 'out'}#quantize=4bit", Loading(dtype="bfloat16", runtime=runtime))
    assert len(journal.generate(engine, _requests(16), Decoding(8))) == 16
    engine.close()


@pytest.mark.parametrize("kind", ["llama", "gemma", "mistral", "qwen2"])
@pytest.mark.parametrize("chat", [False, True])
def test_each_architecture_has_the_losses_of_the_cpu(tmp_path: Path, kind: tiny_models.Kind, chat: bool) -> None:
    from w2s.training import sft
    from w2s.training.setup import Setup

    base = tiny_models.make(kind, tmp_path / "base", chat)
    examples = [Example(str(i), f"Question: {i} apples\nAnswer:", f" The answer is: {i % 9}") for i in range(16)]
    config = Training(epochs=1, batch_size=8, lora=LORA, max_length=96)
    curves = [
        sft.train(base, examples, tmp_path / device, config,
                  Setup(runtime=Runtime(device=device))).curve
        for device in ("cpu", "cuda")
    ]  # fmt: skip
    assert curves[1] == pytest.approx(curves[0], rel=2e-3)


def test_the_recipe_runs_through_the_command_line(tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-m", "w2s", "run", "tiny", "--out", str(out), "--limit", "40", "runtime.device=cuda",
         "dtype=bfloat16"],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    models_there = json.loads((out / "results.json").read_text(encoding="utf-8"))["models"]
    assert models_there.keys() >= {"m_plus", "m_pro_dpo", "strong_ceiling"}
