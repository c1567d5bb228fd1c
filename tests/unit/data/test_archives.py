"""Logs of inspect_ai, as it writes them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

import w2s

FILES = Path(__file__).parent / "files"


@pytest.mark.parametrize("status", ["success", "cancelled", "error", "started"])
@pytest.mark.parametrize("name", ["inspect.json", "inspect.eval", "line.json"])
def test_a_log_says_how_its_eval_ended(tmp_path: Path, name: str, status: str) -> None:
    """The status stands before the samples of a .json log, and in the last entry of an archive."""
    log = tmp_path / name
    text = (FILES / "inspect.json").read_text().replace('"status": "success"', f'"status": "{status}"')
    log.write_text(json.dumps(json.loads(text)) if name == "line.json" else text)
    if name == "inspect.eval":
        with zipfile.ZipFile(FILES / name) as whole, zipfile.ZipFile(log, "w") as changed:
            for entry in whole.namelist():
                content = whole.read(entry).decode().replace('"status": "success"', f'"status": "{status}"')
                if entry != "header.json" or status != "started":
                    changed.writestr(entry, content)
    notes = [note for note in w2s.grade(log, task="number").notes if "status" in note]
    wanted = f"the status of the log's eval is {status}: answers of some questions may be missing"
    assert notes == ([] if status == "success" else [wanted])
