"""Input and output of every engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from w2s import prompting
from w2s.callback import Callback
from w2s.config.choices import Dtype
from w2s.config.schema import Runtime
from w2s.errors import UserError, one_of

if TYPE_CHECKING:
    from w2s.engines.isolated import Processes

ticks: Callback[[int, int]] = Callback("ticks")
"""Progress from inside a batch: its finished rows, and its tokens so far.

An engine need not tell, and one of a user's own may: the signature stays `run(batch, decoding)`.
"""


@dataclass(frozen=True, slots=True)
class Loading:
    """How a model is loaded.

    Args:
        engine: in `engines.TABLE`.
        runtime: changes no completion beyond floating point.
        processes: those of the run; None: one per engine.
    """

    engine: str = "transformers"
    dtype: Dtype = "float32"
    trust_remote_code: bool = False
    runtime: Runtime = field(default_factory=Runtime)
    processes: Processes | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        one_of("dtype", self.dtype, get_args(Dtype), "dtype")


@dataclass(frozen=True, slots=True)
class Request:
    """One completion to generate; `sample` counts from 0."""

    id: str
    sample: int
    prompt: str


@dataclass(frozen=True, slots=True)
class Decoding:
    """How tokens are sampled; temperature 0 is greedy. Each row's seed derives from `seed`."""

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
            raise UserError("an empty stop string would end every completion at once", field="stop")


@dataclass(frozen=True, slots=True)
class Completion:
    """Text without stop string, special tokens and outer white space.

    `tokens` includes the end-of-text token; `finish` is "length" where the text was cut: at `max_new_tokens`, or by a
    server's filter.
    """

    id: str
    sample: int
    text: str
    tokens: int
    finish: Literal["stop", "length"]


class Engine(Protocol):
    """What every engine does."""

    def plan(self, requests: Sequence[Request], decoding: Decoding) -> list[list[Request]]:
        """Batches that depend neither on the order of `requests` nor on the machine. Raises UserError."""
        ...

    def run(self, batch: Sequence[Request], decoding: Decoding) -> list[Completion]:
        """One batch of `plan`, in order. Equal batches give equal completions."""
        ...

    def count_tokens(self, text: str) -> int:
        """Without special tokens."""
        ...

    def close(self) -> None: ...


def device_memory(engine: object) -> int | None:
    """The most bytes that an engine took on a GPU since it was loaded; None: no GPU, or it has no method for it."""
    measured: int | None = getattr(engine, "device_memory", lambda: None)()
    return measured


def groups(requests: Sequence[Request], length: Callable[[str], int]) -> list[list[Request]]:
    """Requests by question, longest prompt first: a lack of memory shows at once.

    Raises:
        UserError: a request stands twice, or prompts of a question differ.
    """
    by_id: dict[str, dict[int, Request]] = {}
    for request in requests:
        samples = by_id.setdefault(request.id, {})
        if request.sample in samples:
            raise UserError(
                f"question {request.id!r}, sample {request.sample} is requested twice",
                hint="give every question its own id",
            )
        if samples and next(iter(samples.values())).prompt != request.prompt:
            raise UserError(
                f"the samples of question {request.id!r} have different prompts", expected="one prompt per id"
            )
        samples[request.sample] = request
    grouped = [[samples[number] for number in sorted(samples)] for samples in by_id.values()]
    return sorted(grouped, key=lambda group: (-length(group[0].prompt), group[0].id))
