"""A pool of engines as one: how far all are, and the most memory of any. `test_ray` has the pool itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from w2s.engines import journal
from w2s.engines.base import Decoding, Request, ticks
from w2s.engines.scripted import ScriptedEngine
from w2s.engines.sharded import Shard, Sharded

REQUESTS = [Request(f"q{number}", sample, "p") for number in range(64) for sample in range(2)]


class Looking:
    """A pool of two, which looks at both before each batch ends."""

    def __init__(self, *shards: Any) -> None:
        self.shards = shards

    def call(self, method: str, *arguments: Any) -> Any:
        return getattr(self.shards[0], method)(*arguments)

    def each(self, method: str, items: Sequence[Sequence[Any]], look: Any = None) -> Iterator[tuple[int, Any]]:
        name, hear = look
        for place, arguments in enumerate(items):
            hear([(3, 30), (4, 40)])
            yield place, getattr(self.shards[place % 2], method)(*arguments)
        hear([getattr(shard, name)() for shard in self.shards])

    def idle(self, method: str) -> list[Any]:
        return [getattr(shard, method)() for shard in self.shards]

    def close(self) -> None: ...


def test_a_shard_remembers_how_far_its_batch_is() -> None:
    seen: list[tuple[int, int]] = []

    def say(request: Request, decoding: Decoding) -> str:
        ticks.tell(request.sample + 1, 9)
        seen.append(shard.far())
        return "a b"

    shard = Shard(ScriptedEngine(say))
    assert shard.far() == (0, 0) and len(shard.run(REQUESTS[:2], Decoding(5))) == 2
    assert seen == [(1, 9), (2, 9)] and shard.far() == (0, 0)  # the next batch begins at nothing
    assert shard.device_memory() is None and shard.count_tokens("a b") == 2


def test_how_far_all_workers_are_is_added_to_what_has_ended() -> None:
    """Batches of 64 texts of 2 tokens; two workers are 7 rows and 70 tokens further."""
    told: list[tuple[int, int, int]] = []
    engine = Sharded(Looking(*(Shard(ScriptedEngine(lambda *_: "a b")) for _ in range(2))))
    done = journal.generate(engine, REQUESTS, Decoding(5), on_progress=lambda *counts: told.append(counts))
    assert len(done) == 128
    assert told == [(7, 128, 70), (64, 128, 128), (71, 128, 198), (128, 128, 256), (128, 128, 256)]
    assert [c.id for c in engine.run(REQUESTS[:2], Decoding(5))] == ["q0", "q0"]


def test_the_most_memory_of_any_worker_counts() -> None:
    shards = [Shard(ScriptedEngine(lambda *_: "a")) for _ in range(2)]
    assert Sharded(Looking(*shards)).device_memory() is None
    shards[1]._engine.device_memory = lambda: 5  # type: ignore[attr-defined]
    assert Sharded(Looking(*shards)).device_memory() == 5
