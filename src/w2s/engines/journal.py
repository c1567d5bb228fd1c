"""Generation that survives a kill: finished batches are on disk, the rest is done again.

A journal line is one finished batch: {"batch": digest, "completions": [[id, sample, text, tokens, finish], ...]}.
Engines never carry anything from one batch to the next, so a resumed run equals an unbroken one. Lines stand in the
order in which batches ended: the plan's, unless the engine runs many at once.

A call of `generate` holds its requests, their prompts and their texts. Whoever has more questions than that is good for
gives them in `parts`, each with a journal of its own, and writes the texts of one before the next.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from w2s.engines.base import Completion, Decoding, Engine, Request
from w2s.errors import UserError

Item = TypeVar("Item")

PART = 2**16
"""Texts of a part: 65,536 of 1 kB are 64 MiB, and still many whole batches."""

OnProgress = Callable[[int, int, int], None]
"""Called after each batch with (completions done, completions in all, tokens generated so far)."""


@runtime_checkable
class RunsMany(Engine, Protocol):
    """An engine that is faster with many batches under way at once (a server, a pool of machines)."""

    def run_many(
        self, batches: Sequence[Sequence[Request]], decoding: Decoding
    ) -> Generator[tuple[int, list[Completion]]]:
        """Yield (place in `batches`, completions in the batch's order) as batches end, each of them once.

        Closing the generator gives up what is under way.
        """
        ...


def parts(questions: Iterable[Item], n: int) -> Iterator[list[Item]]:
    """The questions in lists for which at most `PART` texts are drawn, with `n` a question; at least one in each."""
    rest, size = iter(questions), max(1, PART // n)
    while part := list(itertools.islice(rest, size)):
        yield part


def generate(
    engine: Engine,
    requests: Sequence[Request],
    decoding: Decoding,
    journal: Path | None = None,
    on_progress: OnProgress | None = None,
) -> list[Completion]:
    """Complete `requests`, in their order, skipping batches that `journal` holds whole.

    A batch is found again by a digest of its requests and the decoding. The journal does not know the model:
    its place on disk must (the flow's scratch folder is keyed by the step's fingerprint).

    Raises:
        UserError: a request is refused by the engine, or the journal is damaged before its last line.
    """
    done: dict[tuple[str, int], Completion] = {}
    tokens = 0

    def take(completions: Sequence[Completion]) -> None:
        nonlocal tokens
        done.update(((c.id, c.sample), c) for c in completions)
        tokens += sum(c.tokens for c in completions)
        if on_progress is not None:
            on_progress(len(done), len(requests), tokens)

    batches = {_digest(batch, decoding): batch for batch in engine.plan(requests, decoding)}
    finished = {} if journal is None else _recover(journal)
    for key in [key for key in batches if key in finished]:
        take(finished[key])
        del batches[key]
    keys = list(batches)
    with contextlib.closing(_run(engine, list(batches.values()), decoding)) as ended:
        for place, completions in ended:
            if journal is not None:
                _append(journal, keys[place], completions)
            take(completions)
    return [done[r.id, r.sample] for r in requests]


def _run(
    engine: Engine, batches: Sequence[Sequence[Request]], decoding: Decoding
) -> Generator[tuple[int, list[Completion]]]:
    if isinstance(engine, RunsMany):
        return engine.run_many(batches, decoding)
    return ((place, engine.run(batch, decoding)) for place, batch in enumerate(batches))


def _digest(batch: Sequence[Request], decoding: Decoding) -> str:
    content = [dataclasses.astuple(decoding), [dataclasses.astuple(request) for request in batch]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _append(journal: Path, key: str, completions: Sequence[Completion]) -> None:
    journal.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"batch": key, "completions": [dataclasses.astuple(c) for c in completions]})
    with open(journal, "ab") as file:
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _recover(journal: Path) -> dict[str, list[Completion]]:
    """The whole batches of `journal`; a last line torn by a kill is cut off, so that appending is safe."""
    if not journal.exists():
        return {}
    finished: dict[str, list[Completion]] = {}
    whole = 0
    with open(journal, "r+b") as file:
        lines = file.readlines()
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                batch = [Completion(*values) for values in row["completions"]]
            except (ValueError, KeyError, TypeError) as error:
                if number < len(lines):
                    raise UserError(
                        "is damaged", file=journal, line=number, mend="delete the file; its batches are generated again"
                    ) from error
                break
            if not line.endswith(b"\n"):
                break
            finished[row["batch"]] = batch
            whole += len(line)
        file.truncate(whole)
    return finished
