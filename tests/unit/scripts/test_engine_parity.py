"""What scripts/engine_parity.py counts. Its engines need models and vLLM, and run by hand."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def script(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("engine_parity")


A, B, C, D = {"1": "a", "2": "a"}, {"1": "a", "2": "b"}, {"1": "c", "2": "c"}, {"1": "c", "2": "b"}
"""Four sets of decisions. Questions that differ: A-B 1, A-C 2, A-D 2, B-C 2, B-D 1, C-D 1; all pairs: 9."""


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([1, 2, 3], [1, 2, 3], (3, 3)),
        ([1, 2, 3], [1, 9, 3], (1, 3)),  # what is equal again after the difference does not count
        ([1, 2], [1, 2, 3, 4], (2, 4)),  # a text that ends early differs there
        ([], [5], (0, 1)),
        ([], [], (0, 0)),
    ],
)
def test_tokens_before_the_first_difference(script: ModuleType, one: list, other: list, expected: tuple) -> None:
    assert script.alike(one, other) == script.alike(other, one) == expected


def test_disagreements_and_their_two_kinds(script: ModuleType) -> None:
    counts = script.disagreements([A, B, C, D])
    assert counts == [[0, 1, 2, 2], [1, 0, 2, 1], [2, 2, 0, 1], [2, 1, 1, 0]]
    assert script.split(counts, range(2)) == ([1, 1], [2, 2, 2, 1])
    assert script.split(counts, {0, 3}) == ([2, 2], [1, 2, 1, 1])


@pytest.mark.parametrize(
    ("order", "statistic", "p"),
    [
        ((A, B, C, D), 0.75, 1 / 3),
        ((A, C, B, D), 0.0, 2 / 3),
        ((A, D, B, C), -0.75, 1.0),
        ((A, A, A, A), 0.0, 1.0),
    ],
)
def test_the_permutation_test_by_hand(script: ModuleType, order: tuple, statistic: float, p: float) -> None:
    """Across AB|CD: 2 + 2 + 2 + 1 = 7, within 9 - 7 = 2: 7/4 - 2/2 = 0.75. AC|BD: 6/4 - 3/2. AD|BC: 5/4 - 4/2.

    Of the three ways, one has 7 or more across, two have 6 or more, three have 5 or more. Where all is equal, all tie.
    """
    assert script.permutation(script.disagreements(order)) == (statistic, pytest.approx(p))


def test_two_sources_without_overlap_have_the_smallest_p(script: ModuleType) -> None:
    """Three sets that say x and three that say y: of C(6, 3) / 2 = 10 ways, only the true one has all 9 pairs across.

    Mean across 1, mean within 0. With four of each, C(8, 4) / 2 = 35 ways.
    """
    for size, ways in ((3, 10), (4, 35)):
        decided = [{"1": said} for said in "x" * size + "y" * size]
        assert script.permutation(script.disagreements(decided)) == (1.0, pytest.approx(1 / ways))
