from __future__ import annotations

from xml.etree import ElementTree

from w2s.report import plots

MODELS = {
    "weak_floor": {"accuracy": 0.3, "ci95": [0.25, 0.35]},
    "m_plus": {"accuracy": 0.7, "ci95": [0.65, 0.75]},
    "strong_ceiling": {"accuracy": 0.9, "ci95": [0.87, 0.93]},
}
SELECTION = {
    "stage1_iter1": {"kept": 40, "of": 100, "precision": 0.9},
    "stage2_pairs": {"kept": 0, "of": 100, "precision": None},
}


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("}text")]


def test_bars_name_models_values_and_both_lines():
    found = texts(plots.accuracy_bars(MODELS))
    assert {"m_plus", "70.0", "30.0", "90.0", "floor", "ceiling"} <= set(found)


def test_bars_without_floor_and_ceiling():
    assert "ceiling" not in texts(plots.accuracy_bars({"m_plus": MODELS["m_plus"]}))


def test_the_funnel_says_what_was_kept_and_right():
    found = texts(plots.selection_funnel(SELECTION))
    assert "40 of 100, 90 % right" in found
    assert "0 of 100" in found


def test_an_empty_funnel_is_drawn():
    assert "0 of 0" in texts(plots.selection_funnel({"stage1_iter1": {"kept": 0, "of": 0, "precision": None}}))


def test_equal_numbers_give_equal_figures():
    assert plots.accuracy_bars(MODELS) == plots.accuracy_bars(MODELS)
