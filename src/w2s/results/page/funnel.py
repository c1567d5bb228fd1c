"""What each selection kept of `train_2`, how much of it is right, and how much of what is right it kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from w2s.metrics.accuracy import wilson
from w2s.results import table
from w2s.results.page import svg
from w2s.results.page.run import RunPage, step_label
from w2s.results.page.svg import Scale

HEIGHT = 22
KEPT = ("kept", "added", "chosen", "rejected")
"""Decisions that keep a question."""


class Stage(NamedTuple):
    """A bar of the funnel. `recall`: of the questions for which a candidate label was right, the share kept rightly."""

    name: str
    what: str
    kept: int
    of: int
    right: int | None
    able: int | None
    mark: Markup
    words: str


class Funnel(NamedTuple):
    """Stages in order, of strategies or of controls."""

    title: str
    stages: list[Stage]


def funnels(page: RunPage) -> list[Funnel]:
    """Of strategies, and of their controls beside; a selection whose rows say nothing has its counts only."""
    found = []
    for mark, title in (("", "strategies"), ("control_", "their controls")):
        names = [name for name in page.results["selection"] if name.startswith("control_") == bool(mark)]
        stages = [stage(page, name) for name in names]
        given = _given(page, _candidates(page, names[0]).get("weak")) if stages else None
        if given:
            stages.insert(0, given)
        if stages:
            found.append(Funnel(title, stages))
    return found


def stage(page: RunPage, name: str) -> Stage:
    """A selection by the decisions on its questions; without recall where these do not give what is on record."""
    selection = page.results["selection"][name]
    kept, of = selection["kept"], selection["of"]
    rows = [row for row in page.judged if name in row["decisions"] and "gold" in row]
    candidates = _candidates(page, name)
    known = None if selection["precision"] is None else round(selection["precision"] * kept)
    right = sum(is_right(row, row["decisions"][name], candidates) for row in rows)
    if not candidates or sum(row["decisions"][name] in KEPT for row in rows) != kept or known not in (None, right):
        return _stage(name, selection["what"], (kept, of), known, None)  # its labels are not one of its candidates
    able = sum(any(map(_correct, _of(row, candidates.values()))) for row in rows)
    return _stage(name, selection["what"], (kept, of), right, able)


def is_right(row: Mapping[str, Any], decision: str, candidates: Mapping[str, str]) -> bool:
    """Whether a question was kept with a right label: a rejected weak completion leaves the majority's."""
    label = "samples" if decision == "rejected" else "weak" if "weak" in candidates else next(iter(candidates), "")
    return decision in KEPT and any(map(_correct, _of(row, [candidates.get(label, "")])))


def roles(page: RunPage, decision: str = "stage2_pairs") -> list[str]:
    """What the weak completions of Stage II became, and how often that was right, in sentences."""
    candidates = _candidates(page, decision)
    weak, lines = candidates.get("weak"), []
    for role, verdict, word in (("chosen", "correct", "right"), ("rejected", "wrong", "wrong")):
        rows = [row for row in page.judged if row["decisions"].get(decision) == role and "gold" in row]
        found = [row["answers"][weak].get("verdict") for row in rows if weak in row["answers"]]
        if found:
            n = sum(each == verdict for each in found)
            low, high = (f"{100 * bound:.0f}" for bound in wilson(n, len(found)))
            other = sum(is_right(row, role, candidates) for row in rows) if role == "rejected" else None
            more = "" if other is None else f" The text chosen instead was right in {other}."
            lines.append(f"The weak text was {role} {len(found)} times, and {word} in {n} of them "
                         f"({100 * n / len(found):.0f} %, 95 % {low} to {high}).{more}")  # fmt: skip
    return lines


def _candidates(page: RunPage, name: str) -> dict[str, str]:
    """The answers that a selection chooses from: role -> step."""
    payload = page.records.get("judged_train_2", {}).get("payload", {})
    of = payload.get("params", {}).get("selections", {}).get(name, {}).get("answers", {})
    return {role: step for role, step in of.items() if isinstance(step, str)} if isinstance(of, dict) else {}


def _of(row: Mapping[str, Any], steps: Any) -> list[Mapping[str, Any]]:
    return [part[step] for step in steps for part in (row["answers"], row["votes"]) if step in part]


def _correct(answer: Mapping[str, Any]) -> bool:
    return bool(answer.get("verdict") == "correct")


def _given(page: RunPage, weak: str | None) -> Stage | None:
    """What the first selection starts from."""
    rows = [row["answers"].get(weak) for row in page.judged]
    known = [row for row in rows if row and "verdict" in row]
    if not known:
        return None
    name = (
        "weak answers"
        if weak == "weak_answers"
        else "the majority's answers"
        if weak == "control_answers"
        else str(weak)
    )
    counts = len(known), len(page.judged)
    return _stage(name, "before any selection", counts, sum(map(_correct, known)), None)


def _stage(name: str, what: str, counts: tuple[int, int], right: int | None, able: int | None) -> Stage:
    kept, of = counts
    scale = Scale(0, max(1, of))
    parts: list[Markup] = [svg.tag("rect", y=5, height=12, class_="all", **_span(scale, 0, of))]
    parts.append(svg.tag("rect", y=5, height=12, class_="kept", **_span(scale, 0, kept)))
    if right is not None:
        parts.append(svg.tag("rect", y=5, height=12, class_="right", **_span(scale, 0, right)))
    words = f"{kept:,}"
    if right is not None and kept:
        words += f" · {table.percent(right / kept)} % right ({table.interval(wilson(right, kept))})"
    if right is not None and able:
        words += f" · recall {table.percent(right / able)} %"
    return Stage(
        step_label(name).removeprefix("Control: "), what, kept, of, right, able, svg.drawing(HEIGHT, *parts), words
    )


def _span(scale: Scale, low: float, high: float) -> dict[str, str]:
    width = scale.high - scale.low
    return {"x": f"{100 * low / width:.2f}%", "width": f"{100 * (high - low) / width:.2f}%"}


def reasons(selection: Mapping[str, Any]) -> Sequence[tuple[str, int]]:
    """Why questions were dropped, most first."""
    return sorted(((name.replace("_", " "), n) for name, n in selection["dropped"].items() if n), key=lambda of: -of[1])
