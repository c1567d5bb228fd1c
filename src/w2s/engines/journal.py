"""Generation that survives a kill: a resumed run equals an unbroken one.

A line per batch: {"batch": digest, "completions": [[id, sample, text, tokens, finish], ...]} and its digest.
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
from typing import IO, Any, Protocol, TypeVar, runtime_checkable

from w2s.data import disk, sealed
from w2s.engines.base import Completion, Decoding, Engine, Request, ticks
from w2s.errors import UserError

Item = TypeVar("Item")

_UNSEALED = {"batch", "completions"}
"""Fields of earlier versions' lines."""

PART = 2**16
"""Completions per part; 64 MiB at 1 kB each."""

OnProgress = Callable[[int, int, int], None]
"""Gets (completions done, in all, tokens) per batch, and as an engine tells within one (`ticks`)."""


@runtime_checkable
class RunsMany(Engine, Protocol):
    """Engine faster with many batches at once."""

    def run_many(
        self, batches: Sequence[Sequence[Request]], decoding: Decoding
    ) -> Generator[tuple[int, list[Completion]]]:
        """Yield (place in `batches`, completions) as batches end; closing stops the others."""
        ...


def parts(questions: Iterable[Item], n: int) -> Iterator[list[Item]]:
    """Questions in lists of at most `PART` completions, at least one question."""
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
    """Complete `requests`, in order; skips batches in `journal`. Each model needs its own, as digests omit it.

    Raises:
        UserError: a request is refused, or the journal is damaged before its last line.
    """
    done: dict[tuple[str, int], Completion] = {}
    tokens = 0

    def take(completions: Sequence[Completion]) -> None:
        nonlocal tokens
        done.update(((c.id, c.sample), c) for c in completions)
        tokens += sum(c.tokens for c in completions)
        tell(0, 0)

    def tell(rows: int, new_tokens: int) -> None:
        if on_progress is not None:
            on_progress(len(done) + rows, len(requests), tokens + new_tokens)

    batches = {_digest(batch, decoding): batch for batch in engine.plan(requests, decoding)}
    finished = {} if journal is None else _recover(journal)
    for key in [key for key in batches if key in finished and _answers(finished[key], batches[key])]:
        take(finished[key])
        del batches[key]
    keys = list(batches)
    with contextlib.closing(_run(engine, list(batches.values()), decoding)) as ended, ticks.heard(tell):
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


def _answers(completions: Sequence[Completion], batch: Sequence[Request]) -> bool:
    return sorted((c.id, c.sample) for c in completions) == sorted((r.id, r.sample) for r in batch)


def _digest(batch: Sequence[Request], decoding: Decoding) -> str:
    content = [dataclasses.astuple(decoding), [dataclasses.astuple(request) for request in batch]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _append(journal: Path, key: str, completions: Sequence[Completion]) -> None:
    line = json.dumps(sealed.seal({"batch": key, "completions": [dataclasses.astuple(c) for c in completions]}))
    with disk.writing(journal):
        journal.parent.mkdir(parents=True, exist_ok=True)
        with open(journal, "ab") as file:
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _recover(journal: Path) -> dict[str, list[Completion]]:
    """Whole batches; cuts a torn last line."""
    if not journal.exists():
        return {}
    finished: dict[str, list[Completion]] = {}
    whole = 0
    with _opened(journal) as file:
        lines = file.readlines()
        for number, line in enumerate(lines, 1):
            try:
                key, batch = _batch(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                if number < len(lines):
                    raise UserError(
                        "is damaged", file=journal, line=number, hint="delete the file; its batches are generated again"
                    ) from error
                break
            if not line.endswith(b"\n"):
                break
            finished[key] = batch
            whole += len(line)
        file.truncate(whole)
    return finished


def _opened(journal: Path) -> IO[bytes]:
    try:
        if journal.is_file():
            return open(journal, "r+b")
        problem = "is no file"
    except OSError as error:
        problem = f"cannot be opened ({error.strerror})"
    raise UserError(problem, file=journal, hint="move it away; its batches are generated again")


def _batch(row: Any) -> tuple[str, list[Completion]]:
    """Digest and completions; ValueError, KeyError, TypeError, AttributeError if damaged."""
    if row.keys() != _UNSEALED and not sealed.is_sealed(row):
        raise ValueError("it was changed on disk")
    key, batch = row["batch"], [Completion(*values) for values in row["completions"]]
    if not isinstance(key, str) or not all(_is_whole(completion) for completion in batch):
        raise ValueError("not as `_append` writes it")
    return key, batch


def _is_whole(completion: Completion) -> bool:
    texts, numbers = (completion.id, completion.text, completion.finish), (completion.sample, completion.tokens)
    return all(isinstance(text, str) for text in texts) and all(type(number) is int for number in numbers)
