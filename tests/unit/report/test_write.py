"""What `report.write` leaves in a run's folder."""

from __future__ import annotations

import json
from pathlib import Path

from w2s import presets, report


def test_every_selection_file_is_there_even_where_nothing_was_selected(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    record = {
        "schema": 1,
        "name": "stage1_iter1",
        "kind": "select",
        "status": "ended",
        "message": "empty",
        "result": {},
        "seconds": 0.1,
        "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-01T00:00:01+00:00",
        "provenance": {},
        "inputs": {},
        "files": [],
        "output": "",
    }
    (tmp_path / "records" / "stage1_iter1.json").write_text(json.dumps(record))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "stage2_pairs.jsonl").write_text('{"id": "a"}\n')
    report.write(tmp_path, presets.load("tiny"))
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "data").iterdir()}
    assert sizes == {"stage1_iter1.jsonl": 0, "stage1_iter2.jsonl": 0, "stage2_pairs.jsonl": 12}
    assert (tmp_path / "results.json").exists() and (tmp_path / "report.html").exists()
