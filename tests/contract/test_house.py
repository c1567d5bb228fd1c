"""Rules of the house that no linter knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for folder in ("src", "tests", "scripts", "benchmarks") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_the_shipped_models_are_small_and_hold_no_pickles() -> None:
    files = [path for path in (ROOT / "src/w2s/assets").rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} == {"tiny-strong", "tiny-weak"}
    assert sum(path.stat().st_size for path in files) <= 12 * 2**20
    assert {path.suffix for path in files} == {".json", ".safetensors"}


def test_the_readme_names_every_verb_and_no_other() -> None:
    from w2s.cli import app

    verbs = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    named = set(re.findall(r"`w2s ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert named == verbs


def test_decisions_stand_newest_first() -> None:
    dates = re.findall(r"^## (\d{4}-\d\d-\d\d): ", (ROOT / "docs/decisions.md").read_text(encoding="utf-8"), re.M)
    assert len(dates) > 30 and dates == sorted(dates, reverse=True)
