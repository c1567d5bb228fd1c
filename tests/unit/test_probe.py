"""The probe with a scripted engine and a stand-in for the trainer."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from w2s import engines, presets, probe
from w2s.engines.scripted import ScriptedEngine
from w2s.errors import UserError
from w2s.records import Example, Question

QUESTIONS = [Question(f"q{k}", f"{k} + 1?") for k in range(100)]


class Clock:
    """Each look at it is a second later."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_rates_are_tokens_over_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[tuple[Path, list[Example], Any]] = []
    closed: list[str] = []

    def train(base: Path, examples: list[Example], out: Path, config: Any, **_: Any) -> Any:
        trained.append((base, examples, config))
        assert out.parent.is_dir() and not out.exists()
        return SimpleNamespace(tokens=600, seconds=2.0)

    class Engine(ScriptedEngine):
        def close(self) -> None:
            closed.append("closed")

    monkeypatch.setitem(sys.modules, "w2s.training", SimpleNamespace(sft=SimpleNamespace(train=train)))
    monkeypatch.setattr(engines, "load", lambda *_, **__: Engine(lambda request, decoding: "so it is #### 4"))
    monkeypatch.setattr(probe.time, "perf_counter", Clock())
    run = presets.load("tiny", ["training.batch_size=2", "weak_training.batch_size=3"])
    generated, training = probe.measure(run, QUESTIONS)
    # 100 questions of 5 words in two batches; the clock is asked at the start, before the second batch, and at the end.
    assert generated == {"weak": 250.0, "strong": 250.0}
    assert training == {"weak": 300.0, "strong": 300.0}
    assert [len(examples) for _, examples, _ in trained] == [12, 8]
    assert [base.name for base, _, _ in trained] == ["tiny-weak", "tiny-strong"]
    assert trained[0][2].epochs == 1 and trained[0][1][0].completion == " so it is #### 4"
    assert closed == ["closed", "closed"]


def test_nothing_to_probe_with() -> None:
    with pytest.raises(UserError, match="no question to probe"):
        probe.measure(presets.load("tiny"), [])


def test_a_model_that_does_not_fit_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: Any, **__: Any) -> Any:
        raise MemoryError("out of memory")

    monkeypatch.setattr(engines, "load", load)
    with pytest.raises(UserError, match=r"too little memory(.|\n)*weak model(.|\n)*--tokens-per-second"):
        probe.measure(presets.load("tiny"), QUESTIONS)
