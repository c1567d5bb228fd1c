"""The checks before a long generation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from w2s.engines import checks, journal
from w2s.engines.base import Decoding, Request
from w2s.engines.checks import CheckedEngine, agreement, served_equals_trained
from w2s.engines.scripted import ScriptedEngine
from w2s.engines.sharded import Sharded
from w2s.errors import UserError
from w2s.models.parity import Parity

BIG = [Request(f"q{number:03}", sample, "p" * (number + 1)) for number in range(60) for sample in range(10)]
SMALL = BIG[: checks.LEAST_REQUESTS]


def _checked(engine: str, reference: str) -> tuple[CheckedEngine, list[str]]:
    """The engine, and the prompts of the check."""
    prompts: list[str] = []

    def say(text: str):
        def answer(request: Request, decoding: Decoding) -> str:
            if decoding.temperature == 0:
                assert decoding.max_new_tokens == 16 and decoding.stop == ()
                prompts.append(request.prompt)
            return text

        return answer

    return CheckedEngine(ScriptedEngine(say(engine)), lambda: ScriptedEngine(say(reference))), prompts


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


def test_it_compares_once_before_a_long_run() -> None:
    decoding = Decoding(40, temperature=1.0)
    engine, prompts = _checked("a b c", "a b c")
    batches = engine.plan(BIG, decoding)
    assert prompts == []  # a plan computes nothing
    for batch in batches:
        assert len(engine.run(batch, decoding)) == len(batch)
    # reference and engine, the longest prompt, the shortest, and two between: 0, 19, 39 and 59 of 60
    assert sorted(map(len, prompts)) == sorted([60, 41, 21, 1] * 2)
    engine.run(engine.plan(BIG, decoding)[0], decoding)
    assert len(prompts) == 8


def test_it_does_not_compare_before_a_short_run() -> None:
    engine, prompts = _checked("a b c", "x y z")
    decoding = Decoding(40, temperature=1.0)
    engine.run(engine.plan(SMALL, decoding)[0], decoding)
    assert prompts == []


def test_it_says_what_its_engine_measures() -> None:
    engine, _ = _checked("a", "a")
    assert engine.device_memory() is None
    engine._engine.device_memory = lambda: 5  # type: ignore[attr-defined]
    assert engine.device_memory() == 5


@pytest.mark.parametrize(("found", "stops"), [("aaaa", False), ("aaab", False), ("aabb", True), ("xaaa", True)])
def test_it_stops_below_three_quarters(found: str, stops: bool) -> None:
    engine, _ = _checked(found, "aaaa")
    decoding = Decoding(40, temperature=1.0)
    batch = engine.plan(BIG, decoding)[0]
    if not stops:
        engine.run(batch, decoding)
        return
    with pytest.raises(UserError, match=r"(?s)at least 75%.*runtime\.check_engine=false"):
        engine.run(batch, decoding)


class _Two:
    """A pool of two: the first plans and counts, batches go to one after the other."""

    def __init__(self, *engines: CheckedEngine) -> None:
        self._engines = engines

    def call(self, method: str, *arguments: Any) -> Any:
        return getattr(self._engines[0], method)(*arguments)

    def each(self, method: str, items: Sequence[Sequence[Any]], look: Any = None) -> Iterator[tuple[int, Any]]:
        for place, arguments in enumerate(items):
            yield place, getattr(self._engines[place % 2], method)(*arguments)

    def idle(self, method: str) -> list[Any]:
        return []

    def close(self) -> None: ...


def test_in_a_pool_each_worker_is_compared_before_its_first_batch(tmp_path: Path) -> None:
    """600 requests in batches of 70: the second is the other worker's, which differs. One batch is kept."""
    decoding, journaled = Decoding(40, temperature=1.0), tmp_path / "journal.jsonl"
    (good, prompts), (wrong, _) = _checked("a b c", "a b c"), _checked("x y z", "a b c")
    with pytest.raises(UserError, match="at least 75%"):
        journal.generate(Sharded(_Two(good, wrong)), BIG, decoding, journaled)
    assert len(journaled.read_text().splitlines()) == 1 and len(prompts) == 8
    (good, first), (other, second) = _checked("a b c", "a b c"), _checked("a b c", "a b c")
    assert len(journal.generate(Sharded(_Two(good, other)), BIG, decoding)) == 600
    # the plan's longest and shortest prompts; those of the second batch, 7 questions of which the longest comes first:
    # 53, 51, 49 and 47 characters, by places 0, 2, 4 and 6
    assert sorted(map(len, first)) == sorted([60, 41, 21, 1] * 2)
    assert sorted(map(len, second)) == sorted([53, 51, 49, 47] * 2)


def _trained(telling: int, base: str = "aabb") -> Parity:
    """Ten prompts; the trained model writes aaaa after each, the base too but for the first ones."""
    base_texts = tuple([base] * telling + ["aaaa"] * (10 - telling))
    agreed = agreement([(text, "aaaa") for text in base_texts])
    return Parity(16, agreed, tuple(f"prompt {number}" for number in range(10)), ("aaaa",) * 10, base_texts)


def _engine(texts: list[str]) -> ScriptedEngine:
    def answer(request: Request, decoding: Decoding) -> str:
        assert (decoding.max_new_tokens, decoding.temperature, decoding.stop) == (16, 0.0, ())
        assert request.prompt == f"prompt {request.id}"
        return texts[int(request.id)]

    return ScriptedEngine(answer)


def test_an_engine_that_agrees_with_the_trained_model_passes() -> None:
    """One of ten texts ends half-way: 9.5 of 10; it is one of the four that tell: 3.5 of 4. The base: 8 of 10."""
    found = served_equals_trained(_engine(["aabb"] + ["aaaa"] * 9), _trained(4), "m", "float32")
    assert found == {"agreement": 0.95, "base": 0.8, "telling": 4, "agreement_telling": 0.875}


def test_a_lost_adapter_is_refused_even_where_base_and_model_agree_on_most() -> None:
    """The base has 0.8 of all, more than the least 0.75; but 0.5 of the telling ones, where half-way to 1 is 0.75."""
    with pytest.raises(UserError, match=r"(?s)agree on 50% .*the 4 on which the base differs, of 10"):
        served_equals_trained(_engine(list(_trained(4).base_texts)), _trained(4), "m", "float32")


@pytest.mark.parametrize(("wrong", "stops"), [(1, False), (2, False), (3, True), (4, True)])
def test_half_way_from_the_base_is_the_least(wrong: int, stops: bool) -> None:
    """Each wrong text of the four has 0.5: 0.875, 0.75, 0.625 and 0.5, where 0.75 is the least."""
    engine = _engine(["aabb"] * wrong + ["aaaa"] * (10 - wrong))
    if not stops:
        served_equals_trained(engine, _trained(4), "m", "float32")
        return
    with pytest.raises(UserError, match="at least 75%"):
        served_equals_trained(engine, _trained(4), "m", "float32")


def test_another_model_is_refused_also_where_no_prompt_is_telling() -> None:
    with pytest.raises(UserError, match=r"(?s)agree on 0% .*all 10 prompts.*runtime\.check_engine=false"):
        served_equals_trained(_engine(["x"] * 10), _trained(0), "m", "float32")


def test_three_telling_prompts_are_too_few_to_decide() -> None:
    assert (
        served_equals_trained(_engine(list(_trained(3).base_texts)), _trained(3), "m", "float32")["agreement_telling"]
        is None
    )
