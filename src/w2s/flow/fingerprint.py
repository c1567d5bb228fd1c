"""What a step is, as a hash. Only what can be proved stable across processes and machines gets in (ours)."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel


def canonical(value: Any, place: str = "params") -> Any:
    """`value` as JSON data with one form only: tuples and sets become lists, sets are sorted.

    Raises:
        TypeError: a value whose identity is not proved stable (callables, objects, NaN, paths, keys that
            are not strings, sets of mixed types); the message names its place.
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
    """`module:qualname` of a function at the top level of a module.

    Raises:
        TypeError: a lambda, a closure or an object: two of them can share a name, and they hide values.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not module or not name or "<" in name:
        raise TypeError(f"{function!r} must be a function at the top level of a module to have a stable identity")
    return f"{module}:{name}"


def payload(name: str, function: Callable[..., Any], version: int, params: Mapping[str, Any]) -> dict[str, Any]:
    """All that a step's identity holds, apart from its inputs. Kept in its record, so that a change can be shown."""
    return {"name": name, "function": qualified(function), "version": version, "params": canonical(params)}


def digest(value: Any) -> str:
    """SHA-256 over canonical JSON."""
    text = json.dumps(canonical(value, "value"), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint(content: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """SHA-256 of a step's payload and the fingerprints of its inputs, by role."""
    return digest({**content, "inputs": inputs})


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What changed between two payloads, field by field, in the words of `w2s plan`."""
    found = []
    if before.get("function") != after["function"]:
        found.append(f"code moved from {before.get('function')} to {after['function']}")
    if before.get("version") != after["version"]:
        found.append(f"code version changed {before.get('version')} -> {after['version']}")
    found += _fields(before.get("params"), after["params"], "")
    return found


def _fields(before: Any, after: Any, place: str) -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for key in sorted({*before, *after}):
            below = f"{place}.{key}" if place else key
            if key not in before:
                found.append(f"{below} added ({_short(after[key])})")
            elif key not in after:
                found.append(f"{below} removed (was {_short(before[key])})")
            else:
                found += _fields(before[key], after[key], below)
        return found
    if json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True):  # 1, 1.0 and true differ
        return [f"{place} changed from {_short(before)} to {_short(after)}"]
    return []


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
