"""The two figures of the report, drawn with matplotlib as SVG that takes its colours from the page."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

matplotlib.use("svg")

# Colours that occur nowhere else stand for the page's variables, so that one figure serves light and dark.
INK, MUTED, ACCENT, QUIET, GRID = "#010203", "#010204", "#010205", "#010206", "#010207"
_VARIABLES = {INK: "--ink", MUTED: "--muted", ACCENT: "--accent", QUIET: "--quiet", GRID: "--line"}
_METHOD = {"m_plus", "m_pro_dpo", "m_pro_orpo"}
_STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": GRID,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": INK,
}


def accuracy_bars(models: Mapping[str, Mapping[str, Any]]) -> str:
    """Accuracy of each model in percent with its 95 % interval, between the lines of floor and ceiling."""
    with matplotlib.rc_context(_STYLE | {"svg.hashsalt": "accuracy"}):
        figure, axes = _figure(len(models))
        for place, (name, model) in enumerate(models.items()):
            accuracy = 100 * model["accuracy"]
            low, high = (100 * bound for bound in model["ci95"])
            axes.barh(place, accuracy, height=0.62, color=ACCENT if name in _METHOD else QUIET)
            axes.plot([low, high], [place, place], color=INK, linewidth=1.4, solid_capstyle="butt")
            axes.text(max(high, accuracy) + 1.2, place, f"{accuracy:.1f}", va="center", fontsize=9)
        for name, label in (("weak_floor", "floor"), ("strong_ceiling", "ceiling")):
            if name in models:
                at = 100 * models[name]["accuracy"]
                axes.axvline(at, color=MUTED, linewidth=1, linestyle=(0, (3, 3)), zorder=0)
                axes.text(at, -0.75, label, ha="center", va="bottom", fontsize=9, color=MUTED)
        _rows(axes, list(models))
        axes.set_xlim(0, 106)
        axes.set_xlabel("accuracy on test, %")
        return _svg(figure, "accuracy", "Bars: the accuracy of each model, as in the table that follows")


def selection_funnel(selection: Mapping[str, Mapping[str, Any]]) -> str:
    """For each filter: all it was given, what it kept, and what of that is right, where gold can tell."""
    with matplotlib.rc_context(_STYLE | {"svg.hashsalt": "selection"}):
        figure, axes = _figure(len(selection))
        widest = max(step["of"] for step in selection.values()) or 1
        for place, step in enumerate(selection.values()):
            kept, total, precision = step["kept"], step["of"], step["precision"]
            axes.barh(place, total, height=0.62, color=GRID)
            axes.barh(place, kept, height=0.62, color=QUIET)
            note = f"{kept} of {total}"
            if precision is not None:
                axes.barh(place, kept * precision, height=0.62, color=ACCENT)
                note += f", {100 * precision:.0f} % right"
            axes.text(total + 0.012 * widest, place, note, va="center", fontsize=9)
        _rows(axes, list(selection))
        axes.set_xlim(0, 1.34 * widest)
        axes.set_xlabel("given (pale), kept (grey), kept and right (colour)")
        return _svg(figure, "selection", "Bars: what each filter was given and kept, as in the table that follows")


def _figure(rows: int) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8.4, 0.9 + 0.34 * rows), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    return figure, axes


def _rows(axes: Axes, labels: list[str]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(labels) - 0.5, -0.8)


def _svg(figure: Figure, name: str, label: str) -> str:
    """The figure for a page that has others: matplotlib calls the parts of each alike, so the name goes before."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'( id="|xlink:href="#|url\(#)', rf"\1{name}-", text)
    text = text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    return text
