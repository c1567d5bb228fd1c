"""Accuracy of each model with its interval, and the PGR above."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from w2s.results import table
from w2s.results.page import svg
from w2s.results.page.run import RunPage, is_cut
from w2s.results.page.svg import Scale

HEIGHT = 26


class Row(NamedTuple):
    """A model of the ladder, with its mark, and what follows it."""

    name: str
    label: str
    what: str
    role: str
    mark: Markup
    value: str


class Ladder(NamedTuple):
    """Rows between two axes; `above` is that of the PGR, empty where it cannot be measured."""

    above: Markup
    rows: list[Row]
    below: Markup


def draw(page: RunPage, models: Mapping[str, Any]) -> Ladder:
    """A mark per model and a line for its 95 % interval; over several seeds a small dot for each (`by_seed`)."""
    ends = [bound for of in models.values() for bound in of["ci95"]]
    ends += [value for of in models.values() for value in of.get("by_seed", {}).values()]
    scale = svg.around(ends, 0.1)
    ends_of_gap = (page.outline.floor or "", page.outline.ceiling or "")
    band = tuple(models[name]["accuracy"] if name in models else None for name in ends_of_gap)
    marks = [(value, f"{100 * value:.0f} %") for value in svg.ticks(scale)]
    rows = [
        Row(
            name,
            page.label(name) + _cut(page, name),
            of["what"],
            page.role(name),
            _mark(scale, band, of, page.role(name), marks),
            table.percent(of["accuracy"]),
        )
        for name, of in models.items()
    ]
    return Ladder(_pgr_axis(scale, band), rows, svg.axis(scale, marks))


def _cut(page: RunPage, name: str) -> str:
    """How many answers were cut, where it is most: such an accuracy says little about ability."""
    rows = page.answers.get(name, {}).values()
    cut = sum(map(is_cut, rows))
    return f" ({cut:,} of {len(rows):,} cut)" if 2 * cut > len(rows) else ""


def symbol(role: str) -> Markup:
    """The mark of a role, for the legend."""
    return svg.tag("svg", _symbol("50%", 8, role), class_="symbol", width=16, height=16, aria_hidden="true")


def _symbol(x: str, y: float, role: str, radius: float = 5) -> Markup:
    if role == "control":
        inside = svg.tag(
            "rect",
            x=-0.8 * radius,
            y=-0.8 * radius,
            width=1.6 * radius,
            height=1.6 * radius,
            transform="rotate(45)",
            class_="mark control",
        )
        return svg.tag("svg", inside, x=x, y=y, class_="free")
    if role in ("floor", "ceiling"):
        inside = svg.tag("rect", x=-1.6, y=-radius - 1, width=3.2, height=2 * radius + 2, class_="mark end")
        return svg.tag("svg", inside, x=x, y=y, class_="free")
    return svg.dot(x, y, f"mark {role}", radius)


def _mark(
    scale: Scale,
    band: tuple[float | None, ...],
    of: Mapping[str, Any],
    role: str,
    marks: Sequence[tuple[float, str]],
) -> Markup:
    parts = _band(scale, band)
    parts += [svg.line(scale.at(value), 0, scale.at(value), HEIGHT, "grid") for value, _ in marks]
    middle = HEIGHT / 2
    low, high = of["ci95"]
    parts.append(svg.line(scale.at(low), middle, scale.at(high), middle, f"bar {role}"))
    parts += [svg.dot(scale.at(value), HEIGHT - 4, f"seed {role}", 2) for value in of.get("by_seed", {}).values()]
    parts.append(_symbol(scale.at(of["accuracy"]), middle, role))
    return svg.drawing(HEIGHT, *parts)


def _band(scale: Scale, band: tuple[float | None, ...]) -> list[Markup]:
    floor, ceiling = band
    if floor is None or ceiling is None or ceiling <= floor:
        return []
    return [svg.tag("rect", y=0, height=HEIGHT, class_="band", **scale.span(floor, ceiling))]


def _pgr_axis(scale: Scale, band: tuple[float | None, ...]) -> Markup:
    floor, ceiling = band
    if floor is None or ceiling is None or ceiling <= floor:
        return Markup("")
    shares = [0.0, 0.5, 1.0] if scale.number(ceiling) - scale.number(floor) > 25 else [0.0, 1.0]
    return svg.axis(scale, [(floor + share * (ceiling - floor), f"PGR {share:g}") for share in shares], 20, "axis top")
