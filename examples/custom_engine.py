"""An engine of one's own: four methods and a `load`. This one is a calculator that slips as often as it is hot.

python examples/custom_engine.py responses.jsonl
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from pathlib import Path

from w2s import engines, seeds
from w2s.engines.base import Completion, Decoding, Loading, Request, groups
from w2s.records import Question
from w2s.verbs import sampling


class Calculator:
    """Answers "What is 3 + 4 ?". What an engine promises is in tests/contract/test_engines.py."""

    def plan(self, requests: Sequence[Request], decoding: Decoding) -> list[list[Request]]:
        """Batches: the samples of a question together, in an order that is not that of the requests."""
        return groups(requests, len)

    def run(self, batch: Sequence[Request], decoding: Decoding) -> list[Completion]:
        """One batch, in its order, the same whenever it is run: a batch is what a killed run does again."""
        return [self._complete(request, decoding) for request in batch]

    def _complete(self, request: Request, decoding: Decoding) -> Completion:
        # The seed of a text comes from its ids, so neither order nor batches nor resuming can change it.
        draw = random.Random(seeds.derive(decoding.seed, request.id, request.sample))
        left, right = (int(word) for word in request.prompt.split() if word.isdigit())
        slips = draw.random() < decoding.temperature / 4
        text = f"{left} + {right} = {left + right + slips}.\n#### {left + right + slips}"
        return Completion(request.id, request.sample, text, self.count_tokens(text), "stop")

    def count_tokens(self, text: str) -> int:
        """Words, as there is no tokenizer."""
        return len(text.split())

    def close(self) -> None:
        """Nothing to free."""


def load(model: str | Path, loading: Loading) -> Calculator:
    """The function that the table of engines names."""
    return Calculator()


def main(out: str) -> sampling.Sampled:
    engines.TABLE["calculator"] = "custom_engine:load"  # in the package: one line of TABLE
    questions = [Question(f"q{n}", f"What is {n} + {2 * n} ?") for n in range(50)]
    decoding = Decoding(16, temperature=1.0, seed=sampling.step_seed(0))
    loading = Loading("calculator")
    return sampling.sample(questions, out, model="scripted:calculator", n=10, decoding=decoding, loading=loading)


if __name__ == "__main__":
    print(main(sys.argv[1] if len(sys.argv) > 1 else "responses.jsonl"))
