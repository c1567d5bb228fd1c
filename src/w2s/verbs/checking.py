"""`w2s check`: a run's files against its records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from w2s import results
from w2s.errors import UserError
from w2s.flow.store import Store

FOLDERS = ("data", "models", "records")
"""Every file here is on a record."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Files on record, their recorded bytes, a line per problem, and steps with partial work of a stopped run."""

    files: int
    bytes: int
    problems: list[str]
    unfinished: list[str]

    def lines(self) -> list[str]:
        read = f"{self.files:,} files on record, {self.bytes / 1e6:,.1f} MB, were read"
        partial = f"a stopped run left partial work of {', '.join(self.unfinished)}: the same `w2s run` goes on with it"
        return [
            *self.problems,
            *([partial] if self.unfinished else []),
            f"{read}: {f'{len(self.problems)} problems' if self.problems else 'all as written'}",
        ]


def check(folder: Path) -> Checked:
    """Compare all files of a run's folder with the records.

    Raises:
        UserError: the folder holds no run.
    """
    store = Store(folder)
    names = store.names()
    if not names:
        raise UserError("holds no run", file=folder, expected="a folder that `w2s run` wrote, with records/*.json")
    problems = store.damaged_records(names)
    known = {f"records/{name}.json" for name in names}
    files = size = 0
    for record in store.records():
        problems += store.damages(record, read=True)
        known.update(file["path"] for file in record["files"])
        known.update(store.added(record))  # among the damages already
        files, size = files + len(record["files"]), size + sum(file["bytes"] for file in record["files"])
    problems += [f"extra: {name} is on no record" for name in _here(folder, store) if name not in known]
    return Checked(files, size, problems + (results.missing(folder) or results.changed(folder)), store.unfinished())


def _here(folder: Path, store: Store) -> Iterator[str]:
    reached = store.reached()
    for part in FOLDERS:
        for path in sorted((folder / part).rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_dir() and not path.is_symlink():
                continue
            if path.name.startswith(".") and path.name.endswith(".part"):  # left by a kill, and not in the way
                continue
            if path.suffix == ".jsonl" and not path.lstat().st_size and (reached is None or path.stem in reached):
                continue  # of a selection that kept nothing (`w2s.results.write`)
            yield name
