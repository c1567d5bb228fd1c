"""A look before a big run: does this engine say what the reference engine says?

The engines read the same weights and greedy decoding draws nothing, so first tokens that differ on prompt after prompt
mean a wrong model, tokenizer, kernel or number format, which is cheaper to learn before the run than from its results.
`Canary` asks another engine what would be right; `same_as_trained` asks the file that training left. Source: ours.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from w2s.config import Dtype
from w2s.engines.base import Completion, Decoding, Engine, Request
from w2s.errors import UserError
from w2s.parity import LEAST_TELLING, Parity, agreement

_GO_ON = "go on all the same with runtime.canary=false (w2s sample: --no-canary)"

LEAST_REQUESTS = 500
"""Smaller runs go without: loading the reference would take longer than what it guards."""

PROMPTS = 4
TOKENS = 16
AGREEMENT = 0.75
"""Last bits of bfloat16 alone turn a token now and then, and all after it; a wrong model agrees on next to nothing."""

AGREEMENT_TRAINED: Mapping[Dtype, float] = {"float32": AGREEMENT, "bfloat16": 0.5}
"""The same for a model of trained adapters, by the number format that it is served in. It is compared with itself as
trained: SmolLM2-135M after four steps, served in bfloat16, agreed on 75 % with its float32, since what it had hardly
learnt hung on last bits."""


class Canary:
    """`engine`, which is compared with `reference()` before the first batch of its first big plan.

    In a pool one worker plans and all run, and each is compared before its own first batch: machines may differ.
    """

    def __init__(self, engine: Engine, reference: Callable[[], Engine]) -> None:
        self._engine, self._reference = engine, reference
        self._due: list[Request] | None = None
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
        elsewhere = self._due is None or len(batch) > LEAST_REQUESTS  # planned by another worker, so not a small run
        if not self._done and (due := self._due or (_spread([batch]) if elsewhere else [])):
            self._compare(due, Decoding(min(TOKENS, decoding.max_new_tokens), stop=()))
            self._due, self._done = [], True
        return self._engine.run(batch, decoding)

    def _compare(self, due: Sequence[Request], decoding: Decoding) -> None:
        with contextlib.closing(self._reference()) as reference:  # first, and closed, while the memory is still free
            expected = _texts(reference, due, decoding)
        found = _texts(self._engine, due, decoding)
        share = agreement([(found[name], expected[name]) for name in expected])
        if share < AGREEMENT:
            raise UserError(
                f"its first {decoding.max_new_tokens} greedy tokens agree with those of transformers on {share:.0%} "
                f"of the text ({len(expected)} prompts, up to the first difference)",
                field="engine",
                expected=f"at least {AGREEMENT:.0%}",
                mend="see whether this version of the engine supports the model and dtype, use engine=transformers, "
                f"or {_GO_ON}",
            )

    def count_tokens(self, text: str) -> int:
        """The engine's count."""
        return self._engine.count_tokens(text)

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()


def same_as_trained(engine: Engine, kept: Parity, model: str, dtype: Dtype) -> dict[str, Any]:
    """Ask the engine the prompts of `kept` and refuse it if it does not say what the trained model said.

    Two shares of text (`agreement`) decide. Over all prompts at least `AGREEMENT_TRAINED`: below, another model is
    served, or an adapter of another scale. And over the prompts that tell, those on which the base says something
    else, at least half way from the base's own agreement there to 1: a lost adapter comes out at the base's end of that
    way, last bits of bfloat16 near the other one.

    Args:
        engine: loaded with the model.
        kept: from the model's folder.
        model: the folder, for the message.
        dtype: number format of the engine's weights.

    Returns:
        The shares: `agreement`, that of the `base` when it was trained, the number of `telling` prompts, and
        `agreement_telling`, None where there are too few of them to decide.

    Raises:
        UserError: the engine and the trained model disagree.
    """
    requests = [Request(str(place), 0, prompt) for place, prompt in enumerate(kept.prompts)]
    found = _texts(engine, requests, Decoding(kept.tokens, stop=()))
    everything, telling = range(len(requests)), kept.telling

    def share(places: Sequence[int]) -> float:
        return agreement([(found[str(place)], kept.texts[place]) for place in places])

    shares = [(share(everything), AGREEMENT_TRAINED[dtype], "all")]
    if len(telling) >= LEAST_TELLING:
        base = agreement([(kept.base_texts[place], kept.texts[place]) for place in telling])
        shares.append((share(telling), (1 + base) / 2, f"the {len(telling)} on which the base says something else, of"))
    for measured, least, which in shares:
        if measured < least:
            raise UserError(
                f"engine and trained model agree on {measured:.0%} of the text (first {kept.tokens} greedy tokens, "
                f"{which} {len(requests)} prompts; without its adapter the model agrees on {kept.base_agreement:.0%} "
                "of all): the adapter is lost or scaled wrongly, or another model is served",
                file=model,
                field="engine",
                expected=f"at least {least:.0%}",
                mend="see whether this version of the engine supports the model's adapters and dtype, use "
                f"engine=transformers or training.lora.save=merged, or {_GO_ON}",
            )
    return {
        "agreement": round(shares[0][0], 4),
        "base": round(kept.base_agreement, 4),
        "telling": len(telling),
        "agreement_telling": round(shares[1][0], 4) if len(shares) > 1 else None,
    }


def _spread(batches: Sequence[Sequence[Request]]) -> list[Request]:
    """`PROMPTS` questions, from the longest prompt to the shortest."""
    questions = list({request.id: Request(request.id, 0, request.prompt) for b in batches for request in b}.values())
    last = max(1, min(PROMPTS, len(questions)) - 1)
    return [questions[number * (len(questions) - 1) // last] for number in range(min(PROMPTS, len(questions)))]


def _texts(engine: Engine, requests: Sequence[Request], decoding: Decoding) -> dict[str, str]:
    return {c.id: c.text for batch in engine.plan(requests, decoding) for c in engine.run(batch, decoding)}
