"""Checks of greedy tokens before a long generation. Source: ours."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from w2s.config.choices import Dtype
from w2s.engines.base import Completion, Decoding, Engine, Request, device_memory
from w2s.errors import UserError
from w2s.models.parity import LEAST_TELLING, Parity, agreement

_SKIP = "skip this check with runtime.check_engine=false (w2s sample: --no-check)"

LEAST_REQUESTS = 500
"""Smaller runs are unchecked: loading the reference takes longer."""

PROMPTS = 4
TOKENS = 16
AGREEMENT = 0.75
"""bfloat16 changes some tokens, and all after them."""

AGREEMENT_TRAINED: Mapping[Dtype, float] = {"float32": AGREEMENT, "bfloat16": 0.5}
"""With trained adapters, by dtype served."""


class CheckedEngine:
    """`engine`, compared once with `reference()` before a run of over `LEAST_REQUESTS` requests."""

    def __init__(self, engine: Engine, reference: Callable[[], Engine]) -> None:
        self._engine, self._reference = engine, reference
        self._due: list[Request] | None = None
        self._done = False

    def plan(self, requests: Sequence[Request], decoding: Decoding) -> list[list[Request]]:
        batches = self._engine.plan(requests, decoding)
        self._due = [] if self._done or len(requests) <= LEAST_REQUESTS else _spread(batches)
        return batches

    def run(self, batch: Sequence[Request], decoding: Decoding) -> list[Completion]:
        elsewhere = self._due is None or len(batch) > LEAST_REQUESTS  # planned by another worker: a long run
        if not self._done and (due := self._due or (_spread([batch]) if elsewhere else [])):
            engine_equals_reference(self._engine, self._reference, due, min(TOKENS, decoding.max_new_tokens))
            self._due, self._done = [], True
        return self._engine.run(batch, decoding)

    def count_tokens(self, text: str) -> int:
        return self._engine.count_tokens(text)

    def device_memory(self) -> int | None:
        return device_memory(self._engine)

    def close(self) -> None:
        self._engine.close()


def engine_equals_reference(
    engine: Engine, reference: Callable[[], Engine], requests: Sequence[Request], tokens: int
) -> float:
    """Agreement of the first greedy `tokens`; closes the reference first, to free its memory.

    Raises:
        UserError: it is below `AGREEMENT`.
    """
    decoding = Decoding(tokens, stop=())
    with contextlib.closing(reference()) as loaded:
        expected = _texts(loaded, requests, decoding)
    texts = _texts(engine, requests, decoding)
    share = agreement([(texts[id], expected[id]) for id in expected])
    if share < AGREEMENT:
        raise UserError(
            f"its first {tokens} greedy tokens agree with those of transformers on {share:.0%} "
            f"of the text ({len(expected)} prompts, up to the first difference)",
            field="engine",
            expected=f"at least {AGREEMENT:.0%}",
            hint="see whether this version of the engine supports the model and dtype, use engine=transformers, "
            f"or {_SKIP}",
        )
    return share


def served_equals_trained(engine: Engine, trained: Parity, model: str, dtype: Dtype) -> dict[str, Any]:
    """Compare the engine with what the model wrote right after training.

    Least agreement: `AGREEMENT_TRAINED` over all prompts; half-way from the base's to 1 over the telling ones, where it
    differs.

    Returns:
        `agreement`, `base`, number of `telling`, `agreement_telling` (None: too few).

    Raises:
        UserError: an agreement is too low.
    """
    requests = [Request(str(place), 0, prompt) for place, prompt in enumerate(trained.prompts)]
    texts = _texts(engine, requests, Decoding(trained.tokens, stop=()))
    telling = trained.telling

    def share(places: Sequence[int]) -> float:
        return agreement([(texts[str(place)], trained.texts[place]) for place in places])

    shares = [(share(range(len(requests))), AGREEMENT_TRAINED[dtype], "all")]
    if len(telling) >= LEAST_TELLING:
        base = agreement([(trained.base_texts[place], trained.texts[place]) for place in telling])
        shares.append((share(telling), (1 + base) / 2, f"the {len(telling)} on which the base differs, of"))
    for measured, least, which in shares:
        if measured < least:
            raise UserError(
                f"engine and trained model agree on {measured:.0%} of the text (first {trained.tokens} greedy tokens, "
                f"{which} {len(requests)} prompts; without its adapter the model agrees on "
                f"{trained.base_agreement:.0%} of all): the adapter is lost or scaled wrongly, or another model is "
                "served",
                file=model,
                field="engine",
                expected=f"at least {least:.0%}",
                hint="see whether this version of the engine supports the model's adapters and dtype, use "
                f"engine=transformers or training.lora.save=merged, or {_SKIP}",
            )
    return {
        "agreement": round(shares[0][0], 4),
        "base": round(trained.base_agreement, 4),
        "telling": len(telling),
        "agreement_telling": round(shares[1][0], 4) if len(shares) > 1 else None,
    }


def _spread(batches: Sequence[Sequence[Request]]) -> list[Request]:
    prompts = {request.id: request.prompt for batch in batches for request in batch}
    questions = [Request(id, 0, prompt) for id, prompt in prompts.items()]
    last = max(1, min(PROMPTS, len(questions)) - 1)
    return [questions[number * (len(questions) - 1) // last] for number in range(min(PROMPTS, len(questions)))]


def _texts(engine: Engine, requests: Sequence[Request], decoding: Decoding) -> dict[str, str]:
    return {c.id: c.text for batch in engine.plan(requests, decoding) for c in engine.run(batch, decoding)}
