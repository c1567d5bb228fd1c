"""Links into the sample browser."""

from __future__ import annotations

from urllib.parse import urlencode


def samples(**given: str) -> str:
    """`#s?a=&b=&f=`: models A and B, and a filter."""
    return "#s?" + urlencode({name: value for name, value in given.items() if value})
