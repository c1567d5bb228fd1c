"""Results as one self-contained page. Model output is hostile text: Jinja escapes all of it."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from w2s import config, presets
from w2s.report import table, work
from w2s.report.collect import MODELS, Rows, read_answers, read_records
from w2s.seeds import derive

SAMPLES = 20
LONGEST = 4000
"""Characters of a question or response that the page shows."""
SHORT = 80
"""Characters of a final answer that it shows."""


def render(folder: Path, run: config.Run, results: Mapping[str, Any]) -> str:
    """The page. It loads nothing from anywhere; without matplotlib it has no figures and says so."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": table.percent,
        "interval": table.interval,
        "signed": table.signed,
        "p_value": table.p_value,
    }
    models, records = results["models"], read_records(folder)
    page = environment.get_template("report.html.j2").render(
        results=results,
        descriptions=MODELS,
        method=table.STRONG,
        figures=_figures(results),
        overlap=records.get("overlap", {}).get("result"),
        groups={
            of: sorted({group for model in models.values() for group in model.get(f"per_{of}", {})}, key=_number)
            for of in ("level", "subject")
        },
        work=work.table(records),
        totals=work.totals(records),
        ks=sorted({k for model in models.values() for k in model.get("pass_at_k", {})}, key=_number),
        samples=choose_samples(read_answers(folder, list(models)), run.recipe.seed),
        settings=presets.dump(run),
    )
    return page.encode("utf-8", "backslashreplace").decode()  # an id may have half a surrogate pair


def choose_samples(answers: Mapping[str, Rows], seed: int, count: int = SAMPLES) -> list[dict[str, Any]]:
    """`count` test questions with the answers of four models side by side.

    The questions are drawn by a hash of their ids: nobody picked them for their looks.
    """
    last = "m_pro_dpo" if "m_pro_dpo" in answers else "m_pro_orpo"
    shown = [name for name in ("weak_floor", "full_weak_ft", "m_plus", last) if name in answers]
    if not shown:
        return []
    common = set.intersection(*(set(answers[name]) for name in shown))
    drawn = sorted(common, key=lambda question_id: (derive(seed, "report", "sample", question_id), question_id))[:count]
    return [
        {
            "id": question_id,
            "question": _shorten(answers[shown[0]][question_id]["question"]),
            "answers": [
                {
                    "model": name,
                    "text": _shorten(answers[name][question_id]["response"]),
                    "prediction": _shorten(str(answers[name][question_id].get("prediction") or ""), SHORT),
                    "verdict": answers[name][question_id]["verdict"],
                }
                for name in shown
            ],
        }
        for question_id in drawn
    ]


def _figures(results: Mapping[str, Any]) -> dict[str, Markup]:
    if importlib.util.find_spec("matplotlib") is None:
        return {}
    from w2s.report import plots

    drawn = {}
    if results["models"]:
        drawn["accuracy"] = Markup(plots.accuracy_bars(results["models"]))
    if results["selection"]:
        drawn["selection"] = Markup(plots.selection_funnel(results["selection"]))
    return drawn


def _number(text: str) -> tuple[int, str]:
    return (int(text), "") if str(text).isdigit() else (10**9, str(text))


def _shorten(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else text[:longest] + f" … ({len(text)} characters)"
