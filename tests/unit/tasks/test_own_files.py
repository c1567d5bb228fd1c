from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import w2s
from w2s import tasks
from w2s.config import load, schema
from w2s.errors import UserError
from w2s.records import Question
from w2s.tasks import gold


def written(file: Path, *rows: object) -> str:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def test_questions_come_in_file_order_without_gold(tmp_path: Path) -> None:
    file = written(
        tmp_path / "a.jsonl",
        {"id": 2, "question": "x?", "answer": "4", "solution": "s"},
        {"id": "b", "question": "y?", "answer": ["nonsense"], "level": "?"},
    )
    task = tasks.load(schema.FilesTask(name="jsonl", train_1=file))
    assert task.questions("train_1") == [Question("2", "x?"), Question("b", "y?")]


@pytest.mark.parametrize("rows, says", [
    ([{"id": 1, "question": "x"}, {"id": "1", "question": "y"}], r"a\.jsonl:2 \[id\]: id '1' already stands in .*:1"),
    ([{"question": "x"}, {"id": 1, "question": "y"}], r"a\.jsonl:2 \[id\]: the row has an id, and the rows before"),
    ([{"id": 1, "question": "x"}, {"question": "y"}], r"a\.jsonl:2 \[id\]: the row has no id"),
    ([{"id": 1, "question": "  "}], r"a\.jsonl:1 \[question\]: question is empty"),
    ([{"id": 1, "question": 5}], r"a\.jsonl:1 \[question\]: question is a number"),
    ([{"id": 1}], r"a\.jsonl:1 \[question\]: question is missing"),
    ([{"id": 1, "question": "\ud800"}], r"a\.jsonl:1 \[question\]: question holds half a surrogate pair"),
    ([{"id": "\ud800", "question": "x"}], r"a\.jsonl:1 \[id\]: id holds half a surrogate pair"),
    ([], r"a\.jsonl: the file has no rows"),
    ([[1]], r"a\.jsonl:1: is not a JSON object"),
])  # fmt: skip
def test_bad_rows_are_named(tmp_path: Path, rows: list[object], says: str) -> None:
    task = tasks.load(schema.FilesTask(name="jsonl", test=written(tmp_path / "a.jsonl", *rows)))
    with pytest.raises(UserError, match=says):
        task.questions("test")


def test_a_torn_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"id": 1, "question": "x"}\n{"id": 2, "ques')
    with pytest.raises(UserError, match=r"a\.jsonl:2: is not valid JSON"):
        tasks.load(schema.FilesTask(name="jsonl", test=str(file))).questions("test")


def test_missing_files_and_splits_are_named(tmp_path: Path) -> None:
    task = tasks.load(schema.FilesTask(name="jsonl", test=str(tmp_path / "none.jsonl")))
    with pytest.raises(UserError, match=r"none\.jsonl: cannot be opened"):
        task.questions("test")
    with pytest.raises(UserError, match=r"\[task\.train_2\]: the jsonl task has no file for train_2"):
        task.questions("train_2")
    with pytest.raises(UserError, match="no split 'dev'"):
        task.questions("dev")


def test_own_questions_may_come_without_train_1(tmp_path: Path) -> None:
    files = {split: written(tmp_path / f"{split}.jsonl", {"id": 1, "question": split}) for split in ("train_2", "test")}
    task = schema.FilesTask(name="jsonl", **files)
    assert tasks.load(task).splits == ("train_2", "test")
    assert tasks.prepare(task).questions.keys() == {"train_2", "test"}


def test_files_of_other_tools_are_tasks(tmp_path: Path) -> None:
    """A table without ids, its columns named in the recipe; gold in a file apart, joined by the number of the row."""
    (tmp_path / "t.csv").write_text('Aufgabe,Ergebnis\n"1+1,\nsay?",2\n2+2?,4\n')
    task = schema.FilesTask(
        name="jsonl",
        test=str(tmp_path / "t.csv"),
        answer="number",
        columns={"question": "Aufgabe", "answer": "Ergebnis"},
    )
    assert tasks.load(task).questions("test") == [Question("test-1", "1+1,\nsay?"), Question("test-2", "2+2?")]
    assert [each.answer for each in gold.load(task, "test").values()] == ["2", "4"]
    apart = written(tmp_path / "g.jsonl", {"target": "3"}, {"target": "5"})
    assert [each.answer for each in gold.load(task.model_copy(update={"gold": {"test": apart}}), "test").values()] == [
        "3", "5",
    ]  # fmt: skip
    longer = written(tmp_path / "g.jsonl", {"target": "3"}, {"target": "5"}, {"target": "6"})
    with pytest.raises(UserError, match=r"g\.jsonl:3 \[id\]: gold for 'test-3', which is no question of test"):
        gold.load(task.model_copy(update={"gold": {"test": longer}}), "test")
    moved = written(tmp_path / "g.jsonl", {"problem": "2+2?", "target": "4"}, {"problem": "1+1, say?", "target": "2"})
    with pytest.raises(UserError, match=r"g\.jsonl:1 \[question\]: 'test-1' has another question than its gold"):
        gold.load(task.model_copy(update={"gold": {"test": moved}}), "test")


class FakeDatasets:
    """`datasets.load_dataset`, without a network."""

    def __init__(self, rows: list[dict[str, object]]) -> None:
        self.rows, self.asked = rows, list[tuple[object, ...]]()

    def load_dataset(self, name: str, config: str | None, *, split: str) -> list[dict[str, object]]:
        self.asked.append((name, config, split))
        if name != "openai/gsm8k":
            raise ConnectionError("no such data set\nand more")
        return self.rows


def test_a_data_set_of_the_hub_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeDatasets([{"question": f"{n}+0?", "answer": f"{n}\n#### {n}", "score": float("nan")} for n in (1, 2)])
    monkeypatch.setitem(sys.modules, "datasets", fake)
    place = "hub:openai/gsm8k:main/test"
    task = schema.FilesTask(name="jsonl", test=place)
    assert [question.question for question in tasks.load(task).questions("test")] == ["1+0?", "2+0?"]
    assert [each.answer for each in gold.load(task, "test").values()] == ["1", "2"]
    responses = written(tmp_path / "r.jsonl", *({"question": f"{n}+0?", "response": f"#### {n}"} for n in (1, 2)))
    assert w2s.grade(place, responses, task="gsm8k").correct == 2
    assert w2s.agree(place, responses, tmp_path / "o", task="gsm8k", columns={"response": "answer"}).kept == 2
    assert set(fake.asked) == {("openai/gsm8k", "main", "test")}
    with pytest.raises(UserError, match=r"hub:a/b/train: cannot be fetched \(ConnectionError: no such data set"):
        tasks.load(schema.FilesTask(name="jsonl", test="hub:a/b/train")).questions("test")
    with pytest.raises(UserError, match=r"hub:gsm8k: does not name a split(.|\n)*hub:OWNER/NAME\[:CONFIG\]/SPLIT"):
        tasks.load(schema.FilesTask(name="jsonl", test="hub:gsm8k")).questions("test")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match=r"needs the package `datasets`(.|\n)*pip install datasets"):
        tasks.load(task).questions("test")


def test_nothing_else_asks_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeDatasets([])
    monkeypatch.setitem(sys.modules, "datasets", fake)
    with pytest.raises(UserError, match="cannot be opened"):
        tasks.load(schema.FilesTask(name="jsonl", test="openai/gsm8k/test")).questions("test")
    assert fake.asked == []


def test_columns_are_of_own_files_only(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"columns are named in your own files \(task\.name=jsonl\)"):
        load.load("gsm8k-local", ["task.columns={question: problem}"])
