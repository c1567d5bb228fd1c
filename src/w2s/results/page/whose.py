"""Whose errors a model makes: question by question against its teacher."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from markupsafe import Markup

from w2s.metrics.accuracy import wilson
from w2s.results.page import links, svg
from w2s.results.page.run import RunPage

HEIGHT = 22
KINDS = {
    "kept": ("kept right", "both"),
    "corrected": ("corrected", "a"),
    "lost": ("lost", "b"),
    "wrong": ("both wrong, differently", "none"),
    "same": ("same wrong answer", "same"),
}
"""Kind -> its words and the filter of the sample browser that shows it, with the model as A and the teacher as B."""


class Row(NamedTuple):
    """A model: counts by kind, and the share of shared errors that repeat the teacher's answer (Wilson's 95 %)."""

    name: str
    label: str
    role: str
    counts: dict[str, int]
    mark: Markup
    repeated: str
    links: dict[str, str]


def compare(page: RunPage) -> list[Row]:
    """All models against the floor, on the questions that both answered; empty without a floor."""
    rows = (_row(page, name, page.label(name)) for name in page.models if name != page.outline.floor)
    return [row for row in rows if row is not None]


def by_level(page: RunPage) -> list[Row]:
    """The result against the floor, level by level."""
    name = page.endpoint or ""
    levels = {row.get("level") for row in page.answers.get(name, {}).values()}
    named = sorted(
        (level for level in levels if isinstance(level, int | str)), key=lambda level: (len(str(level)), str(level))
    )
    rows = (_row(page, name, f"level {level}", level) for level in named)
    return [row._replace(label=f"{row.label} (n = {sum(row.counts.values())})") for row in rows if row is not None]


def _row(page: RunPage, name: str, label: str, level: object = None) -> Row | None:
    floor = page.outline.floor or ""
    weak, strong = page.answers.get(floor, {}), page.answers.get(name, {})
    common = [each for each, row in strong.items() if each in weak and level in (None, row.get("level"))]
    if not common:
        return None
    counts = dict.fromkeys(KINDS, 0)
    for question in common:
        counts[kind(strong[question], weak[question])] += 1
    both = counts["wrong"] + counts["same"]
    low, high = (f"{100 * bound:.0f}" for bound in wilson(counts["same"], both)) if both else ("", "")
    more = {} if level is None else {"l": str(level)}
    return Row(
        name,
        label,
        page.role(name),
        counts,
        _mark(counts),
        f"{counts['same']} of {both}" + (f" ({100 * counts['same'] / both:.0f} %, {low} to {high})" if both else ""),
        {each: links.samples(a=name, b=floor, f=of[1], **more) for each, of in KINDS.items()},
    )


def kind(strong: Mapping[str, Any], weak: Mapping[str, Any]) -> str:
    """One of `KINDS`. Two wrong answers are the same if their texts are; no answer is never the same as another."""
    right, taught = strong["verdict"] == "correct", weak["verdict"] == "correct"
    if right:
        return "kept" if taught else "corrected"
    if taught:
        return "lost"
    said, heard = strong.get("prediction"), weak.get("prediction")
    return "same" if said is not None and said == heard else "wrong"


def _mark(counts: Mapping[str, int]) -> Markup:
    total, parts, at = sum(counts.values()), [], 0.0
    for each, n in counts.items():
        width = 100 * n / total
        if n:
            parts.append(svg.tag("rect", x=f"{at:.2f}%", y=1, width=f"{width:.2f}%", height=HEIGHT - 2, class_=each))
        if width > 7:
            parts.append(svg.text(f"{at + width / 2:.2f}%", HEIGHT / 2 + 4, str(n), f"count on-{each}"))
        at += width
    return svg.drawing(HEIGHT, *parts, class_="stack")
