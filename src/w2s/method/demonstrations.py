"""Weak answers as few-shot demonstrations, chosen without gold."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Literal

from w2s.errors import UserError, one_of
from w2s.method.arithmetic import amount, equations, is_true, value
from w2s.records import Answered
from w2s.seeds import derive

_KEY = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30}|/[1-9][0-9]{0,29})?")


def choose(weak: Iterable[Answered], *, k: int, mode: Literal["random", "selected"], seed: int) -> list[Answered]:
    """Choose `k` demonstrations, or as many as there are, among the weak answers that are not cut and have an answer.

    "random": uniform (paper's ablation). "selected" (ours): first those whose own equations confirm the answer
    (`checks_itself`), by turns of each number of equations, starting with the most frequent number; then random ones.

    Raises:
        UserError: an id comes twice.
    """
    one_of("mode", mode, ("random", "selected"), "few_shot.mode")
    by_id: dict[str, Answered] = {}
    for answer in weak:
        if answer.id in by_id:
            raise UserError(f"id {answer.id!r} comes twice in the weak answers", field="id", expected="different ids")
        by_id[answer.id] = answer
    candidates = [answer for _, answer in sorted(by_id.items()) if answer.key is not None and not answer.cut]
    generator = random.Random(derive(seed, "demonstrations", mode))
    generator.shuffle(candidates)
    if mode == "random":
        return candidates[:k]
    by_steps: dict[int, list[Answered]] = {}
    for answer in candidates:
        if checks_itself(answer):
            by_steps.setdefault(len(equations(answer.response)), []).append(answer)
    lengths = sorted(by_steps, key=lambda steps: (-len(by_steps[steps]), steps))
    preferred = [by_steps[steps][turn] for turn in range(k) for steps in lengths if turn < len(by_steps[steps])]
    chosen = {answer.id for answer in preferred}
    return (preferred + [answer for answer in candidates if answer.id not in chosen])[:k]


def checks_itself(answer: Answered) -> bool:
    """Whether every "=" belongs to a true equation, and the last gives the final answer (ours).

    Right sides may be rounded to two or more decimals.
    """
    text = answer.response
    if answer.key is None or not _KEY.fullmatch(answer.key) or "Question:" in text:
        return False
    computations = equations(text)
    if not computations or text.count("=") != len(computations):
        return False
    if not all(is_true(left, right) for left, right in computations):
        return False
    last = computations[-1][1]
    return Fraction(answer.key) in {value(last), amount(last)}
