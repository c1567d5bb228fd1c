"""Paired differences of two models on the same questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from w2s.results import table
from w2s.results.page import links, svg
from w2s.results.page.run import RunPage
from w2s.results.page.svg import Scale
from w2s.results.verdicts import LEVEL, relation, sentence

HEIGHT = 26


class Row(NamedTuple):
    """A comparison: words, its mark, figures, and a link to the questions that only one model has right."""

    first: str
    second: str
    link: str
    mark: Markup
    value: str
    interval: str
    p: str
    relation: str
    role: str = ""


class Forest(NamedTuple):
    """Rows over an axis in points; `corrected`: rows whose sign stands after the correction."""

    rows: list[Row]
    below: Markup
    corrected: int


def draw(page: RunPage, paired: Mapping[str, Any]) -> Forest | None:
    """A mark per comparison with its 95 % interval; over several seeds a small dot for each (`by_seed`)."""
    if not paired:
        return None
    ends = [bound for test in paired.values() for bound in test["ci95"]]
    ends += [value for test in paired.values() for value in test.get("by_seed", {}).values()]
    scale = svg.around([*ends, 0.0], 0.05)
    marks = [(value, f"{100 * value:+.0f}" if value else "0") for value in svg.ticks(scale)]
    rows = []
    for name, test in paired.items():
        a, b = name.split(" vs ", 1)
        found = relation(test["ci95"], test["p_holm"])
        low, high = map(table.points, test["ci95"])
        rows.append(
            Row(
                page.label(a),
                page.label(b),
                links.samples(a=a, b=b, f="differ"),
                _mark(scale, [value for value, _ in marks], test, found),
                table.points(test["difference"]),
                f"{low} to {high}",
                table.p_value(test["p_holm"]),
                found,
                page.role(a),
            )
        )
    rows.sort(key=lambda row: row.role == "strategy")
    return Forest(rows, svg.axis(scale, marks), sum(test["p_holm"] <= LEVEL for test in paired.values()))


def _mark(scale: Scale, grid: Sequence[float], of: Mapping[str, Any], found: str) -> Markup:
    middle, kind = HEIGHT / 2, found.replace(" ", "-")
    parts = [svg.line(scale.at(at), 0, scale.at(at), HEIGHT, "grid" if at else "zero") for at in grid]
    low, high = of["ci95"]
    parts.append(svg.line(scale.at(low), middle, scale.at(high), middle, f"bar {kind}"))
    parts += [svg.dot(scale.at(value), HEIGHT - 4, f"seed {kind}", 2) for value in of.get("by_seed", {}).values()]
    return svg.drawing(HEIGHT, *parts, svg.dot(scale.at(of["difference"]), middle, f"mark {kind}", 5))


def best(page: RunPage, shown: Mapping[str, Any]) -> str:
    """The strategy of the highest accuracy against the first one, in a sentence by rule; empty with less than two."""
    accuracy = {of["model"]: of["accuracy"] for of in shown["strategies"].values()}
    name, first = max(accuracy, key=accuracy.__getitem__, default=""), page.endpoint or ""
    if len(accuracy) < 2 or first not in accuracy:
        return ""
    if name == first:
        return f"The highest of {len(accuracy)}, on these questions: {page.label(first)}."
    test = shown["paired"].get(f"{name} vs {first}")
    if test is None:
        return ""
    found = {**test, "relation": relation(test["ci95"], test["p_holm"])}
    said = sentence(found, page.label(name), page.label(first))
    return f"The highest of {len(accuracy)}, chosen on these questions: {said}"


def strategies(page: RunPage, shown: Mapping[str, Any]) -> Forest | None:
    """The weak contribution of each strategy, in PGR; filled as its difference from the control."""
    found = {name: of for name, of in shown["strategies"].items() if of["weak_contribution"] is not None}
    if not found:
        return None
    bounds = [bound for of in found.values() for bound in of["weak_contribution_ci95"] or ()]
    scale = svg.around([*bounds, 0.0, 0.1], 0.1)
    marks = [(value, f"{value:+.1f}" if value else "0") for value in svg.ticks(scale)]
    rows = []
    for name, of in found.items():
        value, ci95 = of["weak_contribution"], of["weak_contribution_ci95"] or [of["weak_contribution"]] * 2
        low, high = ci95
        test = shown["paired"].get(f"{of['model']} vs {of['control']}")
        side = "not distinguished" if test is None else relation(test["ci95"], test["p_holm"])
        rows.append(
            Row(
                name.replace("_", " "),
                page.label(of["model"]),
                links.samples(a=of["model"], b=of["control"] or "", f="differ"),
                _mark(scale, [at for at, _ in marks], {"difference": value, "ci95": ci95}, side),
                f"{value:+.2f}",
                f"{low:+.2f} to {high:+.2f}",
                "",
                side,
            )
        )
    return Forest(rows, svg.axis(scale, marks), 0)
