"""A pool of engines in processes, on any machine, as one."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Protocol

from w2s import engines
from w2s.engines.base import Completion, Decoding, Engine, Loading, Request, device_memory, ticks


class Shard:
    """A worker's engine that remembers how far its batch is."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._far = engine, (0, 0)

    def plan(self, requests: Sequence[Request], decoding: Decoding) -> list[list[Request]]:
        return self._engine.plan(requests, decoding)

    def run(self, batch: Sequence[Request], decoding: Decoding) -> list[Completion]:
        try:
            with ticks.heard(self._hear):
                return self._engine.run(batch, decoding)
        finally:
            self._hear(0, 0)

    def count_tokens(self, text: str) -> int:
        return self._engine.count_tokens(text)

    def far(self) -> tuple[int, int]:
        """Finished rows of the batch and its tokens so far, as the engine tells; from any thread."""
        return self._far

    def device_memory(self) -> int | None:
        return device_memory(self._engine)

    def _hear(self, rows: int, tokens: int) -> None:
        self._far = rows, tokens


def load(model: str, loading: Loading) -> Shard:
    """In a worker. Raises UserError as the engine's own `load`."""
    return Shard(engines.load(model, loading))


class Pool(Protocol):
    """Equal objects in processes, like `w2s.flow.ray.Pool`."""

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of one object."""

    def each(
        self, method: str, items: Sequence[Sequence[Any]], look: tuple[str, Callable[[list[Any]], None]] | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Yield (place of the item, result) as calls end.

        `look`: a method that busy objects answer, and who gets the answers now and then.
        """

    def idle(self, method: str) -> list[Any]:
        """What this method of each idle object returns."""

    def close(self) -> None:
        """End the processes."""


def _tell(far: list[tuple[int, int]]) -> None:
    ticks.tell(sum(rows for rows, _ in far), sum(tokens for _, tokens in far))


class Sharded:
    """A pool of `Shard`s as one engine; its size changes no completion."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def plan(self, requests: Sequence[Request], decoding: Decoding) -> list[list[Request]]:
        planned: list[list[Request]] = self._pool.call("plan", requests, decoding)
        return planned

    def run(self, batch: Sequence[Request], decoding: Decoding) -> list[Completion]:
        return next(self.run_many([batch], decoding))[1]

    def run_many(
        self, batches: Sequence[Sequence[Request]], decoding: Decoding
    ) -> Generator[tuple[int, list[Completion]]]:
        yield from self._pool.each("run", [(batch, decoding) for batch in batches], ("far", _tell))

    def count_tokens(self, text: str) -> int:
        return int(self._pool.call("count_tokens", text))

    def device_memory(self) -> int | None:
        """Of the worker that took most."""
        return max((most for most in self._pool.idle("device_memory") if most is not None), default=None)

    def close(self) -> None:
        self._pool.close()
