"""What a run cost, by part of the recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from markupsafe import Markup

from w2s.results.page import svg
from w2s.results.page.run import RunPage

HEIGHT = 22
PARTS = {
    "method": "the method: weak labels, both stages",
    "strategies": "other strategies",
    "baselines": "baselines and ceiling",
    "control": "control",
    "evaluation": "evaluation on test",
    "data": "data, checks and reports",
}


_ON_GPUS = {"training": "loss_first", "generation": "cut_off"}
"""Kinds of steps, and a field of their results that no other kind has."""


class Part(NamedTuple):
    """A part of the recipe: steps, seconds, tokens written or trained on."""

    words: str
    steps: int
    seconds: float
    share: float
    tokens: int
    mark: Markup


class Facts(NamedTuple):
    """Where a run was made: label -> values on record."""

    facts: list[tuple[str, str]]
    packages: str


def parts(page: RunPage) -> list[Part]:
    """Parts with some step. A step that is reused in another run counts with the seconds that it took once."""
    whose = _whose(page)
    groups: dict[str, list[Mapping[str, Any]]] = {part: [] for part in PARTS}
    for name, record in page.records.items():
        groups[part_of(name, record["kind"], whose)].append(record)
    total = sum(float(record["seconds"]) for record in page.records.values()) or 1.0
    found = []
    for part, records in groups.items():
        if records:
            seconds = sum(float(record["seconds"]) for record in records)
            tokens = sum(int(record["result"].get("tokens") or 0) for record in records)
            words, share = PARTS[part], seconds / total
            found.append(Part(words, len(records), seconds, share, tokens, _mark(share, part)))
    return found


def part_of(name: str, kind: str, whose: Mapping[str, str]) -> str:
    """The part of a step, by the strategies' own steps first."""
    if kind not in ("generate", "train", "select"):
        return "evaluation" if name.startswith("evaluate_") else "data"
    if name.startswith("test_"):
        return "evaluation"
    if name.startswith("control_"):
        return "control"
    return whose.get(name, "baselines")


def _whose(page: RunPage) -> dict[str, str]:
    whose: dict[str, str] = {}
    for number, strategy in enumerate(page.outline.strategies):
        for step in strategy.steps:
            whose.setdefault(step, "strategies" if number else "method")
    for name in page.outline.highlighted:
        whose.setdefault(name, "method")
    return whose


def _mark(share: float, part: str) -> Markup:
    bar = svg.tag("rect", x=0, y=5, width=f"{100 * share:.2f}%", height=12, class_=f"cost {part}")
    return svg.drawing(HEIGHT, bar)


def provenance(page: RunPage) -> Facts:
    """Commands, machine and software on record; the host's name stays out of the page."""
    records = sorted(page.records.values(), key=lambda record: str(record["finished"]))
    given = [record["provenance"] for record in records]
    facts = [
        ("commands", _distinct(each.get("command") for each in given)),
        ("commit", _distinct(each.get("commit") for each in given)),
        ("processor", _distinct(each.get("processor") for each in given)),
        ("GPUs", _distinct(each.get("gpus") for each in given)),
        ("trained on", _distinct(record["result"].get("device") for record in records)),
        ("most memory, processes together", _bytes(record.get("memory_peak") for record in records)),
        *((f"most GPU memory of a {kind}", _gpu_memory(records, field)) for kind, field in _ON_GPUS.items()),
        ("from", str(records[0].get("started", "")) if records else ""),
        ("to", str(records[-1].get("finished", "")) if records else ""),
        ("recipe", page.records.get("recipe", {}).get("fingerprint", "")[:16]),
    ]
    versions = page.results["versions"]
    return Facts(
        [
            (name, value or "not on record")
            for name, value in facts
            if value or not name.startswith(("GPUs", "most GPU memory"))
        ],
        ", ".join(f"{package} {version}" for package, version in versions.items()),
    )


def _gpu_memory(records: Iterable[Mapping[str, Any]], field: str) -> str:
    return _bytes(record["result"].get("device_memory") for record in records if field in record["result"])


def _distinct(values: Iterable[object]) -> str:
    return "\n".join(dict.fromkeys(str(value) for value in values if value))


def _bytes(values: Iterable[object]) -> str:
    known = [value for value in values if isinstance(value, int)]
    return f"{max(known) / 2**30:.2f} GiB" if known else ""
