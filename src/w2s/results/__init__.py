"""The report of a run, from the records and answers in its folder."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from w2s.config import schema
from w2s.data import disk
from w2s.flow.store import Store
from w2s.results import collect, page

RESULTS, PAGE = "results.json", "report.html"
_MARK = b"<!-- sha256 of results.json and of the page above: "
_ESCAPED = "backslashreplace"  # an id may have half a surrogate pair


def write(folder: Path, run: schema.Run) -> dict[str, Any]:
    """Write and return `results.json`, and `report.html`; a selection that ended gets an empty file.

    Raises:
        UserError: the folder holds no run, or the disk is full or refuses.
    """
    results = collect.collect(folder, run)
    for name in collect.empty(folder, run.recipe):
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data" / f"{name}.jsonl").touch()
    content = (json.dumps(results, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", _ESCAPED)
    text = page.render([page.read(folder, run, results)]).encode("utf-8", _ESCAPED)
    _replace(folder / RESULTS, content)
    _replace(folder / PAGE, text + _mark(content, text))
    return results


def missing(folder: Path) -> list[str]:
    """A line for each of `results.json` and `report.html` that is not there although all steps of the run have ended.

    None for earlier versions.
    """
    left = Store(folder).left()
    ended = left is not None and not left[0]
    absent = [name for name in (RESULTS, PAGE) if ended and not os.path.lexists(folder / name)]
    return [f"report missing: {name}; `w2s report` writes it again" for name in absent]


def changed(folder: Path) -> list[str]:
    """A line for `results.json` and `report.html` if they are not what `write` wrote; none for earlier versions."""
    texts = {name: _read(folder / name) for name in (RESULTS, PAGE) if os.path.lexists(folder / name)}
    text, mark, rest = (texts.get(PAGE) or b"").rpartition(_MARK)
    wrong = [name for name, text in texts.items() if text is None]
    if mark and mark + rest != _mark(texts.get(RESULTS) or b"", text):
        wrong = [" or ".join(texts)]
    elif not mark and texts.get(PAGE) is not None and not (texts[PAGE] or b"").rstrip().endswith(b"</html>"):
        wrong.append(PAGE)
    return [f"report changed on disk: {name} is not what was written; `w2s report` writes it again" for name in wrong]


def _read(path: Path) -> bytes | None:
    try:
        return disk.read(path)
    except OSError:
        return None


def _mark(content: bytes, page: bytes) -> bytes:
    digests = (hashlib.sha256(each).hexdigest().encode() for each in (content, page))
    return _MARK + b" ".join(digests) + b" -->\n"


def _replace(path: Path, content: bytes) -> None:
    with disk.writing(path), disk.replacing(path) as file:
        file.write(content)
