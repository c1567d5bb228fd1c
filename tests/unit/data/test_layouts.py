from __future__ import annotations

from typing import Any

import pytest

from w2s.data import layouts
from w2s.data.layouts import RawResponse as Raw
from w2s.data.rows import Row
from w2s.errors import UserError

PROMPT = "Question: 1+1?\nAnswer:"


def row(**fields: Any) -> Row:
    return Row("f.jsonl", 3, fields)


def read(fields: dict[str, Any], name: layouts.Name = "auto", question_needed: bool = True) -> list[Raw]:
    return list(layouts.layout(name, row(**fields)).read(row(**fields), question_needed))


LOG: dict[str, Any] = {
    "doc_id": 5,
    "doc": {"question": "1+1?", "answer": "One and one.\n#### 2"},
    "target": "One and one.\n#### 2",
    "arguments": {"gen_args_0": {"arg_0": PROMPT, "arg_1": {"until": ["Question:"]}}},
    "resps": [["#### 2", "#### 3"]],
    "filtered_resps": ["2"],
    "filter": "strict-match",
    "exact_match": 1.0,
}


@pytest.mark.parametrize(("fields", "name", "expected"), [
    ({"id": "a", "question": "1+1?", "response": "2", "sample": 4, "model": "m"}, "w2s",
     [Raw("a", "1+1?", "2", 4, {"model": "m"})]),
    ({"id": 7, "question": "1+1?", "response": "2"}, "w2s", [Raw(7, "1+1?", "2", 0, {})]),
    ({"id": 7, "prompt": PROMPT, "response": "2", "gold": "2", "result": True}, "gair",
     [Raw(7, "1+1?", "2", None, {"gold": "2", "result": True})]),
    ({"id": 7, "content": PROMPT, "output": "2", "sample": 3}, "gair", [Raw(7, "1+1?", "2", 3, {})]),
    ({"id": 7, "instruction": PROMPT, "input": "", "output": ["2", "3"]}, "gair",
     [Raw(7, "1+1?", "2", None, {}), Raw(7, "1+1?", "3", None, {})]),
    ({"id": 7, "instruction": "Add.", "input": "1, 1", "output": "2"}, "gair", [Raw(7, "Add.\n1, 1", "2", None, {})]),
    ({"id": 3, "prompt": PROMPT, "completion": " 2", "source": "icl"}, "trl",
     [Raw(3, "1+1?", " 2", None, {"source": "icl"})]),
    ({"id": "q", "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}],
      "completion": [{"role": "assistant", "content": "2"}]}, "trl", [Raw("q", "1+1?", "2", None, {})]),
    (LOG, "lm-eval",
     [Raw(5, "1+1?", text, n, {"target": LOG["target"], "filter": "strict-match", "exact_match": 1.0})
      for n, text in enumerate(["#### 2", "#### 3"])]),
    ({**LOG, "resps": [["#### 2"]]}, "lm-eval",
     [Raw(5, "1+1?", "#### 2", None, {"target": LOG["target"], "filter": "strict-match", "exact_match": 1.0})]),
])  # fmt: skip
def test_a_row_gives_its_responses(fields: dict[str, Any], name: layouts.Name, expected: list[Raw]) -> None:
    assert layouts.layout("auto", row(**fields)).name == name
    assert read(fields) == read(fields, name) == expected


@pytest.mark.parametrize(("fields", "name", "says"), [
    ({"id": 1, "label": 2}, "auto", r"f\.jsonl:3 \[response\]: no column (.|\n)* it has id, label(.|\n)*lm-eval:"),
    ({"id": 1, "prompt": "p"}, "gair", r"f\.jsonl:3 \[response\]: response is missing"),
    ({"id": 1, "response": "p"}, "gair", r"f\.jsonl:3 \[prompt\]: prompt is missing"),
    ({"id": 1, "content": "p", "output": []}, "auto", r"f\.jsonl:3 \[output\]: output is not a list of texts"),
    ({"id": 1, "content": "p", "output": ["a", 2]}, "auto", r"\[output\]: output is not a list of texts"),
    ({"prompt": "p", "response": "x"}, "auto", r"\[id\]: the row has no id"),
    ({"prompt": "p", "chosen": "a", "rejected": "b"}, "auto", r"preference pair(.|\n)*hint: write each response"),
    ({"id": 1, "prompt": [], "completion": "a"}, "auto", r"\[prompt\]: prompt has no message of the user"),
    ({"id": 1, "prompt": [{"role": "user", "content": [1]}], "completion": "a"}, "auto",
     r"the user's message has no text"),
    ({"id": 1, "prompt": "p", "completion": None}, "auto", r"\[completion\]: completion is null"),
    ({**LOG, "resps": [["-1.5", "False"], ["-0.5", "True"]]}, "auto", r"\[resps\]: resps holds no completions"),
    ({**LOG, "resps": [[["-1.5", "False"]]]}, "auto", r"\[resps\]: resps holds no completions"),
    ({**LOG, "doc_id": None}, "auto", r"\[doc_id\]: None is not an id"),
    ({**LOG, "doc": "text"}, "auto", r"\[question\]: question is missing"),
])  # fmt: skip
def test_a_row_that_does_not_fit_is_named(fields: dict[str, Any], name: layouts.Name, says: str) -> None:
    with pytest.raises(UserError, match=says):
        read(fields, name)


def test_the_question_may_be_missing_where_it_is_not_needed() -> None:
    for fields in ({"id": 1, "response": "2"}, {"id": 1, "output": "2"}, {"id": 1, "completion": "2"}):
        name: layouts.Name = "w2s" if "response" in fields else "gair" if "output" in fields else "trl"
        assert read(fields, name, question_needed=False) == [Raw(1, "", "2", 0 if name == "w2s" else None, {})]


@pytest.mark.parametrize(("prompt", "question"), [
    (PROMPT, "1+1?"),
    ("Question: 0+1?\nAnswer: 1\n\nQuestion: 1+1?\nAnswer:  ", "1+1?"),
    ("Question: Two lines\n\nof it?\nAnswer:", "Two lines\n\nof it?"),
    ("What is 1+1?", "What is 1+1?"),
    ("Solve.\nQuestion: 1+1?\nAnswer:", "Solve.\nQuestion: 1+1?\nAnswer:"),
    ("Question: 1+1? Answer:", "Question: 1+1? Answer:"),
])  # fmt: skip
def test_the_question_of_a_prompt(prompt: str, question: str) -> None:
    assert layouts.question_of(prompt) == question


def gold(fields: dict[str, Any], style: Any = "gsm8k", name: layouts.Name = "auto") -> dict[str, Any]:
    return dict(layouts.gold_layout(name, row(**fields))(row(**fields), style).fields)


def test_gold_of_each_layout() -> None:
    own = {"id": 1, "answer": "2", "gold": "odd"}
    assert gold(own) == gold(own, name="w2s") == own
    assert gold({"id": 1, "prompt": PROMPT, "gold": "2"})["answer"] == "2"
    assert gold({"id": 1, "prompt": PROMPT, "gold": "2"})["question"] == "1+1?"
    assert gold({"question": "1+1?", "answer": "2", "solution": "#### 2"})["answer"] == "2"
    assert gold({"problem": "1+1?", "solution": r"So $\boxed{\frac12}$."}, "math") | {"solution": ""} == {
        "problem": "1+1?", "question": "1+1?", "answer": r"\frac12", "solution": "",
    }  # fmt: skip
    assert gold(LOG) == {"id": 5, "question": "1+1?", "answer": "One and one.\n#### 2"}
    with pytest.raises(UserError, match="the solution states no answer"):
        gold({"problem": "1+1?", "solution": ""}, "math")


def test_a_graded_row_is_a_row_of_ours() -> None:
    fields = {"id": 7, "prompt": PROMPT, "response": "2", "gold": "2"}
    layout = layouts.layout("auto", row(**fields))
    (raw,) = layout.read(row(**fields), True)
    written = layouts.as_w2s(layout, row(**fields), raw, 0)
    assert written == {"id": 7, "question": "1+1?", "response": "2", "gold": "2"}
    assert layouts.as_w2s(layout, row(**fields), raw, 2)["sample"] == 2
