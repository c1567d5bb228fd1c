"""The report of a run, or of several, as one page without anything from elsewhere.

Model output is hostile text: Jinja and `svg.tag` escape it, and the sample browser's script shows it as text. Every
figure is drawn here; only the browser needs a script.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from w2s.results import table, verdicts, work
from w2s.results.page import browser, costs, curves, forest, funnel, ladder, reliability, strip, whose
from w2s.results.page.run import RunPage, read

__all__ = ["RunPage", "read", "render"]

_PLACE = Path(__file__).parent


def render(pages: Sequence[RunPage], over: Mapping[str, Any] | None = None) -> str:
    """The page of a run, or of several of one recipe.

    Args:
        pages: the runs. Selection, errors, trainings, samples and costs are of the first.
        over: of several runs their results over all seeds: the fields of `results.json`, with `by_seed` in each model
            and comparison. Verdicts, ladder, comparisons and strategies are of these.

    Raises:
        ValueError: no run, or several without `over`.
    """
    if not pages or (len(pages) > 1 and over is None):
        raise ValueError(f"{len(pages)} runs, and results over all of them: {over is not None}")
    page = pages[0]
    results = page.results
    shown = results if over is None else over
    models = shown["models"]
    script, style = _asset("browser.js"), _asset("page.css")
    text = _template().render(
        pages=pages,
        page=page,
        results=results,
        script=Markup(script),
        style=Markup(style),
        hashes={"script": _digest(script), "style": _digest(style)},
        shown=shown,
        strip=strip.build(pages, shown),
        ladder=ladder.draw(page, models) if models else None,
        symbol=ladder.symbol,
        forest=forest.draw(page, shown["paired"]),
        strategies=forest.strategies(page, shown),
        best=forest.best(page, shown),
        panels=reliability.panels(page),
        funnels=funnel.funnels(page),
        roles=funnel.roles(page),
        reasons=funnel.reasons,
        errors=whose.compare(page),
        levels=whose.by_level(page),
        kinds=whose.KINDS,
        trainings=curves.trainings(page),
        costs=costs.parts(page),
        provenance=costs.provenance(page),
        samples=browser.pack(page),
        margin=f"{100 * verdicts.MARGIN:g}",
        own_answers=any("own answers" in page.label(name) for name in models),
        temperature=page.recipe.sampling.temperature,
        overlap=page.records.get("overlap", {}).get("result"),
        groups={of: _groups(page.models, of) for of in ("level", "subject")},
        work=work.table(page.records),
        totals=work.totals(page.records),
        ks=sorted({k for model in page.models.values() for k in model.get("pass_at_k", {})}, key=_number),
    )
    return text.encode("utf-8", "backslashreplace").decode()  # an id may have half a surrogate pair


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PLACE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": table.percent,
        "interval": table.interval,
        "signed": table.signed,
        "points": table.points,
        "p_value": table.p_value,
    }
    return environment.get_template("page.html.j2")


@functools.cache
def _asset(name: str) -> str:
    return (_PLACE / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _groups(models: Mapping[str, Any], of: str) -> list[str]:
    return sorted({group for model in models.values() for group in model.get(f"per_{of}", {})}, key=_number)


def _number(text: str) -> tuple[int, str]:
    return (int(text), "") if str(text).isdecimal() and len(text) < 10 else (10**9, str(text))
