"""From questions to responses; memory holds one part (`journal.parts`)."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from w2s.engines import checks, journal
from w2s.engines.base import Completion, Decoding, Engine, Loading, Request, device_memory
from w2s.models import parity
from w2s.records import Question, Response


@dataclass(frozen=True, slots=True)
class Part:
    """Some questions, and prompts by id."""

    number: int
    questions: Sequence[Question]
    prompts: Mapping[str, str]

    def requests(self, n: int) -> list[Request]:
        return [Request(q.id, sample, self.prompts[q.id]) for q in self.questions for sample in range(n)]


@dataclass(slots=True)
class Generation:
    """The responses of one model, and progress.

    Args:
        questions: called three times.
        n: most samples per question.
        journal_file: name -> file; None keeps nothing.
    """

    questions: Callable[[], Iterable[Question]]
    prompt: Callable[[str], str]
    n: int
    decoding: Decoding
    journal_file: Callable[[str], Path | None]
    on_progress: journal.OnProgress | None = None
    most: int = field(init=False)
    """Responses; a sampler may lower it."""
    done: int = field(init=False, default=0)
    tokens: int = field(init=False, default=0)
    cut_off: int = field(init=False, default=0)
    device_memory: int | None = field(init=False, default=None)
    """Most bytes on a GPU of one process; of the last part only, if resumed."""

    def __post_init__(self) -> None:
        self.most = self.n * sum(1 for _ in self.questions())

    def run(
        self,
        load: Callable[[], Engine],
        model: str,
        loading: Loading,
        write: Callable[[Iterable[Response]], object],
        sample: Sampler | None = None,
    ) -> dict[str, Any] | None:
        """Load, check, plan every part, generate and `write`. Without questions no model is loaded.

        Returns:
            The result of `checks.served_equals_trained`, if run.

        Raises:
            UserError: a request is refused, or the check fails.
        """
        if not self.most:
            write(())
            return None
        if self.on_progress is not None:
            self.on_progress(0, self.most, 0)
        with contextlib.closing(load()) as engine:
            check = None
            if loading.runtime.check_engine and (trained := parity.read(model)) is not None:
                check = checks.served_equals_trained(engine, trained, model, loading.dtype)
            for part in itertools.islice(self._parts(), 1, None):  # a refusal comes now, not after hours
                engine.plan(part.requests(self.n), self.decoding)
            write(self._responses(engine, sample or _all))
            self.device_memory = device_memory(engine)
        return check

    def complete(self, engine: Engine, requests: Sequence[Request], name: str) -> list[Completion]:
        done, tokens = self.done, self.tokens

        def on_progress(now: int, _: int, new_tokens: int) -> None:
            self.done, self.tokens = done + now, tokens + new_tokens
            if self.on_progress is not None:
                self.on_progress(self.done, self.most, self.tokens)

        completions = journal.generate(engine, requests, self.decoding, self.journal_file(name), on_progress)
        self.cut_off += sum(completion.finish == "length" for completion in completions)
        return completions

    def _parts(self) -> Iterator[Part]:
        for number, questions in enumerate(journal.parts(self.questions(), self.n)):
            yield Part(number, questions, {question.id: self.prompt(question.question) for question in questions})

    def _responses(self, engine: Engine, sample: Sampler) -> Iterator[Response]:
        for part in self._parts():
            text = {question.id: question.question for question in part.questions}
            for c in sample(self, engine, part):
                yield Response(c.id, text[c.id], c.text, c.sample, cut=c.finish == "length", tokens=c.tokens)


Sampler = Callable[[Generation, Engine, Part], Iterable[Completion]]
"""Calls `Generation.complete`; keeps the questions' order."""


def _all(generation: Generation, engine: Engine, part: Part) -> list[Completion]:
    return generation.complete(engine, part.requests(generation.n), str(part.number))
