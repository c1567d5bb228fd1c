"""The README's lines of installation, in a fresh environment without torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_names_the_package_and_its_extras() -> None:
    """Of what pip is given there: the name and extras of pyproject.toml."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    given = re.findall(r"pip install ['\"]([^'\"]+)['\"]", README)
    names = [re.fullmatch(r"(\.|[\w-]+)\[([\w,]+)\](?: @ git\+https://\S+)?", text) for text in given]
    assert len(names) >= 2 and None not in names
    for name in filter(None, names):
        assert name[1] in (".", project["name"]) and set(name[2].split(",")) <= project["optional-dependencies"].keys()


@pytest.mark.nightly
@pytest.mark.slow
def test_a_fresh_environment_grades(tmp_path: Path) -> None:
    """`pip install '.[math]'` of a copy of the repository, then `w2s grade` there: 4 of 6 answers are right."""
    assert "pip install '.[math]'" in README
    copy, fresh = tmp_path / "copy", tmp_path / "venv"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    venv.create(fresh, with_pip=True, system_site_packages=False)
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def do(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=copy, env=clean, capture_output=True, text=True)

    installed = do(f"{fresh}/bin/pip", "install", "-q", "-c", str(ROOT / "constraints.txt"), ".[math]")
    if installed.returncode and re.search("No matching distribution|[Cc]onnection", installed.stderr):
        pytest.skip("no package index can be reached")
    assert installed.returncode == 0, installed.stderr
    files = ROOT / "examples" / "files"
    graded = do(
        *(f"{fresh}/bin/w2s", "grade", "--task", "gsm8k", "--gold", f"{files}/gold.jsonl"),
        *("--responses", f"{files}/strong.jsonl", "--json"),
    )
    assert graded.returncode == 0, graded.stderr
    assert '"accuracy": 0.666' in graded.stdout
    assert do(f"{fresh}/bin/python", "-c", "import torch").returncode == 1
    assert "torch" in do(f"{fresh}/bin/w2s", "doctor").stdout
