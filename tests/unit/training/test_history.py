"""What a training measures, step by step."""

from __future__ import annotations

import json

import pytest

from w2s.training import history
from w2s.training.history import History, Measured, measures


def step(number: int) -> Measured:
    return Measured(float(number), number / 10, 2.0 * number, 1e-3 * number, -0.5 * number, 7)


def of(steps: range, pairs: bool = True) -> History:
    made = History(pairs)
    for number in steps:
        made.add(step(number))
    return made


def test_a_curve_has_a_mean_per_part_of_the_steps() -> None:
    """250 steps, 100 points: the first has steps 0 and 1, the second 2 to 4; the mean of 0 to 249 is 124.5."""
    result = of(range(250)).result(250, 9)
    assert {name: len(values) for name, values in result.curves.items()} == dict.fromkeys(
        ("margin", "grad_norm", "learning_rate", "chosen_logp"), 100
    )
    assert result.curve[:2] == [0.5, 3.0] and result.curves["grad_norm"][:2] == [1.0, 6.0]
    assert result.curves["margin"][1] == pytest.approx(0.3) and result.curves["chosen_logp"][0] == -0.25
    assert result.loss_last == 244.5 and result.tokens == 1750


def test_without_pairs_there_is_neither_margin_nor_chosen_text() -> None:
    result = of(range(3), pairs=False).result(3, 9)
    assert result.curves == {"grad_norm": [0.0, 2.0, 4.0], "learning_rate": [0.0, 1e-3, 2e-3]}
    assert result.margin_first is None


def test_a_resumed_history_goes_on_where_it_was() -> None:
    resumed = History(pairs=True)
    resumed.resume(json.loads(json.dumps(of(range(2)).facts())))
    resumed.add(step(2))
    whole = of(range(3)).result(3, 9)
    found = resumed.result(3, 9)
    assert (found.curve, found.curves, found.tokens) == (whole.curve, whole.curves, whole.tokens)


def test_a_state_of_an_earlier_version_has_loss_and_margin_only() -> None:
    resumed = History(pairs=True)
    resumed.resume({"losses": [1.0], "margins": [0.0], "tokens": 7, "seconds": 1.0})
    resumed.add(step(3))
    result = resumed.result(2, 9)
    assert result.curves == {"margin": [0.0, 0.3]} and result.curve == [1.0, 3.0]


def test_what_a_trainer_does_not_know_has_no_curve() -> None:
    made = History(pairs=True)
    made.add(Measured(1.0, 0.5, 2.0, 1e-3))
    assert made.result(1, 9).curves == {
        "grad_norm": [2.0], "learning_rate": [1e-3], "margin": [0.5],
    }  # fmt: skip


def test_the_device_is_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(history.torch.cuda, "get_device_name", lambda: "a GPU")
    monkeypatch.setattr(history.torch.cuda, "max_memory_allocated", lambda: 5)
    result = of(range(1)).result(1, 1)
    assert (result.device, result.device_memory) == ("a GPU", 5)


def test_each_step_is_told_as_it_is_added_with_a_margin_where_there_are_pairs() -> None:
    heard: list[tuple[int, dict[str, float]]] = []
    with measures.heard(lambda number, values: heard.append((number, dict(values)))):
        for pairs in (True, False):
            of(range(2), pairs)
        History().add(Measured(1.0, 0.0, 2.0))
    assert heard[:2] == [
        (1, {"loss": 0.0, "grad_norm": 0.0, "learning_rate": 0.0, "margin": 0.0}),
        (2, {"loss": 1.0, "grad_norm": 2.0, "learning_rate": 1e-3, "margin": 0.1}),
    ]
    assert heard[3:] == [
        (2, {"loss": 1.0, "grad_norm": 2.0, "learning_rate": 1e-3}),
        (1, {"loss": 1.0, "grad_norm": 2.0}),
    ]
