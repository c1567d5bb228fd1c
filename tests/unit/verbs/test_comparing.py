"""`w2s compare` on graded files: figures by hand, and files that do not belong together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import w2s
from w2s.cli.verbs import app
from w2s.data import jsonl
from w2s.errors import UserError
from w2s.metrics.significance import difference_interval, mcnemar
from w2s.results import folders
from w2s.results.outline import Outline
from w2s.results.several import SeedRun


def graded(path: Path, right: str, **fields: Any) -> Path:
    """A row per character: 1 is right, 0 wrong, - without an answer."""
    verdicts = {"1": "correct", "0": "wrong", "-": "no_answer"}
    rows = [{"id": n, "question": f"{n}?", "response": "x", "verdict": verdicts[r]} for n, r in enumerate(right)]
    jsonl.write(path, [row | fields for row in rows])
    return path


def test_two_files_in_any_order_of_rows(tmp_path: Path) -> None:
    """Right: 5 of 8 and 2 of 8; four questions only the first has right, one only the second."""
    a, b = graded(tmp_path / "a.jsonl", "11111000"), graded(tmp_path / "b.jsonl", "10000-10")
    rows = b.read_text().splitlines()
    b.write_text("\n".join(reversed(rows)) + "\n")
    row = w2s.compare(a, b).rows[0]
    verdicts = [[x == "1" for x in text] for text in ("11111000", "10000010")]
    assert (row["only_a"], row["only_b"], row["n"]) == (4, 1, 8)
    assert row["difference"] == pytest.approx(3 / 8) and row["mcnemar_p"] == {"0": mcnemar(*verdicts)}
    assert row["ci95"] == pytest.approx(list(difference_interval(*verdicts)))
    assert row["p"] == row["p_holm"] == mcnemar(*verdicts) == 0.375


def test_only_shared_questions_count(tmp_path: Path) -> None:
    a, b = graded(tmp_path / "a.jsonl", "1111"), graded(tmp_path / "b.jsonl", "000000")
    row = w2s.compare(a, b).rows[0]
    assert (row["n"], row["difference"], row["left_out"]) == (4, 1.0, [0, 2])


def test_several_are_compared_two_by_two_with_holm_s_correction(tmp_path: Path) -> None:
    """Ten to none: p 2^-9; with three rows the smallest is times 3, and equal ones as much."""
    files = [graded(tmp_path / f"{name}.jsonl", right * 10) for name, right in (("a", "1"), ("b", "0"), ("c", "0"))]
    rows = w2s.compare(*files).rows
    assert [(row["a"], row["b"]) for row in rows] == [("A", "B"), ("A", "C"), ("B", "C")]
    assert [row["p_holm"] for row in rows] == pytest.approx([3 / 2**9, 3 / 2**9, 1.0])


def test_several_samples_count_as_a_share(tmp_path: Path) -> None:
    """Of two questions the first is right in 1 of 2 samples and the second in 2 of 2: 0.75 against 1 of 2."""
    a = tmp_path / "a.jsonl"
    rows = [("p", 0, "correct"), ("p", 1, "wrong"), ("q", 0, "correct"), ("q", 1, "correct")]
    jsonl.write(a, [{"id": i, "sample": s, "verdict": v} for i, s, v in rows])
    jsonl.write(tmp_path / "b.jsonl", [{"id": "q", "verdict": "correct"}, {"id": "p", "verdict": "wrong"}])
    row = w2s.compare(a, tmp_path / "b.jsonl").rows[0]
    assert (row["accuracy_a"], row["accuracy_b"], row["mcnemar_p"]) == (0.75, 0.5, {"0": None})
    assert row["only_a"] == 1 and 0 < row["p"] < 1 and row["test"] == "z"


def test_a_copy_is_compared_and_said_to_be_one(tmp_path: Path) -> None:
    """Two runs of a deterministic model give equal files, so a copy is no error."""
    a, other = graded(tmp_path / "a.jsonl", "110"), graded(tmp_path / "c.jsonl", "100")
    b = graded(tmp_path / "b.jsonl", "110")
    assert w2s.compare(a, other).caveats == []
    found = w2s.compare(a, b, other)
    assert found.caveats == [f"{b} is a copy of {a}"] and found.rows[0]["p"] == 1


def heading(*files: Path) -> str:
    done = CliRunner().invoke(app, ["compare", *map(str, files)], terminal_width=80)
    assert done.exit_code == 0, done.output
    return " ".join(done.stdout.partition("pair ")[0].split())


def test_the_heading_says_which_test_it_is(tmp_path: Path) -> None:
    """One sample per question: exact McNemar. Several: a z test of shares. Some of each: a column names it."""
    a, b = graded(tmp_path / "a.jsonl", "110"), graded(tmp_path / "b.jsonl", "100")
    several = tmp_path / "several.jsonl"
    rows = [("0", 0, "correct"), ("0", 1, "wrong"), ("1", 0, "correct"), ("1", 1, "wrong"), ("2", 0, "correct")]
    jsonl.write(several, [{"id": i, "sample": s, "verdict": v} for i, s, v in rows])
    assert heading(a, b).startswith("on shared questions") and "is not, exact McNemar p" in heading(a, b)
    of_shares = heading(a, several)
    assert "p of a paired z test over questions" in of_shares and "McNemar" not in of_shares
    assert "right more often than the other" in of_shares
    both = heading(a, b, several)
    assert "p of each row's test (mcnemar: exact McNemar p; z: p of a paired z test" in both
    done = CliRunner().invoke(app, ["compare", str(a), str(b), str(several)], terminal_width=80)
    lines = [line for line in done.stdout.splitlines() if " vs " in line]
    assert [("mcnemar" in line, " z " in line) for line in lines] == [(True, False), (False, True), (False, True)]
    assert "…" not in done.stdout and max(map(len, lines)) <= 80


BAD = {
    "no verdicts": ({"verdict": None}, r"b.jsonl:1 \[verdict\]: None is no verdict"),
    "an unknown verdict": ({"verdict": "right"}, "'right' is no verdict"),
    "an id twice": ({"id": "0"}, r"b.jsonl:2 \[id\]: id '0' stands twice"),
    "other texts": ({"question": "else"}, r"question '0' has another text than in .*a.jsonl:1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(tmp_path: Path, case: str) -> None:
    fields, message = BAD[case]
    a, b = graded(tmp_path / "a.jsonl", "10"), graded(tmp_path / "b.jsonl", "01", **fields)
    with pytest.raises(UserError, match=message):
        w2s.compare(a, b)


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    a = graded(tmp_path / "a.jsonl", "10")
    jsonl.write(tmp_path / "b.jsonl", [{"id": "other", "verdict": "correct"}])
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "folder").mkdir()
    for files, message in (
        ((a,), "1 given"),
        ((a, tmp_path / "b.jsonl"), "shares no question with"),
        ((a, tmp_path / "empty.jsonl"), "holds no rows"),
        ((a, tmp_path / "none.jsonl"), "is missing"),
        ((a, tmp_path / "folder"), "is a folder, and others are files"),
        ((a, a), "is given twice"),
        ((tmp_path / "folder", tmp_path), "holds no run"),
    ):
        with pytest.raises(UserError, match=message):
            w2s.compare(*files)


def test_the_command_prints_a_table_or_json(tmp_path: Path) -> None:
    a, b = graded(tmp_path / "a.jsonl", "11111000"), graded(tmp_path / "b.jsonl", "10000-10")
    done = CliRunner().invoke(app, ["compare", str(a), str(b)], terminal_width=80)
    assert done.exit_code == 0 and "+37.5" in done.stdout and "4 : 1" in done.stdout and f"A: {a}" in done.stdout
    assert "…" not in done.stdout and "Holm" not in done.stdout
    found = json.loads(CliRunner().invoke(app, ["compare", str(a), str(b), "--json"]).stdout)
    assert found["rows"][0]["only_a"] == 4 and found["names"] == {"A": str(a), "B": str(b)}


def test_a_damaged_or_unfinished_run_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where answers are whole, they are compared all the same, and the caveat stands below them."""
    for name in "ab":
        (tmp_path / name / "records").mkdir(parents=True)

    def read(places: list[Path]) -> list[Any]:
        place = places[0]
        damage = ["output changed on disk"] if place.name == "a" else []
        results = {"finished": place.name == "a", "damage": damage, "models": {"m": {}}}
        run = SeedRun(0, str(place), results, Outline((), {}, None, None), {"m": {"q": 1.0}})
        return [(str(place), [run])]

    monkeypatch.setattr(folders, "read", read)
    done = CliRunner().invoke(app, ["compare", str(tmp_path / "a"), str(tmp_path / "b")])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-2:] == [
        f"{tmp_path / 'a'}: damage: output changed on disk", f"{tmp_path / 'b'}: the run is not finished",
    ]  # fmt: skip
