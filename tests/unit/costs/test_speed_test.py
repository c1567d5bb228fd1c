"""The speed test with a scripted engine and a stand-in for the trainer."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from w2s import engines
from w2s.config import load as presets
from w2s.costs import speed_test
from w2s.engines.scripted import ScriptedEngine
from w2s.errors import UserError
from w2s.records import Example, Question
from w2s.training import sft

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

    def train(base: Path, examples: list[Example], out: Path, config: Any, setup: Any) -> Any:
        trained.append((base, examples, config))
        assert out.parent.is_dir() and not out.exists()
        return SimpleNamespace(tokens=600, seconds=2.0)

    class Engine(ScriptedEngine):
        def close(self) -> None:
            closed.append("closed")

    monkeypatch.setattr(sft, "train", train)
    monkeypatch.setattr(engines, "load", lambda *_, **__: Engine(lambda request, decoding: "so it is #### 4"))
    monkeypatch.setattr(speed_test.time, "perf_counter", Clock())
    run = presets.load("tiny", ["training.batch_size=2", "weak_training.batch_size=3"])
    rates = speed_test.measure(run, QUESTIONS)
    # 100 questions of 5 words in two batches; the clock is asked at the start, before the second batch, and at the end.
    assert rates["generate"] == {"weak": 250.0, "strong": 250.0}
    assert rates["train"] == {"weak": 300.0, "strong": 300.0}
    assert [len(examples) for _, examples, _ in trained] == [12, 8]
    assert [base.name for base, _, _ in trained] == ["tiny-weak", "tiny-strong"]
    assert trained[0][2].epochs == 1 and trained[0][1][0].completion == " so it is #### 4"
    assert closed == ["closed", "closed"]


def test_without_a_question_there_is_nothing_to_measure() -> None:
    with pytest.raises(UserError, match="needs a question"):
        speed_test.measure(presets.load("tiny"), [])


def test_a_model_that_does_not_fit_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: Any, **__: Any) -> Any:
        raise MemoryError("out of memory")

    monkeypatch.setattr(engines, "load", load)
    with pytest.raises(UserError, match=r"too little memory(.|\n)*weak model(.|\n)*--tokens-per-second"):
        speed_test.measure(presets.load("tiny"), QUESTIONS)
