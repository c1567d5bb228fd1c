"""Saved states on disk: the last whole one is used, and no other."""

from __future__ import annotations

import json
import logging
import signal
import time
from pathlib import Path

import pytest
import torch

from w2s.config.schema import Runtime
from w2s.data import disk, sealed
from w2s.training import saver, signals, state
from w2s.training.distributed import Team
from w2s.training.saver import Saver

ALONE = Team(0, 1, torch.device("cpu"))


def write(place: Path, *steps: int, key: str = "k") -> None:
    for done in steps:
        batches = [{"weight:a": torch.tensor([done, 0.5])}, {"step:a": torch.tensor(float(done))}]
        state.write(place, key, done, {"total": 9, "loss": [0.1 * done]}, batches)


def newest(place: Path, key: str = "k") -> int:
    found = state.newest(place, lambda: key)
    return found.done if found else 0


def test_a_state_comes_back_as_it_was_and_two_are_kept(tmp_path):
    assert state.newest(tmp_path / "none", lambda: "k") is None and state.reached(tmp_path / "none") is None
    write(tmp_path, 1, 2, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state-000000002", "state-000000003"]
    found = state.newest(tmp_path, lambda: "k")
    assert found is not None and (found.done, found.facts) == (3, {"total": 9, "loss": [0.1 * 3]})
    assert found.tensor("weight:a").tolist() == [3, 0.5] and found.tensor("step:a").shape == ()
    assert state.reached(tmp_path) == (3, 9)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder: flip(folder / "tensors-00001.safetensors"), "tensors-00001.safetensors has other content"),
        (lambda folder: (folder / "tensors-00000.safetensors").unlink(), "tensors-00000.safetensors cannot be read"),
        (lambda folder: (folder / "state.json").write_text('{"done": 2'), "state.json is not as it was written"),
        (lambda folder: (folder / "state.json").write_text("[" * 99_999), "state.json is not as it was written"),
        (lambda folder: (folder / "state.json").write_text("[1]"), "state.json is not as it was written"),
        (lambda folder: flip(folder / "state.json"), "state.json is not as it was written"),
        (lambda folder: (folder / "state.json").unlink(), "state.json is not as it was written"),
    ],
)
def test_a_damaged_state_is_removed_with_one_warning_and_the_one_before_is_used(tmp_path, caplog, damage, reason):
    write(tmp_path, 1, 2)
    damage(tmp_path / "state-000000002")
    assert newest(tmp_path) == 1 and not (tmp_path / "state-000000002").exists()
    (record,) = caplog.records
    assert f"(state-000000002: {reason}); it goes on from step 1" in record.getMessage()
    assert newest(tmp_path) == 1 and len(caplog.records) == 1


def test_a_state_of_another_training_or_version_is_not_used(tmp_path, caplog):
    write(tmp_path, 1, 2, key="other")
    assert newest(tmp_path) == 0 and not list(tmp_path.iterdir())
    (record,) = caplog.records
    assert "it is of another training); it starts from step 0" in record.getMessage()
    write(tmp_path, 3)
    file = tmp_path / "state-000000003" / "state.json"
    file.write_text(json.dumps(sealed.seal({**json.loads(file.read_text()), "schema": 2})))
    assert newest(tmp_path) == 0


def test_what_a_kill_left_half_written_is_swept(tmp_path, monkeypatch):
    write(tmp_path, 1)

    def killed(source: Path, place: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(state, "_remove", lambda folders: None)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(disk, "move", killed)
        write(tmp_path, 2)
    assert len(list(tmp_path.glob("part-*"))) == 1
    monkeypatch.undo()
    assert newest(tmp_path) == 1 and not list(tmp_path.glob("part-*"))


class Training:
    """Two weights, one of them frozen, and AdamW."""

    def __init__(self) -> None:
        self.model = torch.nn.Linear(3, 2)
        self.model.bias.requires_grad_(False)
        self.optimizer = torch.optim.AdamW([self.model.weight], lr=0.1, fused=True)

    def step(self) -> None:
        self.optimizer.zero_grad()
        self.model(torch.rand(4, 3)).square().sum().backward()
        self.optimizer.step()


def make(place: Path, waiting: signals.Waiting | None = None) -> Saver:
    return Saver(place, lambda: "k", ALONE, Runtime().save_minutes, waiting or signals.Waiting())


def test_weights_moments_and_random_numbers_go_on(tmp_path, monkeypatch):
    """`Training.step` takes random numbers: after the state, the same ones."""
    monkeypatch.setattr(Saver, "_due", lambda self: True)
    first, second = Training(), Training()
    second.model.bias.data.copy_(first.model.bias)  # frozen: it comes from the model's folder
    first.step()
    make(tmp_path).after(1, first.model, first.optimizer, lambda: {"total": 9})
    first.step()
    assert make(tmp_path).resume(second.model, second.optimizer)[0] == 1
    second.step()
    assert torch.equal(first.model.weight, second.model.weight)
    for kind, tensor in first.optimizer.state[first.model.weight].items():
        assert torch.equal(tensor, second.optimizer.state[second.model.weight][kind])
    found = state.newest(tmp_path, lambda: "k")
    assert found is not None and sorted(found.places) == [
        f"{kind}:weight" for kind in ("exp_avg", "exp_avg_sq", "step", "weight")
    ]


def test_time_decides_and_saving_takes_a_tenth_of_it_at_most(tmp_path, monkeypatch):
    """Ten minutes are 600 s. What took 100 s is done again after 900 s: 100 of 1,000."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    training, kept = Training(), make(tmp_path)

    def saved_after(seconds: float) -> bool:
        before = {path.name for path in tmp_path.iterdir()}
        clock[0] += seconds
        kept.after(int(clock[0]), training.model, training.optimizer, lambda: {"total": 9})
        return {path.name for path in tmp_path.iterdir()} != before

    assert [saved_after(599), saved_after(1), saved_after(599), saved_after(1)] == [False, True, False, True]
    write_state = state.write
    monkeypatch.setattr(state, "write", lambda *given: (write_state(*given), clock.__setitem__(0, clock[0] + 100)))
    assert [saved_after(600), saved_after(899), saved_after(1)] == [True, False, True]
    assert Runtime().save_minutes == 10


def test_a_full_disk_is_a_warning_and_the_training_goes_on(tmp_path, monkeypatch, caplog):
    def full(source: Path, place: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Saver, "_due", lambda self: True)
    monkeypatch.setattr(disk, "move", full)
    training = Training()
    with caplog.at_level(logging.WARNING):
        make(tmp_path).after(1, training.model, training.optimizer, lambda: {"total": 9})
    assert "cannot be saved" in caplog.text and not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_the_step_is_saved_and_a_second_one_does_not(tmp_path, number):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(number, stop)
    training = Training()
    try:
        with pytest.raises(KeyboardInterrupt), signals.deferred() as waiting:
            signal.raise_signal(number)
            training.step()
            kept = make(tmp_path, waiting)
            assert state.reached(tmp_path) is None
            kept.after(5, training.model, training.optimizer, lambda: {"total": 9})
        assert state.reached(tmp_path) == (5, 9)
        with pytest.raises(KeyboardInterrupt), signals.deferred():
            signal.raise_signal(number)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
        # the first one acted at the end of the training
        with pytest.raises(KeyboardInterrupt), signals.deferred(active=False):
            signal.raise_signal(number)
            pytest.fail("it did not act at once")
        assert signal.getsignal(number) is stop
    finally:
        signal.signal(number, before)


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with signals.deferred() as waiting:
            signal.raise_signal(signal.SIGINT)
            assert waiting.came == []
    finally:
        signal.signal(signal.SIGINT, before)


def test_random_states_survive_json():
    states = json.loads(json.dumps(saver._random(torch.device("cpu"))))
    first = torch.rand(3)
    saver._set_random(states, torch.device("cpu"))
    assert torch.equal(torch.rand(3), first)
