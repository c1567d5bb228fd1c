"""Drawing: escaped, and where it belongs."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.results.page import links, svg
from w2s.results.page.svg import Scale


def test_a_tag_is_escaped_everywhere() -> None:
    made = svg.tag("text", "<b>&", "x", class_='"><script>', font_size=3, fill=None)
    assert made == '<text class="&#34;&gt;&lt;script&gt;" font-size="3">&lt;b&gt;&amp;x</text>'
    assert svg.tag("rect", x=1) == '<rect x="1"/>'


def test_a_scale_leaves_its_edges_free() -> None:
    """Two percent on either side: 0 is at 2 %, the middle at 50 %, and what is outside is at the edge."""
    scale = Scale(0, 10)
    assert [scale.at(value) for value in (0, 5, 10, -4, 99)] == ["2.00%", "50.00%", "98.00%", "2.00%", "98.00%"]
    assert scale.span(0, 5) == {"x": "2.00%", "width": "48.00%"} and Scale(3, 3).at(3) == "2.00%"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.3, 1, [0.4, 0.6, 0.8, 1]),
        (-0.15, 0.5, [0, 0.2, 0.4]),
        (-0.05, 0.05, [-0.04, -0.02, 0, 0.02, 0.04]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert svg.ticks(Scale(low, high)) == expected


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_there_are_few_ticks_and_all_inside(low: float, width: float) -> None:
    scale = Scale(low, low + width)
    found = svg.ticks(scale)
    assert 1 <= len(found) <= 6
    assert all(scale.low - 1e-6 <= value <= scale.high + 1e-6 for value in found)


def test_a_scale_around_values_ends_at_steps() -> None:
    assert svg.around([0.31, 0.74], 0.1) == Scale(pytest.approx(0.3), pytest.approx(0.8))
    assert svg.around([math.nan], 0.1) == Scale(0, 0.1)


def test_a_curve_without_numbers_is_empty_and_a_flat_one_is_drawn() -> None:
    assert "polyline" not in svg.curve([math.nan])
    assert 'points="0.00,46.00 100.00,46.00"' in svg.curve([3.0, 3.0])


def test_links_are_quoted() -> None:
    assert links.samples(a="m plus", b="", f="x&y") == "#s?a=m+plus&f=x%26y"
