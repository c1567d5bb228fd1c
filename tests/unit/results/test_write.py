"""What `report.write` leaves in a run's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from w2s import results as results_of_run
from w2s.config import load


def test_every_selection_file_is_there_even_where_nothing_was_selected(
    tmp_path: Path, record: Callable[..., None]
) -> None:
    record(tmp_path, "stage1_iter1", {}, "ended", "empty")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "stage2_pairs.jsonl").write_text('{"id": "a"}\n')
    results_of_run.write(tmp_path, load.load("tiny"))
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "data").iterdir()}
    assert sizes == {"stage1_iter1.jsonl": 0, "stage1_iter2.jsonl": 0, "stage2_pairs.jsonl": 12}
    assert (tmp_path / "results.json").exists() and (tmp_path / "report.html").exists()
