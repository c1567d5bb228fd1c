"""SVG from Python. Lengths across are percentages and lengths down are pixels, so that text keeps its size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

EDGE = 2.0
"""Percent left free on either side."""


def tag(name: str, *content: str, **attributes: object) -> Markup:
    """An element, all escaped; `class_` is class, and underscores are hyphens."""
    given = (
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), value)
        for key, value in attributes.items()
        if value is not None
    )
    opened = Markup("<{}{}").format(Markup(name), Markup("").join(given))
    if not content:
        return opened + Markup("/>")
    return opened + Markup(">") + Markup("").join(content) + Markup("</{}>").format(Markup(name))


def drawing(height: float, *content: str, label: str = "", class_: str = "") -> Markup:
    """An SVG as wide as its place; without a label it is hidden from screen readers."""
    hidden = None if label else "true"
    role = "img" if label else None
    return tag(
        "svg",
        *(content or ("",)),
        class_=f"chart {class_}".strip(),
        height=height,
        role=role,
        aria_label=label or None,
        aria_hidden=hidden,
    )


@dataclass(frozen=True, slots=True)
class Scale:
    """Values to percent of the width."""

    low: float
    high: float

    def number(self, value: float) -> float:
        """Clipped to the scale."""
        share = (value - self.low) / ((self.high - self.low) or 1)
        return EDGE + (100 - 2 * EDGE) * min(1.0, max(0.0, share))

    def at(self, value: float) -> str:
        return f"{self.number(value):.2f}%"

    def span(self, low: float, high: float) -> dict[str, str]:
        """`x` and `width` of a rectangle."""
        return {"x": self.at(low), "width": f"{max(0.0, self.number(high) - self.number(low)):.2f}%"}


def around(values: Sequence[float], step: float) -> Scale:
    """A scale over finite values that begins and ends at multiples of a step."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = math.floor(min(finite) / step) * step, math.ceil(max(finite) / step) * step
    return Scale(low, high if high > low else low + step)


def ticks(scale: Scale, most: int = 6) -> list[float]:
    """Round values inside, at most `most`."""
    width = (scale.high - scale.low) or 1.0
    power = 10.0 ** math.floor(math.log10(width))
    step = next(power * k for k in (0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10) if width / (power * k) <= most - 1)
    first = math.ceil(scale.low / step - 1e-9)
    return [round(step * k, 10) for k in range(first, math.floor(scale.high / step + 1e-9) + 1)]


def line(x1: object, y1: object, x2: object, y2: object, class_: str) -> Markup:
    """From one point to another."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def text(x: object, y: object, words: str, class_: str = "", anchor: str = "middle") -> Markup:
    """Words at a baseline."""
    return tag("text", words, x=x, y=y, class_=class_ or None, text_anchor=anchor)


def dot(x: object, y: float, class_: str, radius: float = 4.5) -> Markup:
    """A filled circle."""
    return tag("circle", cx=x, cy=y, r=radius, class_=class_)


def axis(scale: Scale, marks: Sequence[tuple[float, str]], height: float = 20, class_: str = "axis") -> Markup:
    """Labels along a scale."""
    return drawing(height, *(text(scale.at(value), height - 6, words, "tick") for value, words in marks), class_=class_)


def curve(values: Sequence[float], class_: str = "curve") -> Markup:
    """A line over equal steps, stretched to its place."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return drawing(48, class_="spark")
    bottom, width, height = min(finite), max(1, len(values) - 1), (max(finite) - min(finite)) or 1.0
    points = " ".join(
        f"{100 * place / width:.2f},{46 - 44 * (value - bottom) / height:.2f}"
        for place, value in enumerate(values)
        if math.isfinite(value)
    )
    return tag(
        "svg",
        tag("polyline", points=points, class_=class_, vector_effect="non-scaling-stroke"),
        class_="chart spark",
        viewBox="0 0 100 48",
        preserveAspectRatio="none",
        height=48,
        aria_hidden="true",
    )
