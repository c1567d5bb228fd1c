"""What watches a training of TRL: its reference, and what an earlier process left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("trl")

from w2s.config.schema import Lora, Preference, Runtime
from w2s.errors import UserError
from w2s.training import distributed
from w2s.training.setup import Setup
from w2s.training.signals import Waiting

LOGS = {"loss": 0.7, "grad_norm": 1.0, "learning_rate": 1e-4}


@contextmanager
def watching(drop: float) -> Iterator[Any]:
    """A watch of a training whose chosen completions have lost `drop` nats per token."""
    from w2s.training.trl_states import Watch

    with distributed.join(Runtime(device="cpu")) as team:
        watch = Watch(Setup(), Preference(), team, Waiting(), [None], None)
        watch.stop, watch.fallen = SimpleNamespace(add=lambda *_: None), lambda *_: drop  # type: ignore[assignment]
        watch.count(1.0)
        yield watch
        watch.close()


@pytest.mark.parametrize("drop", [0.6, -0.6])
def test_a_reference_that_is_not_the_start_ends_the_training(drop: float) -> None:
    """Before any update both are one model: 0 nats apart, but for rounding."""
    state = SimpleNamespace(global_step=1, max_steps=4)
    with watching(drop) as watch, pytest.raises(UserError, match=r"\[trainer\].*0\.60 nats per token from the ref"):
        watch.on_log(None, state, None, logs=LOGS)


@pytest.mark.parametrize(("drop", "step"), [(0.4, 1), (-0.4, 1), (0.6, 2)])
def test_rounding_and_learning_do_not(drop: float, step: int) -> None:
    with watching(drop) as watch:
        watch.on_log(None, SimpleNamespace(global_step=step, max_steps=4), None, logs=LOGS)
        assert watch.history.losses == [0.7]


def test_a_file_of_log_probabilities_that_an_earlier_process_left_is_not_used() -> None:
    with watching(0.0) as watch:
        for name in ("reference-0.arrow", "checkpoint-1"):
            (watch.folder / name).touch()
        watch.forget_references()
        assert [path.name for path in watch.folder.iterdir()] == ["checkpoint-1"]


@pytest.mark.parametrize(("fsdp", "lora", "given"), [("true", None, True), ("true", Lora(), False), ("", None, False)])
def test_with_fsdp_a_whole_model_s_reference_is_ours(
    monkeypatch: pytest.MonkeyPatch, fsdp: str, lora: Lora | None, given: bool
) -> None:
    """TRL would read it from the base's path; with LoRA it is the model without its adapter."""
    from w2s.training import trl, trl_trainers

    monkeypatch.setenv("ACCELERATE_USE_FSDP", fsdp)
    network = SimpleNamespace(eval=lambda: "the start")
    job: Any = SimpleNamespace(config=SimpleNamespace(lora=lora), load=lambda: SimpleNamespace(network=network))
    assert trl._reference(trl_trainers.Dpo, job) == ({"ref_model": "the start"} if given else {})
    assert trl._reference(trl_trainers.Orpo, job) == {}
