"""What a run evaluates, as its step `models` records it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from w2s.config.schema import Recipe
from w2s.results import old_folders

NAIVE = "full_weak_ft"
"""Learns from every weak answer; results.json fixes the name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A model with the record `evaluate_<name>` and the answers `data/test_<name>.jsonl`."""

    name: str
    what: str = ""
    against: tuple[str, ...] = ()
    """Models it is compared with."""
    highlight: bool = False
    """Whether it is a result of the method."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """The models of a strategy and its control, and the steps that lead to the first."""

    name: str
    model: str
    control: str | None
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """Models and selections (name -> words) in order; PGR runs from floor to ceiling."""

    models: tuple[Entry, ...]
    selections: Mapping[str, str]
    floor: str | None
    ceiling: str | None
    strategies: tuple[Strategy, ...] = ()

    @property
    def comparisons(self) -> list[tuple[str, str]]:
        return [(entry.name, other) for entry in self.models for other in entry.against]

    @property
    def highlighted(self) -> list[str]:
        return [entry.name for entry in self.models if entry.highlight]


def read_outline(records: Mapping[str, Mapping[str, Any]], recipe: Recipe) -> Outline:
    """The run's outline; of an older folder, the recipe's."""
    found = records["models"]["result"] if "models" in records else old_folders.outline(recipe)
    return Outline(
        tuple(
            Entry(model["name"], model.get("what", ""), tuple(model.get("against", ())), model.get("highlight", False))
            for model in found["models"]
        ),
        {selection["name"]: selection.get("what", "") for selection in found.get("selections", ())},
        found.get("floor"),
        found.get("ceiling"),
        tuple(
            Strategy(each["name"], each["model"], each["control"], tuple(each["steps"]))
            for each in found.get("strategies") or ()
        ),
    )


def is_control(name: str) -> bool:
    """Whether a name belongs to a control."""
    return name.startswith("control_")
