"""JSON with a digest of itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SEAL = "sha256"


def seal(content: Mapping[str, Any]) -> dict[str, Any]:
    """JSON content with a digest of its other fields."""
    return {**_rest(content), SEAL: _digest(content)}


def is_sealed(content: Mapping[str, Any]) -> bool:
    """Whether the content is unchanged since `seal`."""
    return content.get(SEAL) == _digest(content)


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(_rest(content), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _rest(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key != SEAL}
