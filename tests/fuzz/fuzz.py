"""Damaged files for every reader. One number, the seed, is one damaged file:

    python tests/fuzz/fuzz.py SEED [COUNT]

`W2S_FUZZ_RUN` names a finished run (runs/tiny). A reader reads the file, or refuses it by a `UserError` that names file
or field. Everything else is a failure: another error, no end, a part of an output, damage to a run that is not named.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import re
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import damage
from readers import READERS, Place

from w2s.data import disk
from w2s.errors import UserError

LONGEST = 120.0
"""Seconds until a reader hangs; each takes milliseconds."""


class Outcome(NamedTuple):
    """`kind`: "ok", "refused" or "failed"; `text`: of the error."""

    seed: int
    reader: str
    kind: str
    text: str = ""


def one(seed: int, root: Path) -> Outcome:
    """Damage one file of one reader, read it, and restore it."""
    source = random.Random(seed)
    name = source.choice([name for name, reader in READERS.items() for _ in range(reader.share)])
    reader, files, out = READERS[name], root / name, root / "out"
    if not files.exists():
        reader.make(files)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    path = source.choice(sorted(path for path in files.rglob("*") if path.is_file() and path.suffix != ".part"))
    kept = root / "kept"
    shutil.copy2(path, kept)
    how = damage.damage(source, path)
    if how == "pipe" and not reader.pipes:
        damage.remove(path)
    where = f"{path.relative_to(files)}: {how}"
    try:
        reader.read(Place(files, path.relative_to(files).as_posix(), out, source))
        kind, text = "ok", where
    except UserError as error:
        kind, text = "refused", f"{where}: {error}"
        left = [file.name for file in out.rglob("*") if file.is_file()]
        if left:
            kind, text = "failed", f"{text}\nleft over: {left}"
        elif not re.search(r"/|\[", str(error).partition("\n")[0]):
            kind, text = "failed", f"{text}\nnames no file and no field"
    except BaseException:
        kind, text = "failed", f"{where}\n{traceback.format_exc()[-3000:]}"
    _restore(name, files, path, kept)
    return Outcome(seed, name, kind, text)


def _restore(name: str, files: Path, path: Path, kept: Path) -> None:
    if name in ("journal", "lock", "report"):  # they write into the folder
        shutil.rmtree(files)
        return
    damage.remove(path)
    os.replace(kept, path)


Work = Callable[[list[int], Path, Connection], None]


def fuzz(seeds: Iterable[int], root: Path, work: Work | None = None, longest: float = LONGEST) -> Iterator[Outcome]:
    """The outcome of each seed, from processes that are killed where a reader hangs."""
    waiting = list(seeds)
    context = multiprocessing.get_context("spawn")
    root.mkdir(exist_ok=True)
    while waiting:
        here, there = context.Pipe()
        process = context.Process(target=work or _work, args=(waiting, root, there), daemon=True)
        process.start()
        there.close()
        try:
            while waiting:
                if not here.poll(longest):
                    yield Outcome(waiting.pop(0), "?", "failed", f"no end within {longest:.0f} seconds")
                    break
                yield here.recv()
                waiting.pop(0)
        except EOFError:
            process.join()
            yield Outcome(waiting.pop(0), "?", "failed", f"the process ended with {process.exitcode}")
        finally:
            process.kill()
            process.join()
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()


def _work(seeds: list[int], root: Path, results: Connection) -> None:
    os.environ["W2S_CACHE"] = str(root / "cache")
    quicken()
    for seed in seeds:
        results.send(one(seed, root))


def quicken() -> None:
    """Read whole weights once."""
    known: dict[tuple[int, int, int], str] = {}
    hashed = disk.sha256

    def remembered(path: Path) -> str:  # weights that are not damaged are read once
        status = path.stat()
        key = status.st_ino, status.st_size, status.st_mtime_ns
        if status.st_size < 100_000:
            return hashed(path)
        if key not in known:
            known[key] = hashed(path)
        return known[key]

    disk.sha256 = remembered


def counts(outcomes: Iterable[Outcome]) -> dict[str, dict[str, int]]:
    """By reader and kind."""
    found = Counter((outcome.reader, outcome.kind) for outcome in outcomes)
    return {
        name: {kind: found[name, kind] for kind in ("ok", "refused", "failed")}
        for name in sorted({reader for reader, _ in found})
    }


if __name__ == "__main__":
    first, count = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    done = []
    with tempfile.TemporaryDirectory() as place, contextlib.suppress(KeyboardInterrupt):
        for outcome in fuzz(range(first, first + count), Path(place)):
            done.append(outcome)
            if outcome.kind == "failed" or count == 1:
                print(*outcome, sep="\n  ", flush=True)
    for name, row in counts(done).items():
        print(f"{name:24}", row)
