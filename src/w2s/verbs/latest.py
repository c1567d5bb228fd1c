"""The newest responses of a run, while it goes on: of the batch that ended last, or of the generation that did."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

TAIL = 2**22
"""Bytes read from the end of a file."""


class Sample(NamedTuple):
    """A response; `step`: its generation."""

    step: str
    id: str
    text: str


def samples(folder: Path, count: int) -> list[Sample]:
    """At most `count`, the newest last. Damaged and torn lines are passed over."""
    files = [*folder.glob(".work/*/scratch/journal-*.jsonl"), *folder.glob("data/*.jsonl")]
    for file in sorted(files, key=_modified, reverse=True):
        found = [sample for line in _tail(file) for sample in _read(file, line)]
        if found:
            return found[-count:]
    return []


def lines(sample: Sample, width: int = 80) -> list[str]:
    """For people; what could move a terminal's cursor is escaped."""
    text = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in sample.text.strip())
    rows = [row[start : start + width - 4] for row in text.split("\n") for start in range(0, len(row) or 1, width - 4)]
    return [f"{sample.step}, question {ascii(sample.id)[1:-1]}:", *(f"    {row}" for row in rows)]


def _modified(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:  # the run has moved it
        return 0


def _tail(file: Path) -> list[bytes]:
    try:
        with open(file, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            stream.seek(max(0, size - TAIL))
            rows = stream.read().splitlines()
    except OSError:
        return []
    return rows[1:] if size > TAIL else rows


def _read(file: Path, line: bytes) -> Iterator[Sample]:
    try:
        row: Any = json.loads(line)
        if file.name.startswith("journal-"):
            step = file.parent.parent.name.rpartition("-")[0]
            found = [(each[0], each[2]) for each in row["completions"]]
        else:
            step, found = file.stem, [(row["id"], row["response"])]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return
    yield from (Sample(step, str(id), text) for id, text in found if isinstance(text, str))
