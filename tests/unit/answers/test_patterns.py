"""A user's own pattern for the answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from response_files import again, lines, written

import w2s
from w2s.answers import patterns
from w2s.errors import UserError


@pytest.mark.parametrize(("text", "pattern", "answer"), [
    ("Result: 4; Result: 5", r"Result: (\d+)", "5"),
    ("Result: 4", r"\d+", "4"),
    ("x=1 y=2", r"(x)=\d y=(?P<answer>\d)", "2"),
    ("nothing", r"Result: (\d+)", None),
    ("Result: ", r"Result:( ?)", None),
    ("Result: 5" + "." * 30_000, r"Result: (\d+)", None),
    ("so it is 57.", r"\d*", "57"),
    ("It is 4. #### 5", r"It is (\d+)|#### (\d+)", "5"),
])  # fmt: skip
def test_the_last_match_is_the_answer(text: str, pattern: str, answer: str | None) -> None:
    """The group "answer", else the first that matched, else all; of the last 20,000 characters; no empty match."""
    assert patterns.last(text, pattern) == answer


def test_a_pattern_of_repeated_repeats_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """(a|a)* doubles its tries with each of 40 letters: a trillion. It ends after the limit, with a message."""
    monkeypatch.setattr(patterns, "SECONDS", 0.05)
    with pytest.raises(
        UserError, match=r"\[--pattern\]: took longer than .* on a text of 41 characters(.|\n)*repeats of"
    ):
        patterns.last("a" * 40 + "c", r"(a|a)*\s")


@pytest.mark.parametrize("pattern", ["(", "(?P<answer>", "a{2,1}", "\\"])
def test_what_is_no_pattern_is_refused_before_a_file_is_read(tmp_path: Path, pattern: str) -> None:
    missing = tmp_path / "none.jsonl"
    with pytest.raises(UserError, match=r"\[--pattern\]: .* is no regular expression"):
        w2s.grade(missing, missing, task="gsm8k", pattern=pattern)


def test_verbs_read_answers_by_it(tmp_path: Path) -> None:
    """Our rule takes the last number, 9; the pattern what stands in <<>>."""
    rows = [{"id": n, "question": "?", "response": f"<<{n}/2>> of 9"} for n in (1, 2)]
    file, golds = (
        written(tmp_path / "r.jsonl", *rows),
        written(tmp_path / "g.jsonl", {"id": 1, "answer": "0.5"}, {"id": 2, "answer": "1"}),
    )
    assert w2s.grade(golds, file, task="number").correct == 0
    assert w2s.grade(golds, file, task="number", pattern="<<(.*?)>>").correct == 2
    assert (
        w2s.agree(file, again(file), tmp_path / "h.jsonl", task="number", pattern="<<(.*?)>>", match="string").kept == 2
    )
    assert {row["prediction"] for row in lines(tmp_path / "h.jsonl")} == {"1/2", "2/2"}


def test_an_empty_pattern_is_refused() -> None:
    with pytest.raises(UserError, match=r"\[--pattern\]: is empty"):
        patterns.last("5", "")
