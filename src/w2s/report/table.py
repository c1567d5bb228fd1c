"""Results as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from w2s.report.collect import MODELS

STRONG = {"m_plus", "m_pro_dpo", "m_pro_orpo"}


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage, or a dash for None."""
    return "–" if share is None else f"{100 * share:.{digits}f}"


def interval(bounds: Sequence[float] | None) -> str:
    """A 95 % interval of shares as percentages, or nothing."""
    return "" if bounds is None else f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f}"


def signed(value: float | None) -> str:
    """A PGR with two digits, or a dash for None."""
    return "–" if value is None else f"{value:.2f}"


def p_value(p: float) -> str:
    """A p-value that does not pretend to be zero."""
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def tables(results: Mapping[str, Any]) -> RenderableType:
    """The models, the paired tests, the selections and the branches that ended, one below the other."""
    parts: list[RenderableType] = [_models(results)]
    if results["paired"]:
        parts.append(_paired(results["paired"]))
    if results["selection"]:
        parts.append(_selection(results["selection"]))
    parts += [Text(f"ended: {name}: {message}", style="yellow") for name, message in results["ended"].items()]
    return Group(*parts)


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)


def _models(results: Mapping[str, Any]) -> Table:
    table = _table(f"{results['task']}, seed {results['seed']}: accuracy on {results['n_test']} test questions, %")
    table.add_column("model", no_wrap=True)
    for header in ("accuracy", "95 % interval", "PGR", "95 % interval", "no answer"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("what it is", style="dim")
    for name, model in results["models"].items():
        bounds = model["pgr_ci95"]
        table.add_row(
            name,
            percent(model["accuracy"]),
            interval(model["ci95"]),
            signed(model["pgr"]),
            "" if bounds is None else f"{bounds[0]:.2f} to {bounds[1]:.2f}",
            percent(model["no_answer"]),
            MODELS.get(name, ""),
            style="bold" if name in STRONG else "",
        )
    return table


def _paired(paired: Mapping[str, Mapping[str, Any]]) -> Table:
    table = _table("the same questions, two models: difference in points")
    table.add_column("pair", no_wrap=True)
    for header in ("difference", "95 % interval", "McNemar p"):
        table.add_column(header, justify="right", no_wrap=True)
    for name, test in paired.items():
        low, high = test["ci95"]
        table.add_row(
            name,
            f"{100 * test['difference']:+.1f}",
            f"{100 * low:+.1f} to {100 * high:+.1f}",
            p_value(test["mcnemar_p"]),
        )
    return table


def _selection(selection: Mapping[str, Mapping[str, Any]]) -> Table:
    table = _table("what the filters kept, and how much of it is right")
    table.add_column("step", no_wrap=True)
    augmented = any("short" in step for step in selection.values())
    headers = ["kept", "of", "precision, %", "95 % interval"]
    headers += ["added", "short", "of added, %", "95 % interval"] if augmented else []
    for header in headers:
        table.add_column(header, justify="right", no_wrap=True)
    for name, step in selection.items():
        cells = [str(step["kept"]), str(step["of"]), percent(step["precision"]), interval(step["precision_ci95"])]
        if "short" in step:
            cells += [str(step["added"]), str(step["short"])]
            cells += [percent(step["added_precision"]), interval(step["added_precision_ci95"])]
        table.add_row(name, *cells)
    return table
