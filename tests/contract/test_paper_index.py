"""docs/paper.md is an index: every function, test and preset that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

from w2s.config import load

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "w2s"
NAMED = re.findall(
    r"`([^`\n]+)`", re.sub(r"```.*?```", "", (ROOT / "docs/paper.md").read_text("utf-8"), flags=re.DOTALL)
)


def module(dotted: str) -> tuple[Path | None, str]:
    """The file of the longest module that a dotted name begins with, and what is left of the name."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        place = SOURCE.joinpath(*parts[:length])
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return file, ".".join(parts[length:])
    return None, dotted


def test_every_function_is_there() -> None:
    found = 0
    for name in NAMED:
        dotted = re.fullmatch(r"\w+(\.\w+)+", name) and not name.endswith(".json")
        file, rest = module(name) if dotted else (None, name)
        if file is not None:
            found += 1
            assert re.search(rf"^(def|class) {rest}\b", file.read_text("utf-8"), re.MULTILINE) or not rest, name
    assert found > 20


def test_every_test_is_there() -> None:
    files = [name for name in NAMED if re.fullmatch(r"[\w/]*test_\w+\.py", name)]
    known = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    assert len(files) > 20
    assert [name for name in files if not any(f"/{path}".endswith(f"/{name}") for path in known)] == []


def test_every_preset_is_there() -> None:
    shipped = set(load.names())
    named = {name for name in NAMED if re.fullmatch(r"(gsm8k|math|olympicarena)-[\w.-]*\w", name)}
    assert named and named <= shipped
