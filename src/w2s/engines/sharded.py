"""One engine out of many: batches go to a pool of engines, each in a process of its own, on any machine."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any, Protocol

from w2s.engines.base import Completion, Decoding, Request


class Pool(Protocol):
    """Equal objects in processes of their own; `w2s.flow.ray.Pool` is one."""

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of one of the objects."""

    def each(self, method: str, items: Sequence[Sequence[Any]]) -> Iterator[tuple[int, Any]]:
        """Call a method with the arguments of each item; yields (place of the item, result) as they end."""

    def close(self) -> None:
        """End the processes."""


class Sharded:
    """The engine of a pool of engines. Batches are those of one engine, so texts do not depend on the pool's size."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def plan(self, requests: Sequence[Request], decoding: Decoding) -> list[list[Request]]:
        """As one of the engines plans."""
        planned: list[list[Request]] = self._pool.call("plan", requests, decoding)
        return planned

    def run(self, batch: Sequence[Request], decoding: Decoding) -> list[Completion]:
        """One batch on one engine."""
        completions: list[Completion] = self._pool.call("run", batch, decoding)
        return completions

    def run_many(
        self, batches: Sequence[Sequence[Request]], decoding: Decoding
    ) -> Generator[tuple[int, list[Completion]]]:
        """All batches, as many at once as there are engines."""
        yield from self._pool.each("run", [(batch, decoding) for batch in batches])

    def count_tokens(self, text: str) -> int:
        """As one of the engines counts."""
        return int(self._pool.call("count_tokens", text))

    def close(self) -> None:
        """Close the pool, and with it the engines."""
        self._pool.close()
