"""The report pulls from a run's folder: records, answers, and nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from w2s import config
from w2s.report import collect, html


def write(folder: Path, run: config.Run) -> dict[str, Any]:
    """Write `results.json` and `report.html` into a run's folder and return the results.

    A selection that kept nothing, or was skipped since another one did, gets an empty file: every file of the contract
    is there after any run. One that the run has not come to gets none.

    Raises:
        UserError: the folder holds no run.
    """
    results = collect.collect(folder, run)
    for name in collect.empty(folder):
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data" / f"{name}.jsonl").touch()
    _replace(folder / "results.json", json.dumps(results, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    _replace(folder / "report.html", html.render(folder, run, results))
    return results


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
