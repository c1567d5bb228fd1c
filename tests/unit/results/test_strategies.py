"""Figures of strategies, from records and answers by hand."""

from __future__ import annotations

from collections.abc import Sequence

from w2s.results import strategies
from w2s.results.outline import Entry, Outline, Strategy

RIGHT = {
    "floor": [False] * 40,
    "ceiling": [True] * 40,
    "plus": [n % 4 != 0 for n in range(40)],  # 30 of 40
    "control": [n % 4 == 1 for n in range(40)],  # 10 of 40
}
OUTLINE = Outline(
    tuple(Entry(name) for name in RIGHT),
    {},
    "floor",
    "ceiling",
    (Strategy("paper", "plus", "control", ("a", "b")), Strategy("alone", "control", None, ("b",))),
)
RECORDS = {
    "a": {"seconds": 1.5, "result": {"tokens": 100}},
    "b": {"seconds": 2.0, "result": {"kept": 3}},
}
MODELS = {name: {"accuracy": sum(of) / 40, "ci95": [0, 1], "pgr": None, "pgr_ci95": None} for name, of in RIGHT.items()}


def join(names: Sequence[str | None]) -> list[list[bool]] | None:
    return [RIGHT[name] for name in names if name] if None not in names else None


def test_the_weak_contribution_is_against_the_control() -> None:
    """(30 - 10) / (40 - 0) = 0.5."""
    found = strategies.summaries(OUTLINE, RECORDS, MODELS, join)
    paper = found["paper"]
    assert (paper["weak_contribution"], paper["tokens"], paper["seconds"]) == (0.5, 100, 3.5)
    low, high = paper["weak_contribution_ci95"]
    assert 0.3 < low < 0.5 < high < 0.7 and paper["accuracy"] == 0.75
    assert (found["alone"]["weak_contribution"], found["alone"]["tokens"]) == (None, 0)


def test_strategies_are_compared_with_weak_icl_the_paper_s_model_and_their_control() -> None:
    assert strategies.comparisons(OUTLINE) == [
        ("plus", "weak_icl"), ("plus", "m_plus"), ("plus", "control"), ("control", "weak_icl"), ("control", "m_plus"),
    ]  # fmt: skip


def test_a_strategy_that_was_not_evaluated_is_left_out() -> None:
    assert strategies.summaries(OUTLINE, RECORDS, {}, join) == {}
