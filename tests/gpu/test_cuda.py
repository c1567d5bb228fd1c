"""What the CPU tests promise, on a CUDA device: `make test-gpu`. Skipped where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from w2s import engines, models, prompting, tasks
from w2s.config import ArithTask, Preference, Runtime, Training
from w2s.engines import journal
from w2s.engines.base import Decoding, Request
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
        engine = engines.load("transformers", STRONG, runtime=Runtime(device=device, offline=True))
        texts[device] = [c.text for c in journal.generate(engine, requests, decoding)]
        engine.close()
    assert sum(a == b for a, b in zip(texts["cpu"], texts["cuda"], strict=True)) >= 60


def test_samples_are_the_same_twice() -> None:
    requests, decoding = _requests(32, n=10), Decoding(64, temperature=1.0, seed=3)
    engine = engines.load("transformers", STRONG, dtype="bfloat16", runtime=Runtime(device="cuda", offline=True))
    first, second = (journal.generate(engine, requests, decoding) for _ in range(2))
    engine.close()
    assert first == second and len({c.text for c in first}) > len(requests) // 2


def _examples(count: int) -> list[tuple[str, str]]:
    return [(prompting.prompt(f"What is {i} + 1?"), prompting.completion(f"#### {i + 1}")) for i in range(count)]


def test_sft_has_the_losses_of_the_cpu(tmp_path: Path) -> None:
    from w2s.training import sft

    examples = [Example(str(i), prompt, text) for i, (prompt, text) in enumerate(_examples(40))]
    curves = [
        sft.train(
            models.folder(STRONG, offline=True), examples, tmp_path / device, Training(epochs=1, batch_size=8),
            seed=0, dtype="float32", runtime=Runtime(device=device, gradient_checkpointing=device == "cuda"),
        ).curve
        for device in ("cpu", "cuda")
    ]  # fmt: skip
    assert curves[1] == pytest.approx(curves[0], rel=2e-3)


def test_dpo_starts_at_ln_2(tmp_path: Path) -> None:
    from w2s.training import preference

    pairs = [
        Pair(str(i), prompt, text, prompting.completion("#### 0")) for i, (prompt, text) in enumerate(_examples(24))
    ]
    result = preference.train(
        models.folder(STRONG, offline=True), pairs, tmp_path / "out", Preference(epochs=1, batch_size=8), "dpo",
        seed=0, dtype="bfloat16", runtime=Runtime(device="cuda"),
    )  # fmt: skip
    assert result.loss_first == pytest.approx(0.6931, abs=5e-3)
