"""A pool of engines in processes, on any machine, as one."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any, Protocol

from w2s.engines.base import Completion, Decoding, Request


class Pool(Protocol):
    """Equal objects in processes, like `w2s.flow.ray.Pool`."""

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of one object."""

    def each(self, method: str, items: Sequence[Sequence[Any]]) -> Iterator[tuple[int, Any]]:
        """Yield (place of the item, result) as calls end."""

    def close(self) -> None:
        """End the processes."""


class Sharded:
    """A pool of engines as one; its size changes no completion."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def plan(self, requests: Sequence[Request], decoding: Decoding) -> list[list[Request]]:
        planned: list[list[Request]] = self._pool.call("plan", requests, decoding)
        return planned

    def run(self, batch: Sequence[Request], decoding: Decoding) -> list[Completion]:
        completions: list[Completion] = self._pool.call("run", batch, decoding)
        return completions

    def run_many(
        self, batches: Sequence[Sequence[Request]], decoding: Decoding
    ) -> Generator[tuple[int, list[Completion]]]:
        yield from self._pool.each("run", [(batch, decoding) for batch in batches])

    def count_tokens(self, text: str) -> int:
        return int(self._pool.call("count_tokens", text))

    def close(self) -> None:
        self._pool.close()
