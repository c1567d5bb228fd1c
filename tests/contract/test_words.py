"""The words of CONTRIBUTING.md ("Words") hold in comments, docstrings, messages and documents."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
FOLDERS = ("src", "tests", "scripts", "benchmarks", "examples", "docs")
KINDS = {".py", ".md", ".yaml", ".j2"}
PROSE = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
ROW = re.compile(r"^\| (`.+`) +\| (.+?) +\|$", re.MULTILINE)


def refused() -> dict[str, str]:
    """Each word that is refused, and what to use instead."""
    section = CONTRIBUTING.read_text(encoding="utf-8").partition("\n## Words\n")[2].partition("\n## ")[0]
    return {word: instead for words, instead in ROW.findall(section) for word in re.findall("`(.+?)`", words)}


def prose(path: Path) -> str:
    """The text of a file, line by line; of Python its comments and strings, of CONTRIBUTING.md all but its tables."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return re.sub("^[|].*$", "", text, flags=re.MULTILINE) if path == CONTRIBUTING else text
    lines: list[str] = [""] * (text.count("\n") + 2)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in PROSE:
            for number, line in enumerate(token.string.split("\n"), token.start[0]):
                lines[number - 1] += " " + line.removeprefix("#")
    return "\n".join(lines)


def places(word: str, text: str) -> list[int]:
    """The lines where a word begins, also one of several words that a line break parts."""
    inner = r"\s+".join(map(re.escape, word.split()))
    pattern = ("" if not word[0].isalnum() else r"\b") + inner + ("" if not word[-1].isalnum() else r"\b")
    return [text.count("\n", 0, found.start()) + 1 for found in re.finditer(pattern, text, re.IGNORECASE)]


def test_no_refused_word_is_used() -> None:
    words = refused()
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")) if path.suffix in KINDS]
    files = [path for path in files if path != Path(__file__)] + [ROOT / "README.md", CONTRIBUTING]
    texts = {path: prose(path) for path in files}
    found = [
        f"{path.relative_to(ROOT)}:{line}: {word!r}: write {instead}"
        for word, instead in words.items()
        for path, text in texts.items()
        for line in places(word, text)
    ]
    assert words and len(files) > 300
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("# to mend: buy memory", [1]),
        ('x = f"{1}\\n  To mend: {2}"', [1]),
        ('"""First.\n\nThen to\nmend: it."""', [3]),
        ("to_mend: int = 3", []),
        ("# tomend: is no word", []),
        ("# a\n# way to\n# mend: it", [2]),
    ],
)
def test_what_is_found_and_where(text: str, lines: list[int], tmp_path: Path) -> None:
    file = tmp_path / "file.py"
    file.write_text(text + "\n")
    assert places("to mend:", prose(file)) == lines
