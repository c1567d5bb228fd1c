"""The figures on a card: of the model, its baselines and its control."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from w2s.results.verdicts import p_is

_BESIDE = (
    "weak_floor", "strong_zero_shot", "weak_icl", "full_weak_ft", "m_plus", "m_pro_dpo", "m_pro_orpo",
    "control_strong_only", "strong_ceiling",
)  # fmt: skip
"""In the table, beside the model itself."""
_WHAT = {
    "weak_floor": "the weak model (floor)",
    "strong_zero_shot": "the strong model, untrained",
    "weak_icl": "the strong model, untrained, shown weak answers",
    "full_weak_ft": "the strong model, fine-tuned on all weak answers (naive)",
    "m_plus": "Stage I",
    "m_pro_dpo": "Stage II with DPO",
    "m_pro_orpo": "Stage II with ORPO",
    "control_strong_only": "control: the strong model's own majority vote in place of the weak answers",
    "strong_ceiling": "the strong model, fine-tuned on gold (ceiling)",
}


def of(results: Mapping[str, Any], name: str) -> str:
    """The section of a card: table, paired differences, caveats; `name`: the model that the card is of."""
    models = results.get("models", {})
    strategies = results.get("strategies", {}).values()
    controls = [each.get("control") for each in strategies if each.get("model") == name]
    names = dict.fromkeys([*_BESIDE, name, *controls])
    rows = ["| | accuracy, % (95 %) | n | PGR |", "|---|---:|---:|---:|"]
    for each in (each for each in names if each in models):
        found, label = models[each], _WHAT.get(each, models[each].get("what") or each)
        bold = "**" if each == name else ""
        shown = f"{bold}{_escaped(label)} (`{each}`){bold}"
        rows.append(f"| {shown} | {_percent(found)} | {found.get('n', '')} | {_pgr(found)} |")
    lines = [
        f"## Figures\n\nOn {results.get('n_test', '?')} test questions that no training saw.",
        "\n".join(rows),
    ]
    if name not in models:
        lines.append(f"`{name}` itself was not evaluated in this run.")
    paired = list(_paired(results, name))
    if paired:
        lines.append("Differences on the same questions, in points (95 %; McNemar's exact p):\n\n" + "\n".join(paired))
    if not any(control in models for control in (*controls, "control_strong_only")):
        lines.append(
            "No control was run: nothing says that the weak answers, and not the strong model alone, made the gain."
        )
    lines.append("PGR is the share of the gap from floor to ceiling that is recovered. Intervals are over questions.")
    caveats = [*results.get("caveats", ()), *(f"damaged: {line}" for line in results.get("damage", ()))]
    if not results.get("finished", True):
        caveats.insert(0, "the run is not finished")
    if caveats:
        lines.append("**Caveats**\n\n" + "\n".join(f"- {_escaped(str(line))}" for line in dict.fromkeys(caveats)))
    return "\n\n".join(lines)


def _paired(results: Mapping[str, Any], name: str) -> Iterator[str]:
    for title, found in results.get("paired", {}).items():
        if title.startswith(f"{name} vs ") and found.get("ci95"):
            low, high = (100 * end for end in found["ci95"])
            p = found.get("mcnemar_p")
            tail = "" if p is None else f"; {p_is(p)}"
            difference = f"{100 * found['difference']:+.1f} ({low:+.1f} to {high:+.1f}{tail})"
            yield f"- {title.replace(' vs ', ' against ')}: {difference}"


def _percent(found: Mapping[str, Any]) -> str:
    accuracy, ends = found.get("accuracy"), found.get("ci95")
    if accuracy is None or not ends:
        return "not known"
    return f"{100 * accuracy:.1f} ({100 * ends[0]:.1f} to {100 * ends[1]:.1f})"


def _pgr(found: Mapping[str, Any]) -> str:
    value, ends = found.get("pgr"), found.get("pgr_ci95")
    if value is None:
        return "-"
    return f"{value:.2f}" + (f" ({ends[0]:.2f} to {ends[1]:.2f})" if ends else "")


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
