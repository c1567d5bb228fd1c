"""A look before a big run: does this engine say what the reference engine says?

The engines read the same weights and greedy decoding draws nothing, so first tokens that differ on prompt after prompt
mean a wrong model, tokenizer, kernel or number format, which is cheaper to learn before the run than from its results.
Source: ours.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Sequence

from w2s.engines.base import Completion, Decoding, Engine, Request
from w2s.errors import UserError

LEAST_REQUESTS = 500
"""Smaller runs go without: loading the reference would take longer than what it guards."""

PROMPTS = 4
TOKENS = 16
AGREEMENT = 0.75
"""Last bits of bfloat16 alone turn a token now and then, and all after it; a wrong model agrees on next to nothing."""


class Canary:
    """`engine`, which is compared with `reference()` before the first batch of its first big plan."""

    def __init__(self, engine: Engine, reference: Callable[[], Engine]) -> None:
        self._engine, self._reference = engine, reference
        self._due: list[Request] = []
        self._done = False

    def plan(self, requests: Sequence[Request], decoding: Decoding) -> list[list[Request]]:
        """The engine's plan."""
        batches = self._engine.plan(requests, decoding)
        self._due = [] if self._done or len(requests) <= LEAST_REQUESTS else _spread(batches)
        return batches

    def run(self, batch: Sequence[Request], decoding: Decoding) -> list[Completion]:
        """The engine's completions.

        Raises:
            UserError: the engine and the reference disagree.
        """
        if self._due:
            self._compare(Decoding(min(TOKENS, decoding.max_new_tokens), stop=()))
            self._due, self._done = [], True
        return self._engine.run(batch, decoding)

    def _compare(self, decoding: Decoding) -> None:
        with contextlib.closing(self._reference()) as reference:  # first, and closed, while the memory is still free
            expected = _texts(reference, self._due, decoding)
        found = _texts(self._engine, self._due, decoding)
        share = agreement([(found[name], expected[name]) for name in expected])
        if share < AGREEMENT:
            raise UserError(
                f"its first {decoding.max_new_tokens} greedy tokens agree with those of transformers on {share:.0%} "
                f"of the text ({len(expected)} prompts, up to the first difference)",
                field="engine",
                expected=f"at least {AGREEMENT:.0%}",
                mend="see whether this version of the engine supports the model and dtype, use engine=transformers, "
                "or go on all the same with runtime.canary=false",
            )

    def count_tokens(self, text: str) -> int:
        """The engine's count."""
        return self._engine.count_tokens(text)

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()


def agreement(pairs: Sequence[tuple[str, str]]) -> float:
    """Mean share of the longer text of each pair that comes before the first difference; two empty texts agree."""
    shares = []
    for pair in pairs:
        equal = itertools.takewhile(lambda both: both[0] == both[1], zip(*pair, strict=False))
        shares.append(len(list(equal)) / max(map(len, pair)) if any(pair) else 1.0)
    return sum(shares) / len(shares)


def _spread(batches: Sequence[Sequence[Request]]) -> list[Request]:
    """`PROMPTS` questions, from the longest prompt to the shortest."""
    questions = list({request.id: Request(request.id, 0, request.prompt) for b in batches for request in b}.values())
    last = max(1, min(PROMPTS, len(questions)) - 1)
    return [questions[number * (len(questions) - 1) // last] for number in range(min(PROMPTS, len(questions)))]


def _texts(engine: Engine, requests: Sequence[Request], decoding: Decoding) -> dict[str, str]:
    return {c.id: c.text for batch in engine.plan(requests, decoding) for c in engine.run(batch, decoding)}
