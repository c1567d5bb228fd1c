"""The look before a big run."""

from __future__ import annotations

import pytest

from w2s.engines import canary
from w2s.engines.base import Decoding, Request
from w2s.engines.canary import Canary, agreement
from w2s.engines.scripted import ScriptedEngine
from w2s.errors import UserError

BIG = [Request(f"q{number:03}", sample, "p" * (number + 1)) for number in range(60) for sample in range(10)]
SMALL = BIG[: canary.LEAST_REQUESTS]


def _canary(engine: str, reference: str) -> tuple[Canary, list[str]]:
    asked: list[str] = []

    def say(text: str):
        def answer(request: Request, decoding: Decoding) -> str:
            if decoding.temperature == 0:
                assert decoding.max_new_tokens == 16 and decoding.stop == ()
                asked.append(request.prompt)
            return text

        return answer

    return Canary(ScriptedEngine(say(engine)), lambda: ScriptedEngine(say(reference))), asked


@pytest.mark.parametrize(
    ("pairs", "share"),
    [
        ([("abcd", "abcd")], 1.0),
        ([("abcd", "abxd")], 0.5),
        ([("abcd", "ab")], 0.5),
        ([("", "")], 1.0),
        ([("", "ab"), ("ab", "ab")], 0.5),
    ],
)
def test_agreement_ends_at_the_first_difference(pairs: list[tuple[str, str]], share: float) -> None:
    assert agreement(pairs) == share


def test_it_sings_once_before_a_big_run() -> None:
    decoding = Decoding(40, temperature=1.0)
    engine, asked = _canary("a b c", "a b c")
    batches = engine.plan(BIG, decoding)
    assert asked == []  # a plan computes nothing
    for batch in batches:
        assert len(engine.run(batch, decoding)) == len(batch)
    # reference and engine, the longest prompt, the shortest, and two between: 0, 19, 39 and 59 of 60
    assert sorted(map(len, asked)) == sorted([60, 41, 21, 1] * 2)
    engine.run(engine.plan(BIG, decoding)[0], decoding)
    assert len(asked) == 8


def test_it_stays_silent_before_a_small_run() -> None:
    engine, asked = _canary("a b c", "x y z")
    decoding = Decoding(40, temperature=1.0)
    engine.run(engine.plan(SMALL, decoding)[0], decoding)
    assert asked == []


@pytest.mark.parametrize(("found", "stops"), [("aaaa", False), ("aaab", False), ("aabb", True), ("xaaa", True)])
def test_it_stops_below_three_quarters(found: str, stops: bool) -> None:
    engine, _ = _canary(found, "aaaa")
    decoding = Decoding(40, temperature=1.0)
    batch = engine.plan(BIG, decoding)[0]
    if not stops:
        engine.run(batch, decoding)
        return
    with pytest.raises(UserError, match=r"(?s)at least 75%.*runtime\.canary=false"):
        engine.run(batch, decoding)
