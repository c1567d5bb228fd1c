"""One text has one reading: what worker processes decided is remembered in this process (ours)."""

from __future__ import annotations

from collections.abc import Mapping

from w2s.answers import pool
from w2s.answers.pool import Reading

_REMEMBERED = 100_000  # about 30 MB
_DECIDED: dict[str, Reading] = {}


def readings(unread: Mapping[str, str], seconds: float | None = None) -> dict[str, Reading]:
    """The readings of answers, by the keys of their texts; nothing without the libraries.

    Args:
        unread: one answer for each text key. Which spelling of a text came first does not matter any more then.
        seconds: as `pool.read_many`.
    """
    if not pool.available():
        return {}
    found = {key: _DECIDED[key] for key in unread if key in _DECIDED}
    missing = {key: answer for key, answer in unread.items() if key not in found}
    if missing:
        read = dict(zip(missing, pool.read_many(list(missing.values()), seconds), strict=True))
        for key, reading in read.items():
            if reading.decided and len(_DECIDED) < _REMEMBERED:
                read[key] = _DECIDED.setdefault(key, reading)
        found |= read
    return found


def forget() -> None:
    """Forget all of them, as a new process would."""
    _DECIDED.clear()
