"""Outputs and records of a run's folder. The record comes last: without it nothing counts as made."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from w2s import disk
from w2s.errors import UserError
from w2s.flow.step import Step

SCHEMA = 1
CHECKED_BYTES = 1_000_000
"""Files below this are read again when their record is reused; of larger ones only the size is compared."""


class Store:
    """The layout: `records/<step>.json`, `<output>`, and `.work/<step>-<fingerprint>/` with scratch and output.

    `.reached.json` says which of the records belong to the last run of this folder: those of an earlier one stay until
    they are replaced.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._work = folder / ".work"

    def record(self, name: str) -> dict[str, Any] | None:
        """A step's record; None if there is none that this version can read."""
        try:
            found = json.loads(self._record_path(name).read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and found.get("schema") == SCHEMA else None

    def records(self) -> Iterator[dict[str, Any]]:
        """All records, by name."""
        for path in sorted((self.folder / "records").glob("*.json")):
            if (found := self.record(path.stem)) is not None:
                yield found

    def reach(self, steps: Iterable[Step], *, durable: bool = False) -> None:
        """Write down that this run has come to the end of these steps, and of no others.

        Durable where a run begins, since what stands there speaks for another run, and where it ends. In between a
        power cut costs at most what the next run finds again, and waiting for the disk at each step costs seconds.
        """
        text = json.dumps({step.name: step.fingerprint for step in steps}, indent=1)
        disk.write(self.folder / ".reached.json", text + "\n", durable=durable)

    def reached(self) -> dict[str, str] | None:
        """The fingerprints of the steps that the last run came to the end of; a skipped one has no record.

        None in a folder from before this was written down.
        """
        try:
            found = json.loads((self.folder / ".reached.json").read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def damage(self, record: dict[str, Any]) -> str | None:
        """Why the output of a record cannot be used, or None."""
        for file in record["files"]:
            path = self.folder / file["path"]
            try:
                size = path.stat().st_size
            except OSError:
                return f"output missing: {file['path']}"
            if size != file["bytes"]:
                return f"output changed on disk: {file['path']} has {size} bytes, not {file['bytes']}"
            if size < CHECKED_BYTES and disk.sha256(path) != file["sha256"]:
                return f"output changed on disk: {file['path']} has other content"
        return None

    def partial(self, step: Step) -> bool:
        """Whether a killed run left partial work under this identity."""
        scratch = self._work_path(step) / "scratch"
        return scratch.is_dir() and any(scratch.iterdir())

    def open(self, step: Step) -> tuple[Path, Path]:
        """(output, scratch) for a step that starts: an empty place, and whatever partial work was left."""
        work = self._work_path(step)
        try:
            shutil.rmtree(work / "output", ignore_errors=True)
            (work / "output").mkdir(parents=True)
            (work / "scratch").mkdir(exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot be written ({error.strerror})", file=work) from error
        return work / "output" / (Path(step.output).name or "none"), work / "scratch"

    def commit(self, step: Step, record: dict[str, Any]) -> dict[str, Any]:
        """Move a finished output to its place, then write its record; returns the record as it can be read back.

        The old record goes first: were it still there when a kill falls between the two renames, it would
        speak for an output that is not its own.
        """
        written = self._work_path(step) / "output" / (Path(step.output).name or "none")
        keep = bool(step.output) and record["status"] == "done"
        if keep and not written.exists():
            raise RuntimeError(f"step {step.name} returned without writing its output")
        files = _files(written) if keep else []
        if keep:
            disk.sync(written)
        place = self.folder / step.output
        record["output"] = step.output
        record["files"] = [
            {
                "path": str(Path(step.output, path.relative_to(written)).as_posix()),
                "bytes": path.stat().st_size,
                "sha256": disk.sha256(path),
            }
            for path in files
        ]
        record["digest"] = hashlib.sha256(json.dumps(record["files"]).encode()).hexdigest()
        text = json.dumps(_finite(record), indent=1, ensure_ascii=False, allow_nan=False)
        self.remove(step)
        if keep:
            place.parent.mkdir(parents=True, exist_ok=True)
            disk.move(written, place)
        disk.write(self._record_path(step.name), text + "\n")
        self.tidy(step)
        return dict(json.loads(text))

    def remove(self, step: Step) -> None:
        """Take a step's record away, then its output."""
        path = self._record_path(step.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        disk.remove(path)
        place = self.folder / step.output
        if step.output and (place.exists() or place.is_symlink()):
            self._discard(place)

    def tidy(self, step: Step) -> None:
        """Remove the partial work of a step that is finished, under any fingerprint."""
        if self._work.is_dir():
            for path in self._work.iterdir():
                if re.fullmatch(re.escape(step.name) + "-[0-9a-f]{12}", path.name):
                    self._discard(path)

    def sweep(self) -> None:
        """Remove what a kill left in the middle of a removal."""
        for path in self._work.glob(".removed-*"):
            self._discard(path)
        with contextlib.suppress(OSError):  # not empty, or not there
            self._work.rmdir()

    def _discard(self, path: Path) -> None:
        """Rename first, so that a kill cannot leave half of a folder where a whole one is looked for."""
        self._work.mkdir(exist_ok=True)
        removed = self._work / f".removed-{uuid.uuid4().hex}"
        os.replace(path, removed)
        if removed.is_dir() and not removed.is_symlink():
            shutil.rmtree(removed)
        else:
            removed.unlink()

    def _record_path(self, name: str) -> Path:
        return self.folder / "records" / f"{name}.json"

    def _work_path(self, step: Step) -> Path:
        return self._work / f"{step.name}-{step.fingerprint[:12]}"


def _files(place: Path) -> list[Path]:
    return [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())


def _finite(value: Any) -> Any:
    """NaN and infinities become null: a diverged loss must not make the record of a finished step unwritable."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
