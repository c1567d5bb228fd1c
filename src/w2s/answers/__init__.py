"""Final answers: extraction, keys (equal answers have equal keys), verdicts against gold.

`extract` reads a response, `olympicarena` in the type that its question expects. `grading` makes keys and verdicts, by
`published` (`match="string"`) or `math` ("equivalent").
"""

from __future__ import annotations

from w2s.answers.boxes import boxed
from w2s.answers.extract import extract
from w2s.answers.grading import answered, answered_all, grade, grades, key, keys, undecided
from w2s.config.choices import AnswerRule, Style
from w2s.records import Verdict

__all__ = [
    "AnswerRule", "Style", "Verdict", "answered", "answered_all", "boxed", "extract", "grade", "grades", "key", "keys",
    "undecided",
]  # fmt: skip
