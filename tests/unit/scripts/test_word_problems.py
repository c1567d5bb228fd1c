"""scripts/word_problems.py on small made-up files of each published format."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from w2s import tasks
from w2s.config import schema
from w2s.tasks import gold

_EMPTY = {
    "SVAMP/SVAMP.json": "[]",
    "ASDiv/dataset/ASDiv.xml": "<Corpus><ProblemSet/></Corpus>",
    "zero/dataset/MultiArith/MultiArith.json": "[]",
    "zero/dataset/AddSub/AddSub.json": "[]",
    "zero/dataset/SingleEq/questions.json": "[]",
    "toolkit/dataset/mawps-single/trainset.json": "[]",
    "toolkit/dataset/mawps-single/validset.json": "[]",
    "toolkit/dataset/mawps-single/testset.json": "[]",
    "toolkit/dataset/mawps/MAWPS.json": "[]",
}


@pytest.fixture(scope="module")
def script(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("word_problems")


def made(script: ModuleType, folder: Path, **files: Any) -> dict[str, list[dict[str, str]]]:
    """The rows of each set, from published files that are empty but for those given by the end of their names."""
    for place, empty in _EMPTY.items():
        content = files.get(Path(place).stem.lower(), empty)
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    clones = [str(folder / name) for name in ("SVAMP", "ASDiv", "zero", "toolkit")]
    script.main([*clones, "--out", str(folder / "out")])
    return {
        name: [json.loads(line) for line in (folder / "out" / f"{name}.jsonl").read_text("utf-8").splitlines()]
        for name in script.SETS
    }


def svamp(body: str, question: str, equation: str, answer: float, identity: str = "c-1") -> dict[str, Any]:
    return {"ID": identity, "Body": body, "Question": question, "Equation": equation, "Answer": answer}


def listed(number: int, question: str, equation: str, answer: float | str) -> dict[str, Any]:
    return {"iIndex": number, "sQuestion": question, "lEquations": [equation], "lSolutions": [answer]}


def asdiv(*problems: tuple[str, str, str, str]) -> str:
    rows = [
        f'<Problem ID="n-{n}" Grade="1"><Body>{body}</Body><Question>{question}</Question>'
        f"<Answer>{answer}</Answer><Formula>{formula}</Formula></Problem>"
        for n, (body, question, formula, answer) in enumerate(problems, 1)
    ]
    return f'<?xml version="1.0" encoding="UTF-8" ?><Corpus><ProblemSet>{"".join(rows)}</ProblemSet></Corpus>'


@pytest.mark.parametrize(
    "equation, expected",
    [
        ("70-x=27", "70 - 27"),
        ("X = 3 + 4", "3 + 4"),
        ("28+x=54", "54 - 28"),
        ("8=2+x", "8 - 2"),
        ("x - 5 - 4 = 3", "3 + 4 + 5"),
        ("12 / x = 4", "12 / 4"),
        ("(x + 1) * 3 = 12", "12 / 3 - 1"),
        ("x/4=2.50", "2.5 * 4"),
        ("X=((8.0-2.0)-(1.0+.5))", "8 - 2 - (1 + 0.5)"),
        ("(4 * 5) / (2 * 5) = x", "4 * 5 / (2 * 5)"),
        ("2 - -3 = x", "2 - -3"),
    ],
)
def test_the_unknown_is_moved_out_and_no_bracket_is_left_that_is_not_needed(
    script: ModuleType, equation: str, expected: str
) -> None:
    assert script.expression(script.solve(script.parse(equation))) == expected


@pytest.mark.parametrize(
    "equation", ["x + x = 4", "2 (x) = 4", "3 ? 4 = x", "x = 5 %", "3 + 4", "x = (3 + 4", "= 3", ""]
)
def test_what_cannot_be_solved_is_dropped(script: ModuleType, equation: str) -> None:
    with pytest.raises(script.Dropped, match="equation not parsed"):
        script.solve(script.parse(equation))


def test_values_are_exact(script: ModuleType) -> None:
    assert script.value(script.parse("0.1 + 0.2 * 3")) == Fraction(7, 10)
    assert script.value(script.parse("10 - 3 - 2")) == 5
    with pytest.raises(script.Dropped):
        script.value(script.parse("1 / (2 - 2)"))


def test_numbers_are_written_as_people_write_them(script: ModuleType) -> None:
    assert [script.decimal(Fraction(text)) for text in ("39.0", "2.50", "0.0625", "-3", "1200")] == [
        "39", "2.5", "0.0625", "-3", "1200",
    ]  # fmt: skip
    with pytest.raises(script.Dropped, match="more than 4 decimals"):
        script.decimal(Fraction(1, 3))


@pytest.mark.parametrize(
    "body, question, expected",
    [
        ("Al has $ 3 .", "How many ?", "Al has $3. How many?"),
        ("If Al has 3 t - shirts", "How many?", "If Al has 3 t-shirts, How many?"),
        ("Al isn\u2019t 3. When he is 4", "How old?", "Al isn't 3. When he is 4, How old?"),
        ("Al \u201cran\u201d 3\n  miles", "How far?", 'Al "ran" 3 miles. How far?'),
        ("It is n't Al 's", "Whose?", "It isn't Al's. Whose?"),
        ("He has .5 of 3 ,", "What?", "He has .5 of 3, What?"),
        ("", "What is 3?", "What is 3?"),
    ],
)
def test_texts_are_cleaned_and_joined(script: ModuleType, body: str, question: str, expected: str) -> None:
    assert script.join(body, question) == expected


def test_svamp(script: ModuleType, tmp_path: Path) -> None:
    rows = [
        svamp("Ann had 9 pens and lost 2 .", "How many are left?", "( 9.0 - 2.0 )", 7.0),
        svamp("Ben had 9 cups.", "How many are left?", "( 9.0 - 2.0 )", 8.0, "c-2"),
    ]
    assert made(script, tmp_path, svamp=rows)["svamp"] == [
        {"id": "svamp-c-1", "question": "Ann had 9 pens and lost 2. How many are left?",
         "answer": "7", "solution": "9 - 2 = 7"},
    ]  # fmt: skip


def test_asdiv(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Used: a unit, steps, and a rest whose answer is the rest, the quotient or one more. 17 = 5 * 3 + 2."""
    text = asdiv(
        ("A has 2 dimes.", "Cents?", "2 (dime)*10 (cent/dime) = 20 (cent)", "20 (cents)"),
        ("B.", "How many?", "3*4=12; (12+2)-5=9", "9 (chairs)"),
        ("C.", "How many are over?", "17/5=3 r2", "2 (pens)"),
        ("D.", "How many?", "17/5=3 r2", "3 (boxes)"),
        ("E.", "How many?", "17/5=3 r2", "4 (boxes)"),
        ("F.", "How many?", "17/5=3 r2", "5 (boxes)"),
        ("G.", "How many?", "17/5=3 r1", "3 (boxes)"),
        ("H.", "On the average?", "(1+1+2)/3=1.3", "1.3"),
        ("I.", "Which ratio?", "15:18=5:6", "5:6"),
        ("J.", "How long?", "x:The length; 2x=6", "3 (cm)"),
        ("K.", "Who?", "2+3=5", "Ann"),
    )
    found = made(script, tmp_path, asdiv=text)["asdiv"]
    assert [(row["id"], row["answer"], row["solution"]) for row in found] == [
        ("asdiv-n-1", "20", "2 * 10 = 20"),
        ("asdiv-n-2", "9", "3 * 4 = 12, 12 + 2 - 5 = 9"),
        ("asdiv-n-3", "2", "17 / 5 = 3 r 2"),
        ("asdiv-n-4", "3", "17 / 5 = 3 r 2"),
        ("asdiv-n-5", "4", "17 / 5 = 3 r 2"),
    ]
    assert capsys.readouterr().out.split("multiarith")[0].partition("asdiv")[2].splitlines() == [
        ": 5 questions",
        "  dropped, answer is not one plain number: 2",
        "  dropped, equation and answer disagree: 1",
        "  dropped, not plain arithmetic: 3",
    ]


def test_the_lists_of_equations_and_both_files_of_mawps(script: ModuleType, tmp_path: Path) -> None:
    files = {
        "multiarith": [listed(0, " Ann has 2 pens and 5 cups . How many things ? ", "X=(2.0+5.0)", 7.0)],
        "addsub": [listed(1, "Ben had 2.5 pies and 0.25 pies .", "X = 2.5 + 0.25", "2.75")],
        "questions": [listed(3, "Cat lost 2 and has 5. How many had she?", "x-2=5", 7.0)],
        "trainset": [listed(4, "Dan has 6 boxes of 5. How many?", "6*5=x", 30.0)],
        "mawps": [{"id": 8, "original_text": "Eve has 9 . How many ?", "equation": "x=9", "ans": 9.0}],
    }
    found = made(script, tmp_path, **files)
    assert [(row["id"], row["answer"], row["solution"]) for name in script.SETS for row in found[name]] == [
        ("multiarith-0", "7", "2 + 5 = 7"),
        ("addsub-1", "2.75", "2.5 + 0.25 = 2.75"),
        ("singleeq-3", "7", "5 + 2 = 7"),
        ("mawps-single-4", "30", "6 * 5 = 30"),
        ("mawps-8", "9", "9 = 9"),
    ]


def test_a_question_is_kept_once_and_not_at_all_where_its_answers_differ(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        "svamp": [svamp("Ann has 1,070 pens.", "How many?", "1070", 1070.0)],
        "addsub": [listed(1, "ann has 1070.0 pens , how many ?", "X = 1070", "1070"), listed(2, "Two?", "X = 2", "2")],
        "trainset": [listed(3, "Two ?", "x=3", 3.0), listed(4, "TWO", "x=2", 2.0), listed(5, "Six?", "x=6", 6.0)],
    }
    found = made(script, tmp_path, **files)
    assert [row["id"] for name in script.SETS for row in found[name]] == ["svamp-c-1", "mawps-single-5"]
    told = capsys.readouterr().out
    assert "addsub: 0 questions\n  dropped, another answer later on: 1\n  dropped, duplicate" in told
    assert "mawps: 1 questions\n  dropped, duplicate of an earlier question: 2\n" in told


def test_only_of_mawps_it_is_asked_that_it_is_easy(script: ModuleType, tmp_path: Path) -> None:
    hard = [
        listed(1, "Four operations?", "1+2+3+4+5=x", 15.0),
        listed(2, "A solved equation?", "x=6/(3-1)", 3.0),
        listed(3, "Negative?", "3-5=x", -2.0),
        listed(4, "What percent?", "50=x", 50.0),
        listed(5, "A third?", "1/3=x", 0.3333333333333333),
        listed(6, "Three operations?", "1+2+3+4=x", 10.0),
    ]
    assert [row["id"] for row in made(script, tmp_path, trainset=hard)["mawps"]] == ["mawps-single-6"]
    found = made(script, tmp_path, questions=hard)["singleeq"]
    assert [row["id"] for row in found] == [f"singleeq-{n}" for n in (1, 2, 3, 4, 6)]


@pytest.mark.parametrize(
    "files, says",
    [
        ({"asdiv": '<!DOCTYPE x [<!ENTITY a "b">]><x/>'}, r"ASDiv\.xml: cannot be read: it declares a document type"),
        ({"asdiv": "<x>"}, r"ASDiv\.xml: cannot be read"),
        ({"svamp": "{"}, r"SVAMP\.json: cannot be read"),
        ({"svamp": [{"ID": "c-1"}]}, r"a problem is not as published \(KeyError\('Body'\)\)"),
        ({"addsub": [listed(1, "How many?", "X = 2", "two")]}, "a problem is not as published"),
    ],
)
def test_files_that_are_not_as_published_are_an_error(
    script: ModuleType, tmp_path: Path, files: dict[str, Any], says: str
) -> None:
    with pytest.raises(SystemExit, match=says):
        made(script, tmp_path, **files)


def test_a_missing_clone_is_named(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"SVAMP\.json: cannot be opened \(No such file or directory\)"):
        script.main([str(tmp_path)] * 4)


def test_the_task_reads_what_the_script_writes(script: ModuleType, tmp_path: Path) -> None:
    words = ("pens", "cups", "hats")
    rows = [svamp(f"{word} {n}.", f"{word}?", f"( {n}.0 + 1.0 )", n + 1, f"c-{n}") for n, word in enumerate(words)]
    made(script, tmp_path, svamp=rows)
    task = schema.WordProblemsTask(folder=str(tmp_path / "out"), train_1=1, train_2=1, test=1)
    for split in tasks.SPLITS:
        (right,) = gold.load(task, split).values()
        n = int(right.answer) - 1
        assert gold.completion(right, "gsm8k") == f"{n} + 1 = {n + 1}\n#### {n + 1}"
