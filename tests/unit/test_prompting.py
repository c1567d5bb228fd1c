"""One prompt builder for everything."""

from __future__ import annotations

from w2s import prompting
from w2s.records import Response


def test_plain_prompt_and_completion() -> None:
    assert prompting.prompt(" What is 2+2? ") == "Question: What is 2+2?\nAnswer:"
    assert prompting.completion("It is 4.\n#### 4\n") == " It is 4.\n#### 4"


def test_demonstrations_stand_before_the_question_in_the_same_form() -> None:
    shots = [Response("a", "1+1?", "#### 2"), Response("b", "2+2?", "so\n\n\n#### 4")]
    expected = "Question: 1+1?\nAnswer: #### 2\n\nQuestion: 2+2?\nAnswer: so\n#### 4\n\nQuestion: 3+3?\nAnswer:"
    assert prompting.prompt("3+3?", shots) == expected
    assert expected.endswith(prompting.prompt("3+3?"))


def test_the_separator_stops_only_after_demonstrations() -> None:
    assert prompting.stop(False) == ("Question:",)
    assert prompting.stop(True) == ("Question:", "\n\n")
