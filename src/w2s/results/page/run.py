"""What the page shows of one run, read from its folder."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2s.config import load, schema
from w2s.data import jsonl
from w2s.errors import UserError
from w2s.results import verdicts
from w2s.results.collect import Rows, read_answers, read_records
from w2s.results.outline import Entry, Outline, is_control, read_outline

WORDS = {
    "weak_floor": "Weak model (floor)",
    "strong_zero_shot": "Strong model, untrained",
    "weak_icl": "Prompted with weak answers",
    "full_weak_ft": "Naive: trained on all weak answers",
    "m_plus": "Stage I",
    "filter_recover": "Filter and recover",
    "majority_sft": "Own majority",
    "scpo": "ScPO (own answers)",
    "confidence_loss": "Confidence loss",
    "restrain": "RESTRAIN (own answers)",
    "trust": "Trust",
    "ensemble": "Ensemble",
    "certified": "Certified selection",
    "control_strong_only": "Control (own answers)",
    "strong_ceiling": "Trained on gold (ceiling)",
}
"""Names of results.json in words."""
TEXTS = {"weak_answers": "weak", "icl_answers": "strong, prompted with weak answers"}
"""Answers to train_2 whose texts the page has."""


@dataclass(frozen=True)
class RunPage:
    """One run: its results, records, test answers, and what became of the questions of train_2.

    `judged`: rows of `data/judged_train_2.jsonl`; `texts`: step -> id -> its response to train_2.
    """

    results: Mapping[str, Any]
    records: Mapping[str, Mapping[str, Any]]
    outline: Outline
    answers: Mapping[str, Rows]
    judged: list[dict[str, Any]]
    texts: Mapping[str, Mapping[str, str]]
    recipe: schema.Recipe
    settings: str

    @property
    def models(self) -> Mapping[str, Any]:
        return self.results["models"]

    @property
    def endpoint(self) -> str | None:
        return verdicts.endpoint(self.outline, self.models)

    def label(self, name: str) -> str:
        """A model in words."""
        return label(name)

    def role(self, name: str) -> str:
        """floor, ceiling, control, method, strategy (another than the first) or baseline."""
        if name in (self.outline.floor, self.outline.ceiling):
            return "floor" if name == self.outline.floor else "ceiling"
        if is_control(name):
            return "control"
        entry = next((each for each in self.outline.models if each.name == name), Entry(name))
        if name != self.endpoint and name in {each.model for each in self.outline.strategies[1:]}:
            return "strategy"
        return "method" if entry.highlight or name == self.endpoint else "baseline"


def is_cut(answer: Mapping[str, Any]) -> bool:
    """Whether the token limit ended it; an answer of an earlier version does not say."""
    return answer.get("cut") is True


def label(name: str, own: str | None = None) -> str:
    """A model's name in words; one of a user's own stays. `own`: what a control has in place of weak texts."""
    if name in WORDS:
        return WORDS[name]
    if name.startswith("m_pro_"):
        loss = name.removeprefix("m_pro_")
        return f"Stage II ({'SimPO' if loss == 'simpo' else loss.upper().replace('_', ' ')})"
    if name.startswith("stage1_iter"):
        number, _, source = name.removeprefix("stage1_iter").partition("_")
        weak = "weak texts" if own is None else own
        sources = {"weak_ft": weak, "icl_ft": "own texts", "hybrid_ft": "both texts"}
        return f"Stage I.{number} ({sources.get(source, source)})"
    if name.startswith("control_"):
        of = name.removeprefix("control_")
        words = label(of, "its majority's texts")
        return f"Control: {words}" if words != of.replace("_", " ") else f"Control of {words}"
    return name.replace("_", " ")


def step_label(name: str) -> str:
    """A step that answers train_2, or a selection, in words; one of a user's own stays."""
    bare = name.removeprefix("control_")
    known = {"weak_answers": "Weak model", "icl_answers": "Strong model, prompted with weak answers"}
    known |= {"control_answers": "Control: own majority", "stage2_pairs": "Stage II, pairs"}
    if name in known:
        return known[name]
    words = known.get(bare, bare.replace("_", " "))
    if found := re.fullmatch(r"stage1_iter(\d+)", bare):
        words = f"Stage I.{found[1]}"
    elif found := re.fullmatch(r"(iter\d+_(?:weak|icl)_ft)_answers", bare):
        words = label(f"stage1_{found[1]}", None if bare == name else "its majority's texts")
    elif bare.endswith("_samples"):
        words = f"{label(bare.removesuffix('_samples'))}, votes"
    return words if bare == name else f"Control: {words}"


def read(folder: Path, run: schema.Run, results: Mapping[str, Any]) -> RunPage:
    """The run of a folder; files that cannot be read are left out.

    Raises:
        UserError: the folder holds no run.
    """
    records = read_records(folder)
    judged = [row for row in _rows(folder / "data/judged_train_2.jsonl") if _is_judged(row)]
    return RunPage(
        results,
        records,
        read_outline(records, run.recipe),
        read_answers(folder, list(results["models"])),
        judged,
        {name: _texts(folder / f"data/{name}.jsonl") for name in TEXTS} if judged else {},
        run.recipe,
        load.dump(run),
    )


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with contextlib.suppress(UserError):
        for _, row in jsonl.read(path):
            yield row


def _is_judged(row: Mapping[str, Any]) -> bool:
    parts = (row.get(name) for name in ("answers", "votes"))
    return (
        isinstance(row.get("id"), str)
        and isinstance(row.get("question"), str)
        and all(isinstance(part, dict) and all(isinstance(each, dict) for each in part.values()) for part in parts)
        and isinstance(row.get("decisions"), dict)
        and all(isinstance(vote.get("share"), int | float) for vote in row["votes"].values())
    )


def _texts(path: Path) -> dict[str, str]:
    return {str(row.get("id")): row["response"] for row in _rows(path) if isinstance(row.get("response"), str)}
