"""Outputs and records in a run's folder; an output without a record does not count."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import uuid
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from w2s.data import disk, json_text, sealed
from w2s.errors import UserError
from w2s.flow import integrity
from w2s.flow.step import Step

SCHEMA = 2
"""Of written records; earlier ones are read."""
_INPUTS = "inputs.json"
_log = logging.getLogger(__name__)


class Store:
    """The files: `records/<step>.json`, outputs, `.work/` (partial), `.reached.json` (the last run's steps)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._work = folder / ".work"
        self._hashes = integrity.Hashes(folder)

    def record(self, name: str) -> dict[str, Any] | None:
        """None if it is missing or damaged."""
        try:
            record = json.loads(disk.read(self._record_path(name)))
            return record if integrity.is_record(record, name, SCHEMA) else None
        except (OSError, ValueError, RecursionError):
            return None

    def records(self) -> Iterator[dict[str, Any]]:
        for name in self.names():
            if (record := self.record(name)) is not None:
                yield record

    def names(self) -> list[str]:
        """Of all records, damaged ones too."""
        return [path.stem for path in sorted((self.folder / "records").glob("*.json"))]

    def damaged_record(self, name: str) -> str | None:
        path = self._record_path(name)
        if self.record(name) is not None or not path.exists():
            return None
        return f"record changed on disk: records/{path.name} is not what was written"

    def reach(self, steps: Iterable[Step], of: int, *, skipped: Collection[str] = (), durable: bool = False) -> None:
        """Write which steps this run has ended, `of` how many; `durable` at its beginning and end."""
        reached = {step.name: step.fingerprint for step in steps}
        content = {"reached": reached, "skipped": [name for name in reached if name in skipped], "of": of}
        text = json.dumps(sealed.seal(content), indent=1)
        disk.write(self.folder / ".reached.json", text + "\n", durable=durable)

    def reached(self) -> dict[str, str] | None:
        """Fingerprints of the last run's steps.

        None if an earlier version ran; empty if the file was changed.
        """
        content = self._reached()
        return None if content is None else content.get("reached", {})

    def names_reached(self) -> list[str]:
        """Of the last run's records, damaged ones too; all if its steps are not known."""
        reached = self.reached()
        return [name for name in self.names() if not reached or name in reached]

    def left(self) -> tuple[int, int] | None:
        """How many steps the last run has not ended, of how many; None if an earlier version ran."""
        content = self._reached() or {}
        return None if "of" not in content else (content["of"] - len(content["reached"]), content["of"])

    def lost_records(self) -> list[str]:
        """Damage to `.reached.json`, and missing records."""
        content = self._reached()
        if content is None:
            return []
        if not content:
            return ["record changed on disk: .reached.json is not what was written"]
        here = {*self.names(), *content["skipped"]}
        return [f"record missing: records/{name}.json" for name in content["reached"] if name not in here]

    def _reached(self) -> dict[str, Any] | None:
        """None if missing, empty if changed."""
        try:
            content = json.loads(disk.read(self.folder / ".reached.json"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(content, dict):
            return {}
        if all(isinstance(value, str) for value in content.values()):  # as with schema 1: fingerprints alone
            return {"reached": content, "skipped": list(content)}
        return content if sealed.is_sealed(content) else {}

    def damage(self, record: dict[str, Any]) -> str | None:
        """Why an output cannot be used, or None."""
        found = list(self.damages(record))
        return None if not found else found[0] + (f", and {len(found) - 1} more files" if len(found) > 1 else "")

    def damages(self, record: dict[str, Any], *, read: bool = False) -> Iterator[str]:
        """Output files that are missing, changed or added; `read` hashes large ones again too."""
        yield from self._damages(record, hashed=True, read=read)
        yield from (f"output changed on disk: {name} is not on record" for name in self.added(record))

    def damaged_records(self, names: Iterable[str]) -> list[str]:
        """A line for each of these records that is changed, and for each that is missing."""
        return [line for line in map(self.damaged_record, names) if line] + self.lost_records()

    def visible_damage(self) -> list[str]:
        """Of the last run, what shows without reading an output: records, missing files and other sizes."""
        names = self.names_reached()
        records = (record for record in map(self.record, names) if record is not None)
        return self.damaged_records(names) + [
            line for record in records for line in self._damages(record, hashed=False)
        ]

    def _damages(self, record: dict[str, Any], *, hashed: bool, read: bool = False) -> Iterator[str]:
        for file in record["files"]:
            name, path = file["path"], self.folder / file["path"]
            try:
                size = path.stat().st_size
                if size != file["bytes"]:
                    yield f"output changed on disk: {name} has {size} bytes, not {file['bytes']}"
                elif hashed and not self._hashes.equal(path, file["sha256"], read=read):
                    yield f"output changed on disk: {name} has other content"
            except FileNotFoundError:
                yield f"output missing: {name}"
            except OSError as error:
                yield f"output cannot be read: {name} ({error.strerror})"

    def added(self, record: dict[str, Any]) -> list[str]:
        """Files in the output's folder that are not on record."""
        place = self.folder / record["output"]
        if not record["output"] or not place.is_dir():
            return []
        names = (path.relative_to(self.folder).as_posix() for path in _files(place))
        return sorted({*names} - {file["path"] for file in record["files"]})

    def remember_hashes(self) -> None:
        self._hashes.save()

    def partial(self, step: Step) -> bool:
        """Whether a killed run left partial work."""
        scratch = self._work_path(step) / "scratch"
        return scratch.is_dir() and any(scratch.iterdir())

    def unfinished(self) -> list[str]:
        """Names of steps with partial work, of any fingerprint."""
        found = (re.fullmatch("(.+)-[0-9a-f]{12}", path.name) for path in self._work.glob("*-*"))
        return sorted({match[1] for match in found if match})

    def open(self, step: Step) -> tuple[Path, Path]:
        """Free places for output and scratch; partial work of other fingerprints goes, or of inputs made again."""
        self._tidy(step, but=self._work_path(step))
        work, digests = self._work_path(step), self._digests(step)
        if digests and self._inputs(work) not in (None, digests):
            _log.warning("%s begins anew: an input was made again, with other bytes", step.name)
            self._discard(work)
        try:
            shutil.rmtree(work / "output", ignore_errors=True)
            (work / "output").mkdir(parents=True)
            if digests:
                disk.write(work / _INPUTS, json.dumps(sealed.seal({"digests": digests})) + "\n")
            (work / "scratch").mkdir(exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot be written ({error.strerror})", file=work) from error
        return work / "output" / (Path(step.output).name or "none"), work / "scratch"

    def _digests(self, step: Step) -> dict[str, str | None]:
        """Of the inputs' outputs: two trainings of one identity may differ in last bits."""
        records = ((needed.name, self.record(needed.name)) for needed in step.inputs.values())
        return {name: None if record is None else record.get("digest") for name, record in records}

    def _inputs(self, work: Path) -> Any:
        """`_digests` when partial work began; None: not known."""
        try:
            content = json.loads(disk.read(work / _INPUTS))
            return content["digests"] if sealed.is_sealed(content) else {}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError, AttributeError, KeyError):
            return {}

    def commit(self, step: Step, record: dict[str, Any]) -> dict[str, Any]:
        """Move the output to its place, then write and return its record.

        The old record goes first: after a kill it must not describe the new output.
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
        record["digest"] = integrity.files_digest(record["files"])
        content = json.loads(json.dumps(json_text.finite(record), allow_nan=False))
        text = json.dumps(sealed.seal(content), indent=1, ensure_ascii=False)
        self.remove(step)
        if keep:
            place.parent.mkdir(parents=True, exist_ok=True)
            disk.move(written, place)
        disk.write(self._record_path(step.name), text + "\n")
        self.tidy(step)
        return dict(json.loads(text))

    def remove(self, step: Step) -> None:
        path = self._record_path(step.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        disk.remove(path)
        place = self.folder / step.output
        if step.output and (place.exists() or place.is_symlink()):
            self._discard(place)

    def tidy(self, step: Step) -> None:
        """Remove a step's partial work, of any fingerprint."""
        self._tidy(step)

    def _tidy(self, step: Step, but: Path | None = None) -> None:
        if self._work.is_dir():
            for path in self._work.iterdir():
                if path != but and re.fullmatch(re.escape(step.name) + "-[0-9a-f]{12}", path.name):
                    self._discard(path)

    def sweep(self, *, ended: bool = False) -> None:
        """Finish interrupted removals; once a run has `ended`, also partial work of steps that it no longer has."""
        for path in list(self._work.glob("*" if ended else ".removed-*")):
            self._discard(path)
        with contextlib.suppress(OSError):  # not empty, or not there
            self._work.rmdir()

    def _discard(self, path: Path) -> None:
        """Rename first: a kill must not leave half a folder."""
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
