"""docs/guarantees.md is what the script writes, and every test that it names is there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(load_script: Callable[[str], ModuleType]) -> Any:
    return load_script("guarantees")


def test_the_page_is_what_the_script_writes(script: Any) -> None:
    measured = json.loads(script.FIGURES.read_text(encoding="utf-8"))
    assert script.PAGE.read_text(encoding="utf-8") == script.page(script.sections(), measured)


def test_every_test_and_every_measurement_is_there(script: Any) -> None:
    promises = [each for section in script.sections().values() for each in section]
    tests = [test for each in promises for test in each["tests"]]
    assert len(promises) > 15 and all(each["tests"] for each in promises)
    for test in tests:
        file, _, name = test.partition("::")
        assert re.search(rf"^ *def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), test
    sources = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py")))
    calls = [call.partition("{")[0] for call in re.findall(r'measured\(\s*f?"([^"]+)"', sources)]  # up to what varies
    for name in (name for each in promises for name in each.get("measured", {})):
        assert any(name.startswith(call) for call in calls), name


def test_whole_numbers_of_one_name_are_added_and_of_others_the_least_stays(script: Any) -> None:
    rows = [
        {"name": "kills", "test": "a", "stops": 3, "share": 0.9},
        {"name": "kills", "test": "b", "stops": 4, "share": 0.8, "whole": True},
        {"name": "files", "test": "c", "n": 5},
    ]
    assert script.figures(rows) == {"files": {"n": 5}, "kills": {"stops": 7, "share": 0.8}}


def test_a_promise_shows_its_figures_and_without_any_only_its_tests(script: Any) -> None:
    promises = {"Locks": [{"promise": "One run.", "tests": ["tests/a.py::b"], "measured": {"kills": "{stops} stops"}}]}
    facts = {"date": "2026-11-29", "commit": "abc", "machine": "two cores"}
    shown = script.page(promises, facts | {"figures": {"kills": {"stops": 7}}})
    assert "- One run. **7 stops**.<br>\n  `a.py::b`" in shown
    assert "- One run.<br>\n  `a.py::b`" in script.page(promises, facts | {"figures": {}})
