"""The site: `mkdocs build` with the hook `scripts/site.py`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("mkdocs")

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def site(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("site")


@pytest.mark.parametrize(
    ("folder", "text", "linked"),
    [
        ("", "[r](docs/results.md#answers)", "[r](results.md#answers)"),
        ("docs", "[c](../CONTRIBUTING.md)", "[c](CONTRIBUTING.md)"),
        ("docs", "[home](../README.md)", "[home](index.md)"),
        ("docs", "[`a`](../examples/custom_task.py)", "`a`"),
        ("docs", "[s](settings.md)", "[s](settings.md)"),
        ("", "![p](docs/images/page.png)", "![p](images/page.png)"),
        ("docs", "[gone](../examples/none.py)", "[gone](../examples/none.py)"),
        ("docs", "[out](../../secret.md)", "[out](../../secret.md)"),
        ("docs", "[web](https://arxiv.org) and [here](#x)", "[web](https://arxiv.org) and [here](#x)"),
    ],
)
def test_links(site: ModuleType, folder: str, text: str, linked: str) -> None:
    assert site.relink(text, ROOT / folder) == linked


def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    build = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert build.returncode == 0, build.stderr
    pages = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.html")}
    assert {"index.html", "api.html", "settings.html", "decisions.html", "CONTRIBUTING.html"} <= pages.keys()
    for name in (
        "run",
        "train",
        "answers.key",
        "answers.extract.extract",
        "method.pairs.pairs",
        "metrics.pgr",
        "recipe.build",
    ):
        assert f'id="w2s.{name}"' in pages["api.html"], name
    loaded = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(https?://[^"]*)"', "".join(pages.values()))
    assert loaded == []
