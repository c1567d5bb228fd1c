"""A step's identity: a hash that is stable across processes and machines (ours)."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

MOVED: Mapping[str, str] = {}
"""New to old `module:qualname` of moved step functions; else finished runs run again."""


def canonical(value: Any, place: str = "params") -> Any:
    """`value` as JSON data in one form; sets become sorted lists.

    Raises:
        TypeError: no stable identity: an object, NaN, a path, a key that is no string.
    """
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        if not math.isfinite(value):
            raise TypeError(f"{place}: {value} is not equal to itself or not JSON, so it cannot be part of an identity")
        return value
    if isinstance(value, BaseModel):
        # mode="json" would hide what must be refused: NaN becomes null, a path a string, a set an unordered list
        return canonical(value.model_dump(mode="python"), place)
    if isinstance(value, Mapping):
        for key in value:
            if type(key) is not str:
                raise TypeError(f"{place}: the key {key!r} is not a string (1 and '1' would become one key)")
        return {key: canonical(value[key], f"{place}.{key}") for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [canonical(item, f"{place}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, set | frozenset):
        if len({type(item) for item in value}) > 1 or not all(type(item) in (int, str) for item in value):
            raise TypeError(f"{place}: a set is stable only if its items are all strings or all integers")
        return sorted(value)
    hint = "; give its content's hash instead, an identity has no paths" if hasattr(value, "__fspath__") else ""
    raise TypeError(f"{place}: {type(value).__name__} {value!r:.80} has no stable identity{hint}")


def qualified(function: Callable[..., Any]) -> str:
    """`module:qualname` of a function, as in `MOVED` if there.

    Raises:
        TypeError: not a top-level function.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not module or not name or "<" in name:
        raise TypeError(f"{function!r} must be a function at the top level of a module to have a stable identity")
    return MOVED.get(f"{module}:{name}", f"{module}:{name}")


def payload(name: str, function: Callable[..., Any], version: int, params: Mapping[str, Any]) -> dict[str, Any]:
    """A step's identity without its inputs."""
    return {"name": name, "function": qualified(function), "version": version, "params": canonical(params)}


def digest(value: Any) -> str:
    """SHA-256 over canonical JSON."""
    text = json.dumps(canonical(value, "value"), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint(content: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """SHA-256 of a payload and its inputs' fingerprints."""
    return digest({**content, "inputs": inputs})


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Changes between two payloads, by field."""
    changes = []
    if before.get("function") != after["function"]:
        changes.append(f"code moved from {before.get('function')} to {after['function']}")
    if before.get("version") != after["version"]:
        changes.append(f"code version changed {before.get('version')} -> {after['version']}")
    changes += _fields(before.get("params"), after["params"], "")
    return changes


def _fields(before: Any, after: Any, place: str) -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        changes = []
        for key in sorted({*before, *after}):
            below = f"{place}.{key}" if place else key
            if key not in before:
                changes.append(f"{below} added ({_short(after[key])})")
            elif key not in after:
                changes.append(f"{below} removed (was {_short(before[key])})")
            else:
                changes += _fields(before[key], after[key], below)
        return changes
    if json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True):  # 1, 1.0 and true differ
        return [f"{place} changed from {_short(before)} to {_short(after)}"]
    return []


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
