"""What an answer's texts and supporters look like, without gold: the input of `calibration` (ours)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import combinations
from typing import NamedTuple

from w2s.method.arithmetic import equations, is_true
from w2s.method.label_model import SAMPLES, Votes, votes
from w2s.method.labels import learnable
from w2s.method.selector import Judged
from w2s.records import Answered

_NUMBER = re.compile(r"(?<![\d.])\d[\d,]{0,18}(?:\.\d{1,10})?")
_KEY = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18}|/[1-9][0-9]{0,17})?")
_NOT_NUMERIC = re.compile(r"[$,%\s]")
_SAMPLES_READ = 2
_LOG_PROBABILITY = "logprob"


class _Text(NamedTuple):
    length: float
    steps: int
    false_steps: int
    results: frozenset[float]
    numbers: frozenset[float]
    log_probability: float


def names(sources: Sequence[str]) -> list[str]:
    """The names of `vector`'s entries, for questions with these sources."""
    of_sources = [f"{source} {what}" for source in sources for what in _of(source)]
    return [*of_sources, *_OF_TEXTS, *_OF_ANSWER, *_OF_QUESTION]


def _of(source: str) -> tuple[str, ...]:
    return ("says it", "says another") if source == SAMPLES else ("says it", "says another", "says it in true steps")


_OF_TEXTS = (
    "length", "shortest length", "steps", "no steps", "false steps", "numbers of the question used", "shared results",
    "shared results with other answers", "result in other answers' texts", "fractional results", "log-probability",
)  # fmt: skip
_OF_ANSWER = ("not above zero", "no integer", "size", "stands in the question")
_OF_QUESTION = ("question's length", "question's numbers", "question's percentages")


def vectors(question: Judged, sources: Sequence[str]) -> dict[str, list[float]]:
    """The features of each answer with a text to learn from, in the order of `names`."""
    said = votes(question)
    keys = learnable(question)
    facts = _Facts(question, said, sources)
    return {key: facts.vector(key) for key in keys}


class _Facts:
    """One question, read once for all of its answers."""

    def __init__(self, question: Judged, said: Votes, sources: Sequence[str]) -> None:
        self._shares = [(source, *self._share(said, source, question)) for source in sources]
        self._texts: dict[str, list[_Text]] = {}
        read: dict[str, _Text] = {}
        for answer in self._to_read(question):
            if answer.response not in read:
                read[answer.response] = _read(answer)
            self._texts.setdefault(answer.key or "", []).append(read[answer.response])
        self._in_true_steps = {
            source: {answer.key} for source, answer in question.answers.items() if _true(read[answer.response])
        }
        text = next((each.question for each in (*question.answers.values(), *question.samples)), "")
        self._asked = frozenset(_numbers(text))
        self._question = (math.log1p(len(text)), math.log1p(len(self._asked)), float("%" in text))

    def vector(self, key: str) -> list[float]:
        vector: list[float] = []
        for source, shares, answered in self._shares:
            vector += [shares.get(key, 0.0), answered - shares.get(key, 0.0)]
            if source != SAMPLES:
                vector.append(float(key in self._in_true_steps.get(source, ())))
        texts = self._texts.get(key, [])
        others = [text for other, of_other in self._texts.items() if other != key for text in of_other]
        number = float(Fraction(key)) if _KEY.fullmatch(key) else None
        return [*vector, *self._of_texts(texts, others, number), *self._of_answer(number), *self._question]

    @staticmethod
    def _share(said: Votes, source: str, question: Judged) -> tuple[dict[str, float], float]:
        """The share of a source's answers by key, and of those with any."""
        of = max(len(question.samples), 1) if source == SAMPLES else 1
        shares = {key: count / of for key, count in said.get(source, {}).items()}
        return shares, sum(shares.values())

    @staticmethod
    def _to_read(question: Judged) -> Iterable[Answered]:
        yield from question.answers.values()
        seen: dict[str | None, int] = {}
        for sample in question.samples:
            seen[sample.key] = seen.get(sample.key, 0) + 1
            if seen[sample.key] <= _SAMPLES_READ:
                yield sample

    def _of_texts(self, texts: Sequence[_Text], others: Sequence[_Text], number: float | None) -> list[float]:
        if not texts:
            return [0.0] * len(_OF_TEXTS)
        lengths = [text.length for text in texts]
        pairs = [_overlap(a.results, b.results) for a, b in combinations(texts, 2)]
        across = [_overlap(a.results, b.results) for a in texts for b in others]
        return [
            _mean(lengths),
            min(lengths),
            _mean([math.log1p(text.steps) for text in texts]),
            _mean([text.steps == 0 for text in texts]),
            _mean([text.false_steps for text in texts]),
            _mean([len(self._asked & text.numbers) / max(len(self._asked), 1) for text in texts]),
            _mean(pairs) if pairs else 1.0,
            max(across) if across else 1.0,
            float(number is not None and any(number in text.results for text in others)),
            _mean([any(not each.is_integer() for each in text.results) for text in texts]),
            _mean([text.log_probability for text in texts]),
        ]

    def _of_answer(self, number: float | None) -> list[float]:
        if number is None:
            return [0.0] * len(_OF_ANSWER)
        size = math.log10(1 + abs(number))
        return [float(number <= 0), float(not number.is_integer()), size, float(number in self._asked)]


def _true(text: _Text) -> bool:
    return text.steps > 0 and text.false_steps == 0


def _read(answer: Answered) -> _Text:
    text = answer.response
    steps = equations(text)
    results = {_stated(right) for _, right in steps}
    stated = answer.extra.get(_LOG_PROBABILITY)
    return _Text(
        math.log1p(len(text)),
        len(steps),
        sum(not is_true(left, right) for left, right in steps),
        frozenset(results),
        frozenset(_numbers(text)),
        float(stated) if isinstance(stated, int | float) and math.isfinite(stated) else 0.0,
    )


def _numbers(text: str) -> Iterable[float]:
    return (float(found.replace(",", "")) for found in _NUMBER.findall(text))


def _stated(right: str) -> float:
    return float(_NOT_NUMERIC.sub("", right))


def _overlap(some: frozenset[float], others: frozenset[float]) -> float:
    return len(some & others) / max(len(some | others), 1)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
