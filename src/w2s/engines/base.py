"""What every engine takes and gives, and how requests become batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from w2s import prompting
from w2s.errors import UserError


@dataclass(frozen=True, slots=True)
class Request:
    """One text to generate: `sample` counts from 0 and tells the draws of one question apart."""

    id: str
    sample: int
    prompt: str


@dataclass(frozen=True, slots=True)
class Decoding:
    """How texts are drawn. Temperature 0 is greedy; `seed` is the step's, each row derives its own from it."""

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = prompting.STOP
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise UserError("must be at least 1", field="max_new_tokens")
        if self.temperature < 0:
            raise UserError("cannot be negative", field="temperature", expected="0 (greedy) or more")
        if not 0 < self.top_p <= 1:
            raise UserError("is out of range", field="top_p", expected="more than 0, at most 1")
        if "" in self.stop:
            raise UserError("an empty stop string would end every text at once", field="stop")


@dataclass(frozen=True, slots=True)
class Completion:
    """A generated text, without stop string, special tokens and surrounding white space.

    `tokens` counts the tokens the model produced, the end-of-text token included; `finish` is "length" where
    the text was cut at `max_new_tokens`.
    """

    id: str
    sample: int
    text: str
    tokens: int
    finish: Literal["stop", "length"]


class Engine(Protocol):
    """Requests in, completions out. `plan` is deterministic and free of the order of requests and of the machine."""

    def plan(self, requests: Sequence[Request], decoding: Decoding) -> list[list[Request]]:
        """Split requests into batches; refuses what cannot be run (UserError) before anything is computed."""
        ...

    def run(self, batch: Sequence[Request], decoding: Decoding) -> list[Completion]:
        """Complete one batch of `plan`, in its order. Equal batches give equal completions."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of `text`, special tokens not counted."""
        ...

    def close(self) -> None:
        """Give back the memory."""
        ...


def groups(requests: Sequence[Request], length: Callable[[str], int]) -> list[list[Request]]:
    """All samples of a question together, longest prompt first (so that a lack of memory shows at once).

    Raises:
        UserError: one (id, sample) is asked for twice, or the samples of one question differ in prompt.
    """
    by_id: dict[str, dict[int, Request]] = {}
    for request in requests:
        samples = by_id.setdefault(request.id, {})
        if request.sample in samples:
            raise UserError(
                f"question {request.id!r}, sample {request.sample} is asked for twice",
                mend="give every question its own id",
            )
        if samples and next(iter(samples.values())).prompt != request.prompt:
            raise UserError(
                f"the samples of question {request.id!r} have different prompts", expected="one prompt per id"
            )
        samples[request.sample] = request
    grouped = [[samples[number] for number in sorted(samples)] for samples in by_id.values()]
    return sorted(grouped, key=lambda group: (-length(group[0].prompt), group[0].id))
