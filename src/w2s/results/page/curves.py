"""Training curves, as small multiples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from w2s.results.page import svg
from w2s.results.page.run import RunPage, label

NAMES = {
    "loss": "loss",
    "margin": "margin",
    "chosen_logp": "chosen, nats per token",
    "grad_norm": "gradient norm",
    "learning_rate": "learning rate",
}
"""Curves in order."""
ALWAYS = ("loss", "margin", "chosen_logp")
"""Shown at once; the others on request."""


class Line(NamedTuple):
    """A curve and its first and last value."""

    name: str
    mark: Markup
    ends: str


class Training(NamedTuple):
    """One training with its curves."""

    label: str
    facts: str
    shown: list[Line]
    more: list[Line]


def trainings(page: RunPage) -> list[Training]:
    """In order of finishing, those on pairs last; trainings of an earlier version have their loss only."""
    limit = page.recipe.preference.max_chosen_drop
    done = [record for record in page.records.values() if isinstance(record["result"].get("curve"), list)]
    found = []
    for record in sorted(
        done, key=lambda record: ("margin" in (record["result"].get("curves") or {}), str(record["finished"]))
    ):
        result = record["result"]
        curves = {"loss": result["curve"], **(result.get("curves") or {})}
        lines = {name: Line(words, svg.curve(curves[name]), _ends(curves[name])) for name, words in NAMES.items()
                 if usable(curves.get(name))}  # fmt: skip
        if lines:
            shown = [line for name, line in lines.items() if name in ALWAYS]
            more = [line for name, line in lines.items() if name not in ALWAYS]
            found.append(Training(label(record["name"]), _facts(result, limit), shown, more))
    return found


def usable(values: Any) -> bool:
    """Whether this is a curve: numbers, more than one."""
    return isinstance(values, list) and len(values) > 1 and all(type(value) in (int, float) for value in values)


def _ends(values: Sequence[float]) -> str:
    return f"{_number(values[0])} → {_number(values[-1])}"


def _number(value: float) -> str:
    return f"{value:.1e}" if value and abs(value) < 0.005 else f"{value:.2f}"


def _facts(result: Mapping[str, Any], limit: float | None) -> str:
    words = f"{result['examples']:,} examples, {result['steps']:,} steps"
    fall = result.get("chosen_drop_most")
    if fall is not None:
        words += f"; chosen fell {fall:.2f} at most" + ("" if limit is None else f" (limit {limit:g})")
    return words
