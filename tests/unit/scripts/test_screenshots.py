"""Pictures of the docs: there, small, and used; the terminal's from a run's results."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from w2s.errors import UserError

ROOT = Path(__file__).resolve().parents[3]
EMPTY = {
    "name": "toy", "task": "arith", "seed": 7, "n_test": 3, "damage": [], "caveats": ["one <seed>"], "headline": [],
    "models": {}, "strategies": {}, "paired": {}, "selection": {}, "vote_share": {}, "ended": {},
}  # fmt: skip


@pytest.fixture
def script(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("screenshots")


def test_all_pictures_are_there_and_used_and_small(script: ModuleType) -> None:
    there = {path.stem: path.stat().st_size for path in script.IMAGES.glob("*.png")}
    assert there.keys() == {*script.PICTURES, "terminal"} and sum(there.values()) <= script.MOST
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    used = {name for page in pages for name in re.findall(r"images/([a-z-]+)\.png", page.read_text(encoding="utf-8"))}
    assert used == there.keys()


def test_the_terminal_is_drawn_from_the_results(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps(EMPTY))
    drawn = script.terminal(tmp_path)
    assert drawn.startswith("<svg") and "seed&#160;7" in drawn and "one&#160;&lt;seed&gt;" in drawn


def test_without_a_report_there_is_no_picture(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("playwright.sync_api")
    monkeypatch.setenv("W2S_CHROMIUM", "any")
    with pytest.raises(UserError, match="holds no report"):
        script.take(tmp_path, tmp_path / "images")
