"""A hook of mkdocs (mkdocs.yml): pages from outside docs/, and links to source files.

README.md becomes the first page. Source files are not part of the site, so links to them become plain names.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "CONTRIBUTING.md", "CHANGELOG.md": "CHANGELOG.md"}
LINK = re.compile(r"\[([^\]]+)\]\(((?!https?:|#)[^)#\s]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from outside docs/."""
    for source, page in PAGES.items():
        text = relink((ROOT / source).read_text(encoding="utf-8"), ROOT)
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links of a page of docs/."""
    return markdown if page.file.src_uri in PAGES.values() else relink(markdown, ROOT / "docs")


def relink(text: str, folder: Path) -> str:
    """Links from a file in `folder` to pages of the site point there; links to other files of the repository are gone.

    A link to a file that does not exist stays, for mkdocs to refuse.
    """

    def link(match: re.Match[str]) -> str:
        label, target, anchor = match[1], (folder / match[2]).resolve(), match[3] or ""
        if target.is_relative_to(ROOT / "docs"):
            return f"[{label}]({target.relative_to(ROOT / 'docs').as_posix()}{anchor})"
        name = target.relative_to(ROOT).as_posix() if target.is_relative_to(ROOT) else ""
        if name in PAGES:
            return f"[{label}]({PAGES[name]}{anchor})"
        return label if target.exists() and name else match[0]

    return LINK.sub(link, text)
