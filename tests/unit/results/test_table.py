from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console

from w2s.config import schema
from w2s.results import collect, table, verdicts

RUN = schema.Run(recipe=schema.Recipe(name="toy", task=schema.ArithTask()))


def printed(results, width: int = 160) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(table.tables(results))
    return stream.getvalue()


def test_models_and_selection_are_printed(folder):
    text = printed(collect.collect(folder, RUN))
    line = next(line for line in text.splitlines() if line.lstrip().startswith("m_plus "))
    assert "60.0" in line
    assert "0.50" in line
    assert "stage1_iter1" in text
    assert "ended: stage2_pairs: no preference pair could be made" in text


def test_what_was_dropped_for_a_cut_text_is_told(folder, record):
    assert "cut" not in printed(collect.collect(folder, RUN))
    record(folder, "stage1_iter1", {"kept": 8, "of": 20, "dropped": {"disagree": 9, "cut": 3}})
    text = printed(collect.collect(folder, RUN))
    assert "dropped, as a text was cut at the token limit: stage1_iter1 3" in text


def test_votes_on_questions_of_the_training_are_told_apart(folder, record):
    assert "majority's share" not in printed(collect.collect(folder, RUN))
    share = {"trained": 0.85, "n_trained": 40, "untrained": None, "n_untrained": 0}
    record(folder, "judged_train_2", {"of": 40, "vote_share": {"m_plus_samples": share}})
    results = collect.collect(folder, RUN)
    assert results["vote_share"] == {"m_plus_samples": share}
    line = "majority's share in m_plus_samples: 85.0 % on questions of the voter's training, – % on others"
    assert line in printed(results)


def test_what_was_added_has_a_table_where_a_set_was_augmented(folder, record):
    assert "added" not in printed(collect.collect(folder, RUN))
    record(folder, "stage1_iter1", {"kept": 8, "of": 20, "dropped": {}, "added": 4, "short": 3})
    record(folder, "precision_stage1_iter1", {"precision": 0.75, "ci95": [0.4, 0.9], "added_precision": 0.25,
                                              "added_ci95": [0.05, 0.7]})  # fmt: skip
    found = printed(collect.collect(folder, RUN))
    kept, added = (line for line in found.splitlines() if line.lstrip().startswith("stage1_iter1 "))
    assert kept.split() == ["stage1_iter1", "8", "20", "75.0", "40.0", "to", "90.0", "both", "agree"]
    assert added.split() == ["stage1_iter1", "4", "3", "25.0", "5.0", "to", "70.0"]


def test_the_headline_comes_first(folder):
    caveat, *lines = printed(collect.collect(folder, RUN)).splitlines()
    assert caveat.startswith("one seed (0): ")
    assert lines[0].startswith("m_pro_dpo 70.0 % is not distinguished from full_weak_ft 30.0 %")


def test_results_of_the_method_are_bold(custom):
    stream = io.StringIO()
    Console(file=stream, width=160, force_terminal=True).print(table._models(collect.collect(custom, RUN)))
    rows = stream.getvalue().partition("──")[2].splitlines()[1:]
    bold = [re.sub(r"\x1b\[\d*m", "", line).split()[0] for line in rows if "\x1b[1m" in line]
    assert bold == ["round_3", "m_pro_simpo"]


def columns(text: str, first: str) -> list[list[str]]:
    """The rows of the table whose header begins with `first`; the lines that go on with a name are joined to it."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.split()[:1] == [first])
    rows: list[list[str]] = []
    for line in lines[start + 2 :]:
        if not line.strip():
            break
        cells = [cell for cell in re.split(r"\s{2,}", line.strip())]
        if len(cells) == 1:
            rows[-1][0] += (" " if rows[-1][0].endswith(" vs") or cells[0].startswith("vs ") else "") + cells[0]
        else:
            rows.append(cells)
    return rows


LONG = "our_strategy_of_two_weak_teachers_m_pro_simpo"
UNBROKEN = "g" * 50


def test_at_80_columns_no_name_and_no_figure_is_cut(custom, record, model):
    """Names of 45 characters, and of 50 without an underscore; the widest figures that there are; all of the tables."""
    found = (custom / "records" / "models.json").read_text()
    longer = {"m_pro_simpo": LONG, "by_mine": f"by_{LONG}", "gold_model": UNBROKEN, "SimPO": "SimPO, " * 9}
    for name, other in longer.items():
        found = found.replace(name, other)
    record(custom, "models", json.loads(found)["result"])
    model(custom, LONG, range(0, 8))
    model(custom, UNBROKEN, range(0, 10))
    kept = {"kept": 123456, "of": 987654, "dropped": {}, "added": 12345, "short": 12345}
    record(custom, f"kept_by_{LONG}", kept)
    results = collect.collect(custom, RUN)
    results["models"][LONG] |= {"pgr": -12.34, "pgr_ci95": [-12.34, -10.12], "accuracy": 1.0, "no_answer": 1.0}
    text = printed(results, 80)
    lines = [line.rstrip() for line in text.splitlines()]
    assert "…" not in text and max(map(len, lines)) <= 80
    # 80 - 2 at the edges - (8 + 13 + 6 + 16 + 6) of figures - 5 * 2 between cells = 19 for names
    assert any(line.split()[:2] == ["our_strategy_of_", "100.0"] for line in lines)
    rows = {row[0]: row[1:] for row in columns(text, "model")}
    assert list(rows) == ["teacher", "prompted", "round_3", LONG, "control_round_3", UNBROKEN]
    assert rows[LONG] == ["100.0", "49.0 to 94.3", "-12.34", "-12.34 to -10.12", "100.0"]
    assert f"{UNBROKEN}  trained on gold" in lines  # names are whole where the words are
    assert any(line.startswith(f"{LONG}{' ' * 7}SimPO,") for line in lines)
    pairs = [row[0] for row in columns(text, "pair")]
    assert pairs == list(results["paired"]) and f"{LONG} vs control_round_3" in pairs
    assert columns(text, "selection")[0][:3] == [f"kept_by_{LONG}", "123456", "987654"]


@pytest.mark.parametrize(("width", "inside"), [(80, False), (table.WIDE - 1, False), (table.WIDE, True)])
def test_words_are_in_the_table_where_it_is_wide_and_below_it_otherwise(custom, width, inside):
    lines = printed(collect.collect(custom, RUN), width).splitlines()
    rows = [line for line in lines if line.lstrip().startswith("round_3 ") and " vs " not in line]
    assert len(rows) == (1 if inside else 2)
    assert ("Stage I, third round" in rows[0]) == inside and "Stage I, third round" in rows[-1]


def test_the_names_of_the_contract_stand_on_one_line_at_80_columns(folder, model, record):
    found = json.loads((folder / "records" / "models.json").read_text())["result"]
    longest = "stage1_iter1_hybrid_ft"
    found["models"].append({"name": longest, "what": "both", "against": [], "highlight": False})
    record(folder, "models", found)
    model(folder, longest, range(0, 4))
    assert any(line.split()[:2] == [longest, "40.0"] for line in printed(collect.collect(folder, RUN), 80).splitlines())


@pytest.mark.parametrize(
    ("name", "room", "lines"),
    [
        ("m_plus", 6, "m_plus"),
        ("m_plus", 5, "m_\nplus"),
        ("one_two_three", 8, "one_two_\nthree"),
        ("one_two_three", 3, "one_\ntwo_\nthree"),
        ("a_b vs c_d", 3, "a_b vs c_d"),
        ("nounderscore", 4, "nounderscore"),
    ],
)
def test_names_break_after_underscores(name, room, lines):
    assert table._folded(name, room) == lines


@pytest.mark.parametrize(("share", "text"), [(0.104, "+10.4"), (-0.0004, "+0.0"), (0.0, "+0.0"), (-0.0005001, "-0.1")])
def test_points_have_no_negative_zero(share, text):
    assert table.points(share) == text


def test_messages_are_not_markup(folder, record):
    record(folder, "stage1_iter2", {}, "ended", "[bold]x[/nothing]")
    assert "[bold]x[/nothing]" in printed(collect.collect(folder, RUN))


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0, "< 0.001"),
        (0.00099, "< 0.001"),
        (0.001, "0.001"),
        (0.0123, "0.012"),
        (0.05, "0.050"),
        (0.1, "0.10"),
        (0.5579, "0.56"),
        (0.9999, "1.00"),
        (1.0, "1.00"),
    ],
)
def test_p_values_never_claim_to_be_zero(p, text):
    """In tables, in the page's sentences and on cards, the same figures."""
    assert table.p_value(p) == text
    assert verdicts.p_is(p) == (f"p {text}" if "<" in text else f"p = {text}")


def test_a_missing_number_is_a_dash():
    assert table.percent(None) == table.signed(None) == "–"
    assert table.interval(None) == ""
