"""Write docs/settings.md from the docstrings of `w2s.config`.

python scripts/settings.py
"""

from __future__ import annotations

from pathlib import Path

from w2s.config import settings

if __name__ == "__main__":
    page = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
    page.write_text(settings.markdown(), encoding="utf-8")
    print(page)
