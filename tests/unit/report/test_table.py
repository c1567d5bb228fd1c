from __future__ import annotations

import io

import pytest
from rich.console import Console

from w2s import config
from w2s.report import collect, table

RUN = config.Run(recipe=config.Recipe(name="toy", task=config.ArithTask()))


def printed(results) -> str:
    stream = io.StringIO()
    Console(file=stream, width=160).print(table.tables(results))
    return stream.getvalue()


def test_models_and_selection_are_printed(folder):
    text = printed(collect.collect(folder, RUN))
    line = next(line for line in text.splitlines() if line.lstrip().startswith("m_plus "))
    assert "60.0" in line
    assert "0.50" in line
    assert "stage1_iter1" in text
    assert "ended: stage2_pairs: no preference pair could be made" in text


def test_what_was_added_has_columns_where_a_set_was_augmented(folder, record):
    assert "added" not in printed(collect.collect(folder, RUN))
    record(folder, "stage1_iter1", {"kept": 8, "of": 20, "dropped": {}, "added": 4, "short": 3})
    record(folder, "precision_stage1_iter1", {"precision": 0.75, "ci95": [0.4, 0.9], "added_precision": 0.25,
                                              "added_ci95": [0.05, 0.7]})  # fmt: skip
    line = next(line for line in printed(collect.collect(folder, RUN)).splitlines() if "stage1_iter1 " in line)
    assert line.split() == [
        "stage1_iter1",
        "8",
        "20",
        "75.0",
        "40.0",
        "to",
        "90.0",
        "4",
        "3",
        "25.0",
        "5.0",
        "to",
        "70.0",
    ]


def test_messages_are_not_markup(folder, record):
    record(folder, "stage1_iter2", {}, "ended", "[bold]x[/nothing]")
    assert "[bold]x[/nothing]" in printed(collect.collect(folder, RUN))


@pytest.mark.parametrize(("p", "text"), [(0.0, "< 0.0001"), (0.00009, "< 0.0001"), (0.0123, "0.0123"), (1.0, "1.0000")])
def test_p_values_never_claim_to_be_zero(p, text):
    assert table.p_value(p) == text


def test_a_missing_number_is_a_dash():
    assert table.percent(None) == table.signed(None) == "–"
    assert table.interval(None) == ""
