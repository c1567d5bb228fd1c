"""From a model's text to a final answer that can be compared: read it out, bring it to a canonical form, grade it."""

from __future__ import annotations

from w2s.answers.equivalence import answered, answered_all, grade, grades, key, keys, undecided
from w2s.answers.extract import Style, boxed, extract
from w2s.records import Verdict

__all__ = [
    "Style", "Verdict", "answered", "answered_all", "boxed", "extract", "grade", "grades", "key", "keys", "undecided",
]  # fmt: skip
