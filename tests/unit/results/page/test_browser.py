"""What the sample browser gets, and what is left out for size."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from w2s.config import schema
from w2s.results import collect
from w2s.results.page import RunPage, browser, read

RUN = schema.Run(recipe=schema.Recipe(name="toy", task=schema.ArithTask()))


@pytest.fixture
def page(folder: Path, answers: Any) -> RunPage:
    answers(
        folder,
        "m_plus",
        cut=lambda i: i == 3,
        gold=lambda i: "7",
        response=lambda i: "x" * 5000 if i == 4 else "#### 7",
    )
    return read(folder, RUN, collect.collect(folder, RUN))


def noisy(page: RunPage, field: str) -> None:
    """What does not compress: 64 hexadecimal digits in each row."""
    for name, rows in page.answers.items():
        for id, row in rows.items():
            row[field] = hashlib.sha256(f"{name} {id}".encode()).hexdigest()  # type: ignore[index]


def test_the_data_has_every_question_and_every_model(page: RunPage) -> None:
    packed = browser.pack(page)
    assert packed is not None and packed.left_out == [] and packed.questions == 10
    data = browser.unpack(packed.data)
    test, (a, b) = data["test"], (data["a"], data["b"])
    assert (a, b) == ("m_pro_dpo", "weak_floor") and data["labels"]["m_plus"] == "Stage I"
    assert sorted(test["ids"]) == sorted(map(str, range(10))) and test["names"] == list(page.models)
    plus = test["names"].index("m_plus")
    marks = dict(zip(test["ids"], test["verdicts"][plus], strict=True))
    assert [marks[str(i)] for i in range(10)] == ["c"] * 6 + ["w"] * 4  # right on 0 to 5
    assert dict(zip(test["ids"], test["cut"][plus], strict=True))["3"] == "1" and test["cut"][plus].count("1") == 1
    texts = dict(zip(test["ids"], test["texts"], strict=True))
    assert texts["4"][test["withText"].index("m_plus")] == "x" * 4000 + " … (5000 characters)"
    assert data["train"]["ids"] == []
    assert set(test["level"]) == {"1", "2"} and test["subject"] == [None] * 10


def test_train_2_has_levels_and_subjects(page: RunPage) -> None:
    row = {"question": "How many?", "answers": {}, "votes": {}, "decisions": {}}
    page.judged[:] = [row | {"id": "a", "level": 2, "subject": "algebra"}, row | {"id": "b"}]
    packed = browser.pack(page)
    assert packed is not None
    train = browser.unpack(packed.data)["train"]
    assert (train["level"], train["subject"]) == (["2", None], ["algebra", None])


def test_texts_that_do_not_fit_are_left_out_and_named(page: RunPage) -> None:
    noisy(page, "response")
    whole = browser.pack(page)
    assert whole is not None
    less = browser.pack(page, len(whole.data) - 1)
    assert less is not None and len(less.data) < len(whole.data)
    (line,) = less.left_out
    data = browser.unpack(less.data)
    assert line == "texts left out for size: Trained on gold (ceiling); final answers and verdicts are complete"
    assert data["test"]["withText"] == ["m_pro_dpo", "weak_floor", "full_weak_ft", "m_plus"]
    assert len(data["test"]["ids"]) == 10


def test_questions_are_left_out_last(page: RunPage) -> None:
    """A tiny budget holds some questions without texts; none is no failure either."""
    noisy(page, "prediction")
    few = browser.pack(page, 1500)
    assert few is not None and 0 < few.questions < 10 and "only the first" in few.left_out[0]
    assert len(browser.unpack(few.data)["test"]["verdicts"][0]) == few.questions
    none = browser.pack(page, 10)
    assert none is not None and none.questions == 0 and browser.unpack(none.data)["test"]["ids"] == []


def test_the_largest_number_that_fits() -> None:
    for least in range(-1, 8):
        assert browser.most(7, lambda number, least=least: number <= least) == least


def test_half_a_surrogate_pair_and_odd_values_are_text(folder: Path, answers: Any) -> None:
    answers(folder, "m_plus", prediction=lambda i: "\ud800", gold=lambda i: 7.5, level=lambda i: ["x"])
    packed = browser.pack(read(folder, RUN, collect.collect(folder, RUN)))
    assert packed is not None
    test = browser.unpack(packed.data)["test"]
    assert "\ud800" in test["answers"][test["names"].index("m_plus")]


def test_without_answers_there_is_no_browser(tmp_path: Path, record: Any) -> None:
    record(tmp_path, "questions_test", {"of": 3})
    assert browser.pack(read(tmp_path, RUN, collect.collect(tmp_path, RUN))) is None
