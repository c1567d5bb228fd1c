"""Seeds come from ids, so order, batching, sharding and resuming cannot change them (ours)."""

from __future__ import annotations

import hashlib


def derive(*parts: str | int) -> int:
    """A 63-bit seed from its parts, stable across processes and machines.

    Each part is written with its type and length, so ("a", "bc") and ("ab", "c"), or 1 and "1", differ.
    """
    text = "".join(f"{type(part).__name__}{len(str(part))}:{part};" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
