"""Saved states of a training: a folder each, written whole or not at all.

`state.json` has facts and the sha256 of the tensors, which are in safetensors, whole: another number of processes can
go on from them.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from w2s.data import disk, sealed

_log = logging.getLogger(__name__)

KEPT = 2
"""States: the newest, and one more if that is damaged."""
_SCHEMA = 1
_FACTS, _PART = "state.json", "part"


@dataclass(frozen=True, slots=True)
class State:
    """A state that was read: steps `done`, facts, and the file of each tensor."""

    done: int
    facts: Mapping[str, Any]
    places: Mapping[str, Path]

    def tensor(self, name: str) -> Tensor:
        with safe_open(self.places[name], framework="pt") as file:
            return file.get_tensor(name)


def write(place: Path, key: str, done: int, facts: Mapping[str, Any], tensors: Iterable[Mapping[str, Tensor]]) -> None:
    """Write a state into `place`, a file per batch of tensors, and remove all but the last `KEPT`.

    `key`: of all that decides the training.

    Raises:
        OSError, SafetensorError: the disk is full, or cannot be written.
    """
    _remove(_states(place)[KEPT - 1 :])  # before, so that there are never more than `KEPT`
    part = place / f"{_PART}-{uuid.uuid4().hex}"  # a worker whose driver was killed may still be at its own
    part.mkdir(parents=True)
    try:
        files = []
        for number, batch in enumerate(tensors):
            files.append(part / f"tensors-{number:05d}.safetensors")
            save_file(dict(batch), files[-1])
        content = {"schema": _SCHEMA, "key": key, "done": done, "facts": facts, "files": _digests(files)}
        (part / _FACTS).write_text(json.dumps(sealed.seal(content)))
        disk.sync(part)
        _remove([written := place / f"state-{done:09d}"])
        disk.move(part, written)
    finally:
        _remove([part])


def newest(place: Path, key: Callable[[], str]) -> State | None:
    """The last whole state of `key`; later ones are removed, with one warning."""
    _remove(place.glob(f"{_PART}-*"))
    problems: list[str] = []
    found = None
    for folder in _states(place):
        content = _read(folder)
        problem = _problem(folder, content, key())
        if problem is None:
            found = State(content["done"], content["facts"], _places(folder, content["files"]))
            break
        problems.append(f"{folder.name}: {problem}")
        _remove([folder])
    if problems:
        then = f"it goes on from step {found.done}" if found else "it starts from step 0"
        _log.warning("%s: a saved state of the training is not used (%s); %s", place, problems[0], then)
    return found


def reached(place: Path) -> tuple[int, int] | None:
    """Steps done, of all, by the last state; its tensors may prove damaged."""
    read = (_read(folder) for folder in _states(place))
    return next(((content["done"], content["facts"]["total"]) for content in read if content), None)


def _states(place: Path) -> list[Path]:
    """The last one first."""
    return sorted(place.glob("state-*"), reverse=True)


def _read(folder: Path) -> dict[str, Any]:
    """Empty if it was changed."""
    try:
        content = json.loads((folder / _FACTS).read_bytes())
        return content if sealed.is_sealed(content) else {}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def _problem(folder: Path, content: Mapping[str, Any], key: str) -> str | None:
    if not content:
        return f"{_FACTS} is not as it was written"
    if (content.get("schema"), content.get("key")) != (_SCHEMA, key):
        return "it is of another training"
    try:
        found = _digests([folder / name for name in content["files"]])
    except OSError as error:
        return f"{Path(error.filename).name} cannot be read"
    return next((f"{name} has other content" for name in found if found[name] != content["files"][name]), None)


def _digests(files: Iterable[Path]) -> dict[str, str]:
    """Side by side: one core hashes 1 GB per second, and a 7B model's state has 81."""
    files = list(files)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        return {file.name: digest for file, digest in zip(files, threads.map(disk.sha256, files), strict=True)}


def _places(folder: Path, names: Iterable[str]) -> dict[str, Path]:
    places: dict[str, Path] = {}
    for name in names:
        with safe_open(folder / name, framework="pt") as file:
            places |= dict.fromkeys(file.keys(), folder / name)
    return places


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
