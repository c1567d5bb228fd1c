"""One prompt builder for everything."""

from __future__ import annotations

import hashlib
import json
import pickle

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


def test_the_plain_builder_is_the_plain_format_and_has_one_hash_for_all_time() -> None:
    """The hash is part of the identity of steps: another one would make everything that was computed again."""
    plain = prompting.PLAIN
    assert plain.prompt("2?") == prompting.prompt("2?") and plain.completion("2") == prompting.completion("2")
    assert plain.stop(True) == prompting.stop(True)
    assert plain == pickle.loads(pickle.dumps(plain))
    constants = ["plain", "Question: ?\nAnswer:", " !", "\n\n", ["Question:"]]
    assert plain.hash == hashlib.sha256(json.dumps(constants).encode()).hexdigest()
