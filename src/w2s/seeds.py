"""Seeds from ids: order and batches change nothing (ours)."""

from __future__ import annotations

import hashlib
import re

from w2s.errors import UserError


def derive(*parts: str | int) -> int:
    """A 63-bit seed; ("a", "bc") and ("ab", "c") differ."""
    text = "".join(f"{type(part).__name__}{len(str(part))}:{part};" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def several(text: str, field: str = "--seeds") -> list[int]:
    """The seeds in "0-4" or "0,2,5".

    Raises:
        UserError: another text, or one seed twice.
    """
    seeds: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?", part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if not first <= last < first + MOST:
            expected = f"such as 0-4 or 0,2,5, at most {MOST}"
            raise UserError(f"{text!r:.80} is no list of seeds", field=field, expected=expected)
        seeds += range(first, last + 1)
    return distinct(seeds, field)


def distinct(seeds: list[int], field: str) -> list[int]:
    """UserError: none, more than `MOST`, no integers from 0, or one twice."""
    bad = [seed for seed in seeds if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0]
    if bad or not 0 < len(seeds) <= MOST:
        what = f"{bad[0]!r:.80} is no seed" if bad else f"names {len(seeds)} seeds"
        raise UserError(what, field=field, expected=f"1 to {MOST} integers from 0")
    twice = next((seed for seed in seeds if seeds.count(seed) > 1), None)
    if twice is not None:
        raise UserError(f"names seed {twice} twice", field=field, hint="name each seed once")
    return seeds


MOST = 1000
"""Seeds of one command."""
