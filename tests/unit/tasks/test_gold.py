from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from w2s.config import schema
from w2s.data.rows import Row
from w2s.errors import BranchEnds, UserError
from w2s.tasks import gold
from w2s.tasks.gold import Gold


def parsed(style: str = "gsm8k", **fields: Any) -> Gold:
    return gold.parse(Row("g.jsonl", 2, fields), style, "q")  # type: ignore[arg-type]


def files(folder: Path, rows: list[dict[str, Any]], gold_rows: list[dict[str, Any]] | None = None) -> schema.FilesTask:
    """A jsonl task whose three splits are the same rows, with separate gold files where `gold_rows` is given."""
    (folder / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "g.jsonl").write_text("".join(json.dumps(row) + "\n" for row in gold_rows or []))
    splits = ("train_1", "train_2", "test")
    return schema.FilesTask(
        name="jsonl",
        **{split: str(folder / "q.jsonl") for split in splits},  # type: ignore[arg-type]
        gold={} if gold_rows is None else {split: str(folder / "g.jsonl") for split in splits},
        answer="number",
    )


def test_the_published_format() -> None:
    answer = "She sold 48/2 = <<48/2=24>>24.\nIn all 48+24 = <<48+24=72>>72.\n#### 72"
    assert parsed(answer=answer) == Gold("q", "72", "She sold 48/2 = 24.\nIn all 48+24 = 72.\n#### 72")


def test_the_released_test_format() -> None:
    fields = {
        "answer": "1,080",
        "solution": "540*2=<<540*2=1080>>1,080\n#### 1,080",
        "level": "Level 3",
        "subject": "x",
    }
    assert parsed(**fields) == Gold("q", "1,080", "540*2=1,080\n#### 1,080", 3, "x")


@pytest.mark.parametrize("style, answer, expected", [
    ("number", 72, "72"), ("number", 0.5, "0.5"), ("number", "-3", "-3"), ("gsm8k", "4:20", "4:20"),
    ("math", "\\frac{1}{2}", "\\frac{1}{2}"), ("text", "Paris", "Paris"), ("text", "#### Paris", "#### Paris"),
])  # fmt: skip
def test_plain_answers(style: str, answer: object, expected: str) -> None:
    assert parsed(style, answer=answer).answer == expected


@pytest.mark.parametrize("style, fields", [
    ("gsm8k", {"answer": "He has some.\n####"}), ("gsm8k", {"answer": "He has 3.\n#### many"}),
    ("gsm8k", {"answer": ""}),
    ("number", {"answer": "banana"}), ("number", {"answer": float("nan")}), ("number", {"answer": float("inf")}),
    ("number", {"answer": True}), ("text", {"answer": " "}), ("math", {"answer": ["1"]}),
    ("text", {"answer": "x" * 1001}),
    ("number", {"answer": None}), ("number", {}),
])  # fmt: skip
def test_gold_that_cannot_be_used_is_named(style: str, fields: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"g\.jsonl:2 \[answer\]"):
        parsed(style, **fields)


WORKED = "We have $5\\cdot6$, so the area is $\\boxed{30}$. That is even."


@pytest.mark.parametrize("style", ["math", "number", "gsm8k"])
@pytest.mark.parametrize("answer, solution", [
    (WORKED, WORKED), ("\\boxed{30}", None), ("The answer is 30.", None), ("#### 30", None), ("['30']", None),
    ('["30"]', None), ("30 (thirty)", None), ("Final answer: 30", None), ("<answer>30</answer>", None),
    ("The area of the square is 30.", "The area of the square is 30."), ("30", None), ("\\boxed{30} cm", None),
    ("The total is 30", None), ("('30',)", None), ("30 [thirty]", None),
])  # fmt: skip
def test_gold_that_holds_more_than_the_answer_is_read(style: str, answer: str, solution: str | None) -> None:
    right = parsed(style, answer=answer)
    assert right.answer.removesuffix(".") == "30"
    if style != "gsm8k" or "####" not in answer:
        assert right.solution == solution


@pytest.mark.parametrize("style, answer", [
    ("math", "5 (mod 7)"), ("math", "52_8"), ("math", "(2, 3)"), ("math", "[2, 3]"), ("math", "x is any multiple of 3"),
    ("math", "\\text{June 20}"), ("math", "1, 2 \\text{ and } 3"), ("number", "1 hour, 45 minutes"), ("gsm8k", "4:20"),
    ("text", "The answer is 30."), ("text", "12 (twelve)"), ("math", "infinitely many"), ("number", "27 1/2"),
    ("math", "f(x) = 2x (x > 0)"), ("math", "12 apples"),
])  # fmt: skip
def test_gold_that_is_an_answer_stays_as_it_is(style: str, answer: str) -> None:
    assert parsed(style, answer=answer).answer == answer


@pytest.mark.parametrize("style", ["math", "number"])
@pytest.mark.parametrize("answer", [
    "['30', '31']", "First 5 of them. Then 6 more of them.", "There are 5 rows.\nEach has 6 seats in it.",
    "We take 5 and 6. " * 40, "It is \\boxed{}, that is 30.", "nan", "null", "[]", "?", "{'answer': 30}",
])  # fmt: skip
def test_gold_without_one_answer_is_refused_by_line(style: str, answer: str) -> None:
    with pytest.raises(UserError, match=r"g\.jsonl:2 \[answer\]: the gold answer .* is more than a final answer"):
        parsed(style, answer=answer)


@pytest.mark.parametrize("answer", ["30 or 31", "between 5 and 30", "n/a", "N/A", "unknown", "x + y"])
def test_a_number_is_one_number(answer: str) -> None:
    with pytest.raises(UserError, match=r"g\.jsonl:2 \[answer\]"):
        parsed("number", answer=answer)


def test_two_boxes_of_one_answer_are_one_gold() -> None:
    assert parsed("math", answer="So $x = \\boxed{3}$ or $x = \\boxed{4}$.").answer == "3, 4"


def test_published_math_has_its_answer_in_the_solution_s_box() -> None:
    solution = "We have $x = \\boxed{\\frac{1}{2}}.$"
    assert parsed("math", solution=solution, level="Level 5", subject="Algebra") == Gold(
        "q", "\\frac{1}{2}", solution, 5, "Algebra"
    )
    with pytest.raises(UserError, match=r"\[answer\]: the question has no gold"):
        parsed("gsm8k", solution="9*2=18\n#### 18")


@pytest.mark.parametrize("solution, answer", [
    ("$d = \\boxed{15\\frac{39}{40}},$ or $\\boxed{\\frac{639}{40}}$ inches.", "\\frac{639}{40}"),
    ("So it is $\\boxed{44}\\pmod{83}$.\n\nWe check: $17\\cdot 44 = 748$, so our answer is correct.", "44"),
    ("It is $\\boxed 7$.", "7"), ("It is $\\fbox{7}$.", "7"), ("The answer is: 7", "7"),
])  # fmt: skip
def test_the_last_box_of_a_solution_is_its_answer_whatever_follows(solution: str, answer: str) -> None:
    """The first two are of MATH-500, whose `answer` fields say so."""
    assert parsed("math", solution=solution).answer == answer


SINGLE = "This is a multiple choice question (only one correct answer).\n\nQuestion: Which?"
QUANTITIES = "This question involves multiple quantities to be determined.\n\nQuestion: Which?"
SPEED = (
    "The answer to this question is a numerical value.\n\nQuestion: How fast?\n\n"
    "Remember, your answer should be calculated in the unit of $\\mathrm{~m} / \\mathrm{s}$, but when you end, do not."
)


@pytest.mark.parametrize("fields, expected", [
    ({"answer": ["B"], "question": SINGLE}, Gold("q", "B")),
    ({"answer": "b", "answer_type": "SC"}, Gold("q", "B")),
    ({"answer": ["C", "A"], "answer_type": "MC", "subject": "Biology"}, Gold("q", "A, C", subject="Biology")),
    ({"answer": ["1", "2"], "answer_type": "SET"}, Gold("q", "\\{1, 2\\}")),
    ({"answer": ["1", "2"], "question": QUANTITIES}, Gold("q", "(1, 2)")),
    ({"answer": ["1", "-2"], "answer_type": "MA"}, Gold("q", "1, -2")),
    ({"answer": ["5 \\mathrm{~m} / \\mathrm{s}"], "question": SPEED}, Gold("q", "5", tolerance=1.01e-5)),
    ({"answer": "5 parsecs", "answer_type": "NV", "unit": "parsecs"}, Gold("q", "5", tolerance=1.01e-5)),
    ({"answer": 0.5, "answer_type": "NV", "tolerance": 0.01}, Gold("q", "0.5", tolerance=0.01)),
])  # fmt: skip
def test_olympicarena_gold_is_spelled_as_its_type_says(fields: dict[str, Any], expected: Gold) -> None:
    assert parsed("olympicarena", **fields) == expected


@pytest.mark.parametrize("fields, says", [
    ({"answer": [], "answer_type": "NV"}, r"\[answer\]: the question has no gold"),
    ({"answer": ["none of them"], "answer_type": "SC"}, r"\[answer\]: \['none of them'\] is not an answer"),
    ({"answer": [{"a": 1}], "answer_type": "SET"}, r"\[answer\]: \[\{'a': 1\}\] is not an answer"),
    ({"answer": "1", "answer_type": "NUMBER"}, r"\[answer_type\]: 'NUMBER' is not a type of answer"),
    ({"answer": "1", "answer_type": "NV", "tolerance": -1}, r"\[tolerance\]: -1 is not a tolerance"),
])  # fmt: skip
def test_olympicarena_gold_that_cannot_be_used_is_named(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        parsed("olympicarena", **fields)


@pytest.mark.parametrize("prediction, tolerance, verdict", [
    ("0.333333", None, "wrong"), ("0.333333", 1e-6, "correct"), ("0.33333", 1e-6, "wrong"), ("1/3", None, "correct"),
    (None, 1.0, "no_answer"), ("pear", 1.0, "wrong"),
])  # fmt: skip
def test_a_tolerance_makes_near_numbers_right(prediction: str | None, tolerance: float | None, verdict: str) -> None:
    """|0.333333 - 1/3| is 3.3e-7 and |0.33333 - 1/3| is 3.3e-6."""
    assert gold.grades([(prediction, "1/3", tolerance)], "equivalent") == [verdict]


def test_a_solution_that_contradicts_the_answer_is_refused() -> None:
    with pytest.raises(UserError, match=r"g\.jsonl:2 \[solution\]: the solution ends in '17', the answer is '18'"):
        parsed(answer="18", solution="9*2=18\n#### 17")


@pytest.mark.parametrize("level", [True, "hard", 1.5, [1]])
def test_a_bad_level_is_named(level: object) -> None:
    with pytest.raises(UserError, match=r"g\.jsonl:2 \[level\]"):
        parsed(answer="1", level=level)


def test_the_worked_text_ends_in_the_answer() -> None:
    assert gold.completion(Gold("q", "7", "3+4=7\n#### 7"), "gsm8k") == "3+4=7\n#### 7"
    assert gold.completion(Gold("q", "7", "3+4=7"), "gsm8k") == "3+4=7\n#### 7"
    assert gold.completion(Gold("q", "7"), "gsm8k") == "#### 7"
    assert gold.completion(Gold("q", "7", "3+4=7"), "math") == "3+4=7 The answer is: 7"  # as the released data
    assert gold.completion(Gold("q", "7"), "math") == "The answer is: 7"
    assert gold.completion(Gold("q", "B", "It is B."), "olympicarena") == "It is B.\nThe final answer is $\\boxed{B}$"
    assert gold.completion(Gold("q", "7", "So the answer is 7.0."), "number") == "So the answer is 7.0."
    assert gold.completion(Gold("q", "7", "So the answer is 8."), "number") == "So the answer is 8.\nThe answer is 7"


@pytest.mark.parametrize("split", ["train_1", "train_2", "test"])
def test_gold_may_stand_in_either_file(tmp_path: Path, split: str) -> None:
    both = files(tmp_path, [{"id": 1, "question": "x", "answer": "4"}, {"id": 2, "question": "y", "answer": 5}])
    assert [g.answer for g in gold.load(both, split).values()] == ["4", "5"]
    apart = files(
        tmp_path,
        [{"id": 1, "question": "x", "answer": "not this"}, {"id": "2", "question": "y"}],
        [{"id": 2, "answer": "5"}, {"id": "1", "answer": "4"}],
    )
    assert gold.load(apart, split) == {"1": Gold("1", "4"), "2": Gold("2", "5")}


@pytest.mark.parametrize("split", ["train_1", "train_2", "test"])
def test_no_gold_at_all_ends_the_branch(tmp_path: Path, split: str) -> None:
    task = files(tmp_path, [{"id": 1, "question": "x"}, {"id": 2, "question": "y", "answer": None}])
    with pytest.raises(BranchEnds, match=rf"no gold for {split}: .*q\.jsonl has no `answer` fields"):
        gold.load(task, split)


TWO = [{"id": 1, "question": "x"}, {"id": 2, "question": "y"}]


@pytest.mark.parametrize("rows, gold_rows, says", [
    ([{"id": 1, "question": "x", "answer": "4"}, {"id": 2, "question": "y"}], None, r"q\.jsonl:2 \[answer\].*no gold"),
    ([{"id": 1, "question": "x", "answer": "none"}], None, r"q\.jsonl:1 \[answer\].*'none' cannot be parsed"),
    (TWO, [{"id": 1, "answer": "4"}], r"q\.jsonl:2 \[id\]: question '2' of .* has no gold in .*g\.jsonl"),
    (TWO, [{"id": n, "answer": "4"} for n in (1, 2, 3)], r"g\.jsonl:3 \[id\]: gold for '3', which is no question"),
    (TWO, [{"id": 1, "answer": "4"}, {"id": 1, "answer": "4"}], r"g\.jsonl:2 \[id\]: id '1' already stands in"),
    (TWO, [], r"g\.jsonl: the file has no rows"),
])  # fmt: skip
def test_bad_gold_is_an_error_but_for_train_2_where_it_ends_the_branch(
    tmp_path: Path, rows: list[dict[str, Any]], gold_rows: list[dict[str, Any]] | None, says: str
) -> None:
    task = files(tmp_path, rows, gold_rows)
    for split in ("train_1", "test"):
        with pytest.raises(UserError, match=says):
            gold.load(task, split)
    with pytest.raises(BranchEnds, match=rf"(?s)gold of train_2 cannot be used: .*{says}"):
        gold.load(task, "train_2")


def test_a_bad_questions_file_is_an_error_for_train_2_too(tmp_path: Path) -> None:
    task = files(tmp_path, TWO)
    (tmp_path / "q.jsonl").write_text('{"id": 1, "question"')
    with pytest.raises(UserError, match=r"q\.jsonl:1"):
        gold.load(task, "train_2")


def test_a_missing_gold_file_ends_the_branch_for_train_2(tmp_path: Path) -> None:
    task = files(tmp_path, TWO, [])
    (tmp_path / "g.jsonl").unlink()
    with pytest.raises(BranchEnds, match=r"g\.jsonl: cannot be opened"):
        gold.load(task, "train_2")


def test_arith_gold_belongs_to_its_questions() -> None:
    table = gold.load(schema.ArithTask(train_1=3, train_2=3, test=20), "test")
    assert len(table) == 20
    for identity, right in table.items():
        assert right.id == identity
        assert right.solution is not None and right.solution.endswith(f"#### {right.answer}")
        assert (right.subject != "no unit") == (f" {right.subject}s hold " in right.solution)
    assert len({right.subject for right in table.values()}) > 2


def test_the_content_hash_sees_every_field_and_the_order() -> None:
    tables = [
        [Gold("a", "1")], [Gold("a", "2")], [Gold("a", "1", "s")], [Gold("a", "1", None, 1)],
        [Gold("a", "1", None, None, "s")], [Gold("a", "1", tolerance=0.1)],
        [Gold("a", "1"), Gold("b", "2")], [Gold("b", "2"), Gold("a", "1")],
    ]  # fmt: skip
    hashes = [gold.content_hash({g.id: g for g in table}) for table in tables]
    assert len(set(hashes)) == len(tables)
    assert gold.content_hash({"a": Gold("a", "1")}) == hashes[0]


@pytest.mark.parametrize("field", ["answer", "solution", "subject"])
def test_half_a_surrogate_pair_in_gold_is_refused_by_line(field: str) -> None:
    row = Row("g.jsonl", 4, {"id": "q", "answer": "7", field: "7 \ud83d"})
    with pytest.raises(UserError, match=rf"g\.jsonl:4 \[{field}\]: {field} holds half a surrogate pair"):
        gold.parse(row, "gsm8k", "q")
