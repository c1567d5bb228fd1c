"""Results over seeds, and comparisons, as tables for a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from w2s.results.table import Figures, interval, p_value, percent, points, signed

Results = Mapping[str, Any]


TESTS = {
    "mcnemar": "exact McNemar p",
    "z": "p of a paired z test over questions, of shares of several samples",
    "seeds": "p of a test over seeds and questions",
}
"""The test of a comparison (`w2s.results.several.tested`), in words."""


def tables(results: Results) -> RenderableType:
    """All tables of results over seeds, or of several recipes."""
    if "runs" in results:
        parts: list[RenderableType] = []
        for name, of in results["runs"].items():
            parts += [Text(name, style="bold"), tables(of)]
        return Group(*parts, comparison(results["comparison"]))
    parts = [Text(f"damage: {line}", style="bold red") for line in results["damage"]]
    parts += [Text(f"{line}.", style="yellow") for line in results["caveats"]]
    parts += [Text(f"{line}.", style="bold") for line in results["headline"]]
    parts += figures(results)
    parts += [Text(f"ended: {name}: {message}", style="yellow") for name, message in results["ended"].items()]
    return Group(*parts)


def markdown(results: Results) -> str:
    """The same in Markdown."""
    if "runs" in results:
        parts = [f"**{name}**\n\n{markdown(of)}" for name, of in results["runs"].items()]
        return "\n\n".join([*parts, comparison(results["comparison"]).markdown()])
    lines = [f"{line}." for line in (*results["caveats"], *results["headline"])]
    return "\n\n".join([" ".join(lines), *(table.markdown() for table in figures(results))])


def figures(results: Results) -> list[Figures]:
    """Models, strategies, comparisons and selections."""
    found = [_models(results)]
    if results["strategies"]:
        found += [_strategies(results["strategies"]), _costs(results["strategies"])]
    if results["paired"]:
        found.append(_paired(results["paired"]))
    if results["selection"]:
        found.append(_selection(results["selection"]))
    return found


def comparison(rows: Sequence[Mapping[str, Any]]) -> Figures:
    """Each comparison: first less second."""
    several = len(rows) > 1
    seeds = any(len(row["seeds"]) > 1 for row in rows)
    tests = list(dict.fromkeys(row["test"] for row in rows))
    mixed = len(tests) > 1
    right = "right where the other is not" if tests == ["mcnemar"] else "right more often than the other"
    p = TESTS[tests[0]] if not mixed else f"p of each row's test ({'; '.join(f'{of}: {TESTS[of]}' for of in tests)})"
    table = Figures(
        f"on shared questions: difference in points (first less second), {right}, {p}"
        + (", Holm's p over all rows" if several else ""),
        (
            "pair",
            "n",
            "difference",
            "95 %",
            "only\nright",
            "p",
            *(["test"] if mixed else []),
            *(["Holm"] if several else []),
        ),
    )
    for row in rows:
        pair = f"{row['a']} vs {row['b']}"
        cells = [f"{row['n']:,}" + (f" x {len(row['seeds'])}" if seeds else ""), points(row["difference"])]
        cells += [_points(row["ci95"]), f"{row['only_a']} : {row['only_b']}", p_value(row["p"])]
        cells += [row["test"]] if mixed else []
        cells += [p_value(row["p_holm"])] if several else []
        table.add(f"{row['model']} {pair}".strip(), cells)
    return table


def _models(results: Results) -> Figures:
    models, seeds = results["models"], results["seeds"]
    numbers = ", ".join(map(str, seeds))
    table = Figures(
        f"{results['task']}, {'seed' if len(seeds) == 1 else 'seeds'} {numbers}: "
        f"mean accuracy on {results['n_test']} test questions, %",
        ("model", "mean", "seeds", "95 %", "PGR", "95 %"),
        {name: model["what"] for name, model in models.items()},
    )
    for name, model in models.items():
        cells = [percent(model["accuracy"]), interval(model["spread"]), interval(model["ci95"])]
        table.add(
            name, [*cells, signed(model["pgr"]), _shares(model["pgr_ci95"])], "bold" if model["highlight"] else ""
        )
    return table


def _strategies(strategies: Mapping[str, Results]) -> Figures:
    table = Figures(
        "strategies: mean accuracy, that of the control, and what weak labels bring (PGR less that of the control)",
        ("strategy", "mean", "control", "weak\nlabels", "seeds", "95 %"),
        {name: of["model"] for name, of in strategies.items() if of["model"] != name},
    )
    for name, of in strategies.items():
        cells = [percent(of["accuracy"]), percent(of["control_accuracy"]), signed(of["weak_contribution"])]
        table.add(name, [*cells, _shares(of["weak_contribution_spread"]), _shares(of["weak_contribution_ci95"])])
    return table


def _costs(strategies: Mapping[str, Results]) -> Figures:
    table = Figures(
        "mean cost of all steps that lead to a strategy's model", ("strategy", "tokens", "seconds", "seeds")
    )
    for name, of in strategies.items():
        table.add(name, (f"{of['tokens']:,}", f"{of['seconds']:,.0f}", str(of["seeds"])))
    return table


def _paired(paired: Mapping[str, Results]) -> Figures:
    table = Figures(
        "two models on the same questions: mean difference in points; Holm's p, of verdicts and others apart",
        ("pair", "mean", "seeds", "95 %", "p", "Holm"),
    )
    for name, of in paired.items():
        cells = (points(of["difference"]), _points(of["spread"]), _points(of["ci95"]), p_value(of["p"]))
        table.add(name, (*cells, p_value(of["p_holm"])))
    return table


def _selection(selection: Mapping[str, Results]) -> Figures:
    table = Figures(
        "what each selection kept on average, and how much of it is right, %",
        ("selection", "kept", "seeds", "of", "precision", "seeds"),
    )
    for name, of in selection.items():
        kept = " to ".join(f"{end:,}" for end in of["kept_spread"])
        cells = (f"{of['kept']:,.0f}", kept, f"{of['of']:,}", percent(of["precision"]))
        table.add(name, (*cells, interval(of["precision_spread"])))
    return table


def _points(bounds: Sequence[float]) -> str:
    return " to ".join(map(points, bounds))


def _shares(bounds: Sequence[float] | None) -> str:
    return "" if bounds is None else " to ".join(f"{end:.2f}" for end in bounds)
