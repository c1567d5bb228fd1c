"""What each strategy reaches, what its weak labels bring, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from w2s.metrics.pgr import contribution
from w2s.results.outline import Outline, Strategy

REFERENCES = ("weak_icl", "m_plus")
"""Every strategy is compared with these, with the model of `PAPER`, and with its control."""
PAPER = "weak_to_strong"

Join = Callable[[Sequence[str | None]], list[list[bool]] | None]
"""Models to whether each is right, by test question; None where one is missing or questions differ."""


def summaries(
    outline: Outline, records: Mapping[str, Mapping[str, Any]], models: Mapping[str, Mapping[str, Any]], join: Join
) -> dict[str, dict[str, Any]]:
    """By strategy: its model's figures, the weak contribution, tokens and seconds of all steps that lead to it.

    Weak contribution: PGR less that of the control; None where there is no control, or no measurable gap. Steps that
    strategies share count in each.
    """
    return {
        each.name: {
            "model": each.model,
            "control": each.control,
            **{field: models[each.model][field] for field in ("accuracy", "ci95", "pgr", "pgr_ci95")},
            **_contribution(each, outline, join),
            **_cost(each, records),
        }
        for each in outline.strategies
        if each.model in models
    }


def comparisons(outline: Outline) -> list[tuple[str, str]]:
    """Pairs of models that strategies are judged by."""
    references = (*REFERENCES, *(each.model for each in outline.strategies if each.name == PAPER))
    others = [(each.model, other) for each in outline.strategies for other in (*references, each.control)]
    return [(model, other) for model, other in dict.fromkeys(others) if other is not None and other != model]


def _contribution(each: Strategy, outline: Outline, join: Join) -> dict[str, Any]:
    of = join((each.model, each.control, outline.floor, outline.ceiling))
    found = None if of is None else contribution(*of)
    value, interval = (None, None) if found is None else found
    return {"weak_contribution": value, "weak_contribution_ci95": None if interval is None else list(interval)}


def _cost(each: Strategy, records: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Tokens that its steps wrote or trained on; seconds of the machine."""
    made = [records[name] for name in each.steps if name in records]
    return {
        "tokens": sum(int(record["result"].get("tokens", 0)) for record in made if "result" in record),
        "seconds": round(sum(float(record["seconds"]) for record in made), 2),
    }
