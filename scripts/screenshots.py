"""Pictures of the report and of the terminal's table, for README and docs.

    make screenshots                              # runs tiny if there is no runs/tiny, then writes docs/images/*.png
    python scripts/screenshots.py runs/tiny

Needs playwright and Chromium (`W2S_CHROMIUM` names another program than `chromium`). Everything is local: the report is
opened from its file, offline, and the table is drawn from results.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.terminal_theme import MONOKAI

from w2s.errors import UserError
from w2s.results import table

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
MOST = 1_500_000
"""Bytes of all pictures."""

PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "page": ("", {"viewport": {"width": 1240, "height": 1150}}),
    "page-dark": ("#paired", {"viewport": {"width": 1240, "height": 900}, "color_scheme": "dark"}),
    "page-selection": ("#selector", {"viewport": {"width": 1240, "height": 1000}}),
    "page-errors": ("#errors", {"viewport": {"width": 1240, "height": 560}}),
    "page-samples": ("#s?f=a", {"viewport": {"width": 1240, "height": 900}}),
    "page-phone": ("", {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}),
}
"""Name -> fragment, and the options of the browser's context."""


def terminal(folder: Path, width: int = 90) -> str:
    """The table of a run as SVG, as a terminal of that width shows it."""
    console = Console(record=True, width=width, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115
    console.print(table.tables(json.loads((folder / "results.json").read_text(encoding="utf-8"))))
    return console.export_svg(title="w2s report runs/tiny", theme=MONOKAI)


def take(folder: Path, images: Path) -> None:
    """Write all pictures of a run.

    Raises:
        UserError: the folder has no report, there is no Chromium, or the pictures are too large for the repository.
    """
    from playwright.sync_api import sync_playwright

    program = os.environ.get("W2S_CHROMIUM") or shutil.which("chromium")
    if program is None:
        raise UserError(
            "no Chromium here", hint="apt-get install --no-install-recommends chromium, or set W2S_CHROMIUM"
        )
    page = (folder / "report.html").resolve()
    if not page.is_file():
        raise UserError("holds no report", file=folder, hint="w2s run tiny")
    images.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=[] if os.getuid() else ["--no-sandbox"])
        for name, (fragment, options) in PICTURES.items():
            context = browser.new_context(offline=True, **options)
            tab = context.new_page()
            tab.goto(page.as_uri() + fragment)
            tab.wait_for_selector("#browser[data-ready]")
            tab.screenshot(path=images / f"{name}.png")
            context.close()
        tab = browser.new_context(offline=True, viewport={"width": 1000, "height": 720}).new_page()
        tab.set_content(f"<style>body {{ margin: 0 }} svg {{ width: 1000px }}</style>{terminal(folder)}")
        tab.screenshot(path=images / "terminal.png")
        browser.close()
    size = sum(path.stat().st_size for path in images.glob("*.png"))
    if size > MOST:
        raise UserError(f"the pictures have {size:,} bytes", file=images, expected=f"at most {MOST:,}")


def main() -> None:
    """Take them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a finished run of tiny")
    parser.add_argument("--out", type=Path, default=IMAGES)
    options = parser.parse_args()
    take(options.folder, options.out)
    print("\n".join(str(path) for path in sorted(options.out.glob("*.png"))))


if __name__ == "__main__":
    main()
