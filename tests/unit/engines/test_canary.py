"""The look before a big run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from w2s.engines import canary, journal
from w2s.engines.base import Decoding, Request
from w2s.engines.canary import Canary, agreement, same_as_trained
from w2s.engines.scripted import ScriptedEngine
from w2s.engines.sharded import Sharded
from w2s.errors import UserError
from w2s.parity import Parity

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


class _Two:
    """A pool of two: the first plans and counts, batches go to one after the other."""

    def __init__(self, *engines: Canary) -> None:
        self._engines = engines

    def call(self, method: str, *arguments: Any) -> Any:
        return getattr(self._engines[0], method)(*arguments)

    def each(self, method: str, items: Sequence[Sequence[Any]]) -> Iterator[tuple[int, Any]]:
        for place, arguments in enumerate(items):
            yield place, getattr(self._engines[place % 2], method)(*arguments)

    def close(self) -> None: ...


def test_in_a_pool_each_worker_is_compared_before_its_first_batch(tmp_path: Path) -> None:
    """600 texts in batches of 70: the second is the other worker's, which says something else. One batch is kept."""
    decoding, journaled = Decoding(40, temperature=1.0), tmp_path / "journal.jsonl"
    (good, asked), (wrong, _) = _canary("a b c", "a b c"), _canary("x y z", "a b c")
    with pytest.raises(UserError, match="at least 75%"):
        journal.generate(Sharded(_Two(good, wrong)), BIG, decoding, journaled)
    assert len(journaled.read_text().splitlines()) == 1 and len(asked) == 8
    (good, first), (other, second) = _canary("a b c", "a b c"), _canary("a b c", "a b c")
    assert len(journal.generate(Sharded(_Two(good, other)), BIG, decoding)) == 600
    # the plan's longest and shortest prompts; those of the second batch, 7 questions of which the longest comes first:
    # 53, 51, 49 and 47 characters, by places 0, 2, 4 and 6
    assert sorted(map(len, first)) == sorted([60, 41, 21, 1] * 2)
    assert sorted(map(len, second)) == sorted([53, 51, 49, 47] * 2)


def _kept(telling: int, base: str = "aabb") -> Parity:
    """Ten prompts; the trained model says aaaa to each, the base too but for the first ones."""
    base_texts = tuple([base] * telling + ["aaaa"] * (10 - telling))
    agreed = agreement([(text, "aaaa") for text in base_texts])
    return Parity(16, agreed, tuple(f"prompt {number}" for number in range(10)), ("aaaa",) * 10, base_texts)


def _serving(texts: list[str]) -> ScriptedEngine:
    def answer(request: Request, decoding: Decoding) -> str:
        assert (decoding.max_new_tokens, decoding.temperature, decoding.stop) == (16, 0.0, ())
        assert request.prompt == f"prompt {request.id}"
        return texts[int(request.id)]

    return ScriptedEngine(answer)


def test_an_engine_that_says_what_the_trained_model_said_is_measured_and_let_through() -> None:
    """One of ten texts ends half-way: 9.5 of 10; it is one of the four that tell: 3.5 of 4. The base: 8 of 10."""
    found = same_as_trained(_serving(["aabb"] + ["aaaa"] * 9), _kept(4), "m", "float32")
    assert found == {"agreement": 0.95, "base": 0.8, "telling": 4, "agreement_telling": 0.875}


def test_a_lost_adapter_is_refused_even_where_base_and_model_agree_on_most() -> None:
    """The base has 0.8 of all, more than the canary's 0.75; but 0.5 of what tells, where half-way to 1 is 0.75."""
    with pytest.raises(UserError, match=r"(?s)agree on 50% .*the 4 on which the base says something else, of 10"):
        same_as_trained(_serving(list(_kept(4).base_texts)), _kept(4), "m", "float32")


@pytest.mark.parametrize(("wrong", "stops"), [(1, False), (2, False), (3, True), (4, True)])
def test_half_way_from_the_base_is_the_least(wrong: int, stops: bool) -> None:
    """Each wrong text of the four has 0.5: 0.875, 0.75, 0.625 and 0.5, where 0.75 is asked for."""
    engine = _serving(["aabb"] * wrong + ["aaaa"] * (10 - wrong))
    if not stops:
        same_as_trained(engine, _kept(4), "m", "float32")
        return
    with pytest.raises(UserError, match="at least 75%"):
        same_as_trained(engine, _kept(4), "m", "float32")


def test_another_model_is_refused_also_where_the_base_tells_nothing() -> None:
    with pytest.raises(UserError, match=r"(?s)agree on 0% .*all 10 prompts.*runtime\.canary=false"):
        same_as_trained(_serving(["x"] * 10), _kept(0), "m", "float32")


def test_three_telling_prompts_are_too_few_to_decide() -> None:
    assert same_as_trained(_serving(list(_kept(3).base_texts)), _kept(3), "m", "float32")["agreement_telling"] is None
