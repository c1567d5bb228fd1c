"""How far a share of votes can be trusted: share of the majority against share right."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from w2s.metrics.accuracy import wilson
from w2s.metrics.selection import risk_coverage
from w2s.results import table
from w2s.results.page import svg
from w2s.results.page.run import RunPage
from w2s.results.page.svg import Scale

HEIGHT, TOP, LOW = 236, 20, 206
"""Pixels: of a chart, of its highest value, of its lowest."""
SHARES = Scale(0.0, 1.0)


class Bin(NamedTuple):
    """Questions with about this share of votes, and how many of these majorities are right."""

    share: float
    n: int
    right: int


class Panel(NamedTuple):
    """One voter."""

    title: str
    reliability: Markup
    coverage: Markup
    bins: list[Bin]
    thresholds: list[tuple[str, float]]
    answer: str


def panels(page: RunPage) -> list[Panel]:
    """The voter of Stage II, and beside it that of its control; none without gold of `train_2`."""
    voters = _voters(page)
    found = []
    for samples, selection in voters.items():
        votes = [row["votes"][samples] for row in page.judged if samples in row["votes"]]
        known = [vote for vote in votes if "verdict" in vote]
        if not known:
            continue
        title = "control (own answers)" if samples.startswith("control_") else "with weak labels"
        if not selection:
            title = samples.replace("_", " ")
        limits = _thresholds(page, selection)
        bins = binned(known)
        role = "control" if samples.startswith("control_") else "method"
        found.append(
            Panel(title, _reliability(bins, limits, role), _coverage(votes, role), bins, limits, answer(known, limits))
        )
    return found


def answer(votes: Sequence[Mapping[str, Any]], limits: Sequence[tuple[str, float]]) -> str:
    """Whether majorities from the least share on are right more often than the others: their intervals are apart.

    Empty without a least share, or with majorities on one side of it only.
    """
    if not limits:
        return ""
    least = limits[0][1]
    sides = [
        [vote["verdict"] == "correct" for vote in votes if (vote["share"] >= least) is kept] for kept in (True, False)
    ]
    if not all(sides):
        return ""
    (low, _), (_, high) = (wilson(sum(side), len(side)) for side in sides)
    kept, dropped = (
        f"{sum(side):,} of {len(side):,} are right ({table.percent(sum(side) / len(side))} %, 95 % "
        f"{table.interval(wilson(sum(side), len(side)))})"
        for side in sides
    )
    return f"{'yes' if low > high else 'not shown'}. From {least:g} on {kept}, below it {dropped}."


def binned(votes: Sequence[Mapping[str, Any]]) -> list[Bin]:
    """Shares rounded to tenths."""
    found: dict[int, list[bool]] = {}
    for vote in votes:
        found.setdefault(math.floor(10 * vote["share"] + 0.5), []).append(vote["verdict"] == "correct")
    return [Bin(tenth / 10, len(of), sum(of)) for tenth, of in sorted(found.items())]


def _voters(page: RunPage) -> dict[str, str]:
    """Samples of selections that make pairs, main and control: by the settings on record."""
    selections = page.records.get("judged_train_2", {}).get("payload", {}).get("params", {}).get("selections", {})
    voters = {}
    for mark in ("", "control_"):
        for name, of in selections.items():
            if name == f"{mark}stage2_pairs" and "samples" in of.get("answers", {}):
                voters[of["answers"]["samples"]] = name
    if not voters:  # a recipe of one's own: whatever has votes
        names = dict.fromkeys(name for row in page.judged for name in row["votes"])
        voters = dict.fromkeys(list(names)[:2], "")
    return voters


def _thresholds(page: RunPage, selection: str) -> list[tuple[str, float]]:
    if not selection:
        return []
    settings = page.recipe.selection
    both = [("keep", settings.confidence), ("reject weak", settings.reject_confidence)]
    return both if settings.reject_confidence > settings.confidence else both[:1]


def _down(share: float) -> float:
    return LOW - (LOW - TOP) * share


def _frame(limits: Sequence[tuple[str, float]]) -> list[Markup]:
    parts = []
    if limits:
        parts.append(
            svg.tag("rect", y=TOP, height=LOW - TOP, class_="dropped", **SHARES.span(SHARES.low, limits[0][1]))
        )
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(svg.line(SHARES.at(0), _down(share), SHARES.at(1), _down(share), "grid"))
        if share:
            parts.append(svg.text(0, _down(share) - 4, f"{100 * share:.0f} %", "tick", "start"))
    for share in (0, 0.2, 0.4, 0.6, 0.8, 1):
        parts.append(svg.text(SHARES.at(share), LOW + 18, f"{share:g}", "tick"))
    return parts


def _reliability(bins: Sequence[Bin], limits: Sequence[tuple[str, float]], role: str) -> Markup:
    parts = _frame(limits)
    parts.append(svg.line(SHARES.at(0), _down(0), SHARES.at(1), _down(1), "diagonal"))
    for _, share in limits:
        parts.append(svg.line(SHARES.at(share), TOP, SHARES.at(share), LOW, "threshold"))
    most = max(each.n for each in bins)
    for each in bins:
        x = SHARES.at(each.share)
        low, high = wilson(each.right, each.n)
        parts.append(svg.line(x, _down(low), x, _down(high), f"bar {role}"))
        parts.append(svg.dot(x, _down(each.right / each.n), f"mark {role}", round(3 + 5 * math.sqrt(each.n / most), 1)))
    words = ", ".join(f"share {each.share:g}: {each.right} of {each.n} right" for each in bins)
    return svg.drawing(HEIGHT, *parts, label=f"Share of votes against share right. {words}", class_="square")


def _coverage(votes: Sequence[Mapping[str, Any]], role: str) -> Markup:
    """Precision of the majority over the share of questions kept, most certain first."""
    scores = [vote["share"] if vote.get("prediction") is not None else -math.inf for vote in votes]
    checked = [(score, vote["verdict"] == "correct") for score, vote in zip(scores, votes, strict=True)
               if "verdict" in vote and score > -math.inf]  # fmt: skip
    points = [each for each in risk_coverage(scores, checked, 20) if each.checked]
    if not points:
        return Markup("")
    parts = _frame(())
    for before, after in itertools.pairwise(points):
        ends = (SHARES.at(before.coverage), _down(before.precision), SHARES.at(after.coverage), _down(after.precision))
        parts.append(svg.line(*ends, f"curve {role}"))
    for each in points:
        x = SHARES.at(each.coverage)
        parts.append(svg.line(x, _down(each.ci95[0]), x, _down(each.ci95[1]), f"bar {role} thin"))
        parts.append(svg.dot(x, _down(each.precision), f"mark {role}", 3.5))
    words = ", ".join(f"{100 * each.coverage:.0f} % kept: {100 * each.precision:.0f} % right" for each in points)
    return svg.drawing(HEIGHT, *parts, label=f"Precision by coverage. {words}", class_="square")
