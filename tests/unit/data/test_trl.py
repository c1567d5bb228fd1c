"""Training rows, field by field."""

from __future__ import annotations

import pytest

from w2s.data import trl
from w2s.method.pairs import Pair
from w2s.method.selector import Selected
from w2s.prompting import PLAIN
from w2s.records import Answered


def test_a_kept_question_is_two_rows_weak_first() -> None:
    weak, strong = (Answered("7", "1+1?", f"{who}\n#### 2", "2", "2") for who in ("weak", "strong"))
    common = {"id": 7, "prompt": "Question: 1+1?\nAnswer:", "prediction": "2"}
    rows = [
        common | {"source": "weak", "completion": " weak\n#### 2"},
        common | {"source": "icl", "completion": " strong\n#### 2"},
    ]
    assert trl.examples(7, Selected(weak, strong)) == rows
    assert trl.examples(7, Selected(weak, strong), added=True) == [row | {"added": True} for row in rows]


def test_a_pair_has_a_range_of_confidence_only_where_samples_were_spared() -> None:
    row = {
        "id": "a", "prompt": "Question: 1+1?\nAnswer:", "chosen": " two", "rejected": " three", "weak_role": "chosen",
        "confidence": 0.6,
    }  # fmt: skip
    assert trl.preference("a", Pair("a", "1+1?", "two", "three", "chosen", 0.6, 0.6)) == row
    spared = Pair("a", "1+1?", "two", "three", "chosen", 0.6, 0.9)
    assert trl.preference("a", spared) == row | {"confidence_most": 0.9}


@pytest.mark.parametrize("question", ["Passage: 3 cats.\n\nQuestion: How many?", "1+1?", "Say it.\nAnswer:"])
def test_the_bare_question_is_all_of_a_prompt_without_demonstrations(question: str) -> None:
    row = {"id": 7, "prompt": PLAIN.prompt(question), "completion": " 3"}
    assert trl.formatted(row, "alpaca") == {"id": 7, "instruction": question, "input": "", "output": "3"}
    said = [{"role": "user", "content": question}, {"role": "assistant", "content": "3"}]
    assert trl.formatted(row, "messages") == {"id": 7, "messages": said}


def test_a_prompt_of_another_form_is_the_instruction() -> None:
    row = {"id": 7, "prompt": "Q: 1+1?", "completion": " 2"}
    assert trl.formatted(row, "alpaca") == {"id": 7, "instruction": "Q: 1+1?", "input": "", "output": "2"}
