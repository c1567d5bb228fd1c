"""The tables of `scripts/study.py`."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def study(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("study")


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.71), (9, 2.26), (10, 2.228), (11, 2.201), (15, 2.131), (20, 2.086), (30, 2.042), (120, 1.980)],
)
def test_quantiles_are_those_of_the_printed_table(study: ModuleType, freedom: int, quantile: float) -> None:
    """Student's t, 0.975, as in Abramowitz and Stegun 1964, table 26.10."""
    assert study.student_95(freedom) == pytest.approx(quantile, abs=0.0006)


def test_an_interval_of_eleven_seeds(study: ModuleType) -> None:
    """0, 10, ..., 100: mean 50, sum of squares 2 (1 + 4 + 9 + 16 + 25) 100 = 11,000, variance 1,100, its root 33.17.

    2.228 * 33.17 / sqrt(11) = 22.28.
    """
    assert study.interval([10.0 * i for i in range(11)]) == "50.0 ± 22.3"


def result(models: tuple[str, ...], paired: tuple[str, ...], selection: tuple[str, ...]) -> dict[str, Any]:
    return {
        "seed": 0,
        "models": {name: {"accuracy": 0.5, "pgr": None} for name in models},
        "paired": {name: {"difference": 0.1, "mcnemar_p": 0.2} for name in paired},
        "selection": {name: {"kept": 1, "of": 2, "precision": None} for name in selection},
    }


def rows(lines: list[str]) -> list[str]:
    return [line.split("|")[1].strip(" `") for line in lines[2:]]


def test_a_branch_that_ended_on_the_first_seed_has_its_rows(study: ModuleType) -> None:
    """The first seed lacks M_plus and all that follows; the second one has no ceiling."""
    short = result(("weak_floor", "strong_ceiling"), (), ("stage1_iter1", "control_stage1_iter1"))
    whole = result(("weak_floor", "m_plus"), ("m_plus vs weak_floor",), ("stage1_iter1", "stage1_iter2"))
    both = [short, whole]
    assert rows(study.accuracy_table(both)) == ["weak_floor", "m_plus", "strong_ceiling"]
    assert rows(study.paired_table(both)) == ["m_plus vs weak_floor"]
    assert rows(study.selection_table(both)) == ["stage1_iter1", "stage1_iter2", "control_stage1_iter1"]
    assert study.accuracy_table(both)[3] == "| `m_plus` | – | 50.0 | 50.0 | – |"
