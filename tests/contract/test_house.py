"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "w2s"
SOURCES = sorted(
    path for folder in ("src", "tests", "scripts", "benchmarks", "examples") for path in (ROOT / folder).rglob("*.py")
)

LINES = 400
ROOT_MODULES = 8
PARAMETERS = 8


def parameters(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The name of each function and how many parameters it has, without `self` and `cls`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            starred = (node.args.vararg is not None) + (node.args.kwarg is not None)
            yield node.name, len(names) - (names[:1] in (["self"], ["cls"])) + starred


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert len(lengths) > 300
    assert {file: length for file, length in lengths.items() if length > LINES} == {}


def test_the_root_of_the_package_has_at_most_eight_modules() -> None:
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert "errors" in modules and len(modules) <= ROOT_MODULES, sorted(modules)


def test_no_function_outside_the_command_line_has_more_than_eight_parameters() -> None:
    found = {
        f"{path.relative_to(PACKAGE)}:{name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if PACKAGE / "cli" not in path.parents
        for name, count in parameters(ast.parse(path.read_text(encoding="utf-8")))
        if count > PARAMETERS
    }
    assert not found


def imports(tree: ast.Module) -> Iterator[str]:
    """The full name of each thing that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_nothing_private_of_another_module_is_imported() -> None:
    """A release of its package may remove it. One is needed: the public parser cannot be corrected."""
    found = {
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for name in imports(ast.parse(path.read_text(encoding="utf-8")))
        if any(part.startswith("_") and not part.startswith("__") for part in name.split("."))
    }
    assert found == {"answers/math/symbolic.py: latex2sympy2_extended.latex2sympy2._Latex2Sympy"}


def test_the_shipped_models_are_small_and_hold_no_pickles() -> None:
    files = [path for path in (ROOT / "src/w2s/assets").rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} == {"tiny-strong", "tiny-weak"}
    assert sum(path.stat().st_size for path in files) <= 12 * 2**20
    assert {path.suffix for path in files} == {".json", ".safetensors"}


def test_the_readme_names_every_verb_and_no_other() -> None:
    from w2s.cli.verbs import app

    verbs = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    named = set(re.findall(r"`w2s ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert named == verbs


def test_decisions_stand_by_topic_with_their_dates_and_are_short() -> None:
    text = (ROOT / "docs/decisions.md").read_text(encoding="utf-8")
    topics = re.findall(r"^## (.+)$", text, re.MULTILINE)
    entries = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    assert len(entries) > 50 and len(topics) == len(set(topics)) > 5
    for entry in entries:
        title, *lines = [line for line in entry.splitlines() if line and not line.startswith("## ")]
        assert re.search(r" \(\d{4}-\d\d-\d\d\)$", title), title
        assert 1 <= len(lines) <= 7, title


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 140


def test_the_routes_through_the_code_exist_and_are_short() -> None:
    """CONTRIBUTING, "Where to read": at most 8 calls through 6 files each, and every function is where it says."""
    section = (
        (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Where to read\n")[2].partition("\n## ")[0]
    )
    routes = [re.findall(r"^\d\. `(\S+\.py)`: `([\w.]+)`", part, re.MULTILINE) for part in section.split("\n**")[1:]]
    shared = routes[0][:4]
    assert [len(calls) for calls in routes] == [8, 4, 4]
    for calls in (routes[0], shared + routes[1], shared + routes[2]):
        assert len(calls) <= 8 and len({file for file, _ in calls}) <= 6
        for file, name in calls:
            source = (ROOT / file).read_text(encoding="utf-8")
            for part in name.split("."):
                assert re.search(rf"^ *(def|class) {part}\b", source, re.MULTILINE), (file, name)
