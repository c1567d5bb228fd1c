"""Results as tables for a terminal. From 80 columns on nothing is cut."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from w2s.results.verdicts import p_value as p_value

WORDS = 24
"""Least characters of a column of words."""
WIDE = 110
"""Terminal width from which words are a column, not lines below."""


_WHY = {"gap not measurable": ", since the 95 % interval of ceiling - floor includes 0"}


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage, or a dash."""
    return "–" if share is None else f"{100 * share:.{digits}f}"


def interval(bounds: Sequence[float] | None) -> str:
    """Bounds as percentages, or nothing."""
    return "" if bounds is None else f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f}"


def signed(value: float | None) -> str:
    """A PGR, or a dash."""
    return "–" if value is None else f"{value:.2f}"


def points(difference: float) -> str:
    """A difference of shares in points; never "-0.0"."""
    return f"{round(100 * difference, 1) + 0.0:+.1f}"


def tables(results: Mapping[str, Any]) -> RenderableType:
    """All tables of `results`."""
    parts: list[RenderableType] = [Text(f"damage: {line}", style="bold red") for line in results["damage"]]
    parts += [Text(f"{line}.", style="yellow") for line in results["caveats"]]
    parts += [Text(f"{line}.", style="bold") for line in results["headline"]]
    parts += [*([""] if parts else []), _models(results)]
    reasons = dict.fromkeys(model.get("pgr_reason") for model in results["models"].values())
    parts += [Text(f"no PGR: {reason}{_WHY.get(reason, '')}", style="dim") for reason in reasons if reason]
    if results["strategies"]:
        parts.append(_strategies(results["strategies"]))
    if results["paired"]:
        parts.append(_paired(results["paired"]))
    selection = results["selection"]
    if selection:
        parts.append(_selection(selection))
    cut = {name: step["dropped"]["cut"] for name, step in selection.items() if step.get("dropped", {}).get("cut")}
    if cut:
        counts = ", ".join(f"{name} {count}" for name, count in cut.items())
        parts.append(Text(f"dropped, as a text was cut at the token limit: {counts}", style="yellow"))
    parts += [
        Text(
            f"majority's share in {name}: {percent(of['trained'])} % on questions of the voter's training, "
            f"{percent(of['untrained'])} % on others",
            style="dim",
        )
        for name, of in results["vote_share"].items()
    ]
    added = {name: step for name, step in selection.items() if "short" in step}
    if added:
        parts.append(_added(added))
    parts += [Text(f"ended: {name}: {message}", style="yellow") for name, message in results["ended"].items()]
    return Group(*parts)


class Figures:
    """Names, figures and words; if narrow, words below."""

    def __init__(self, title: str, headers: Sequence[str], words: Mapping[str, str] | None = None) -> None:
        self._title, self._headers = title, headers
        self._words = {name: what for name, what in (words or {}).items() if what}
        self._rows: list[tuple[str, Sequence[str], str]] = []

    def add(self, name: str, cells: Sequence[str], style: str = "") -> None:
        self._rows.append((name, cells, style))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.max_width >= WIDE and bool(self._words)
        table = Table(
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        table.add_column(self._headers[0], overflow="fold")
        for header in self._headers[1:]:
            table.add_column(header, justify="right", no_wrap=True, overflow="fold")
        if wide:
            table.add_column("what it is", style="dim", overflow="fold")
        room = options.max_width - self._figures_width() - (WORDS if wide else 0)
        for name, cells, style in self._rows:
            table.add_row(_folded(name, room), *cells, *([self._words.get(name, "")] if wide else []), style=style)
        yield Text(self._title, style="bold")  # a table's own title is as narrow as the table
        yield table
        if self._words and not wide:
            words = Table.grid("", "", padding=(0, 2, 0, 0))
            words.columns[0].no_wrap = True
            words.columns[0].overflow = words.columns[1].overflow = "fold"
            for name, what in self._words.items():
                words.add_row(name, what, style="dim")
            yield words
            yield ""

    def markdown(self) -> str:
        """The same as a table of GitHub's Markdown, words left out."""
        headers = [header.replace("\n", " ") for header in self._headers]
        lines = [f"| {' | '.join(headers)} |", "|---|" + "---:|" * (len(headers) - 1)]
        lines += [f"| `{name}` | {' | '.join(cells)} |" for name, cells, _ in self._rows]
        return "\n".join([f"{self._title}:", "", *lines])

    def _figures_width(self) -> int:
        columns = zip(self._headers[1:], *(cells for _, cells, _ in self._rows), strict=True)
        return 2 + sum(2 + max(len(line) for cell in column for line in cell.split("\n")) for column in columns)


def _folded(name: str, room: int) -> str:
    """Broken after underscores."""
    words = []
    for word in name.split(" "):
        lines = [""]
        for part in re.findall("[^_]*_|[^_]+", word):
            if lines[-1] and len(lines[-1] + part) > room:
                lines.append("")
            lines[-1] += part
        words.append("\n".join(lines))
    return " ".join(words)


def _models(results: Mapping[str, Any]) -> Figures:
    models = results["models"]
    table = Figures(
        f"{results['task']}, seed {results['seed']}: accuracy on {results['n_test']} test questions, %",
        ("model", "accuracy", "95 %", "PGR", "95 %", "no\nanswer"),
        {name: model["what"] for name, model in models.items()},
    )
    for name, model in models.items():
        bounds = model["pgr_ci95"]
        cells = [percent(model["accuracy"]), interval(model["ci95"]), signed(model["pgr"])]
        cells += ["" if bounds is None else f"{bounds[0]:.2f} to {bounds[1]:.2f}", percent(model["no_answer"])]
        table.add(name, cells, "bold" if model["highlight"] else "")
    return table


def _strategies(strategies: Mapping[str, Mapping[str, Any]]) -> Figures:
    """Weak contribution: PGR less the control's."""
    table = Figures(
        "strategies: what weak labels bring (PGR less that of the control), and the cost of all steps",
        ("strategy", "accuracy", "weak labels", "95 %", "tokens", "seconds"),
        {name: each["model"] for name, each in strategies.items() if each["model"] != name},
    )
    for name, each in strategies.items():
        bounds = each["weak_contribution_ci95"]
        cells = [percent(each["accuracy"]), signed(each["weak_contribution"])]
        cells += ["" if bounds is None else f"{bounds[0]:.2f} to {bounds[1]:.2f}"]
        table.add(name, [*cells, f"{each['tokens']:,}", f"{each['seconds']:.0f}"])
    return table


def _paired(paired: Mapping[str, Mapping[str, Any]]) -> Figures:
    table = Figures(
        "two models on the same questions: difference in points", ("pair", "difference", "95 %", "McNemar p")
    )
    for name, test in paired.items():
        low, high = map(points, test["ci95"])
        table.add(name, (points(test["difference"]), f"{low} to {high}", p_value(test["mcnemar_p"])))
    return table


def _selection(selection: Mapping[str, Mapping[str, Any]]) -> Figures:
    table = Figures(
        "what each selection kept, and how much of it is right",
        ("selection", "kept", "of", "precision, %", "95 %"),
        {name: step["what"] for name, step in selection.items()},
    )
    for name, step in selection.items():
        cells = (str(step["kept"]), str(step["of"]), percent(step["precision"]), interval(step["precision_ci95"]))
        table.add(name, cells)
    return table


def _added(added: Mapping[str, Mapping[str, Any]]) -> Figures:
    table = Figures(
        "what was added to reach the wanted number, and how much of it is right",
        ("selection", "added", "short", "precision, %", "95 %"),
    )
    for name, step in added.items():
        precision = (percent(step["added_precision"]), interval(step["added_precision_ci95"]))
        table.add(name, (str(step["added"]), str(step["short"]), *precision))
    return table
