"""A run's records and answers, gathered into `results.json`.

Reads `records/<step>.json` and `data/test_<model>.jsonl`, of the folder's last run only. A model whose evaluation is
missing (its branch ended, or the run is not finished) is left out; its reason stands under "ended".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from w2s import config, jsonl
from w2s.errors import UserError
from w2s.flow.provenance import PACKAGES
from w2s.flow.store import Store
from w2s.metrics.pgr import pgr, pgr_interval
from w2s.metrics.significance import difference_interval, mcnemar
from w2s.seeds import derive

MODELS = {
    "weak_floor": "weak model, fine-tuned on gold train_1 where the task has one",
    "strong_zero_shot": "strong base, as it comes",
    "weak_icl": "strong base, shown weak demonstrations",
    "full_weak_ft": "strong, fine-tuned on every weak answer",
    "stage1_iter1_weak_ft": "Stage I.1, agreed weak texts",
    "stage1_iter1_icl_ft": "Stage I.1, agreed strong texts",
    "stage1_iter1_hybrid_ft": "Stage I.1, both",
    "stage1_iter2_weak_ft": "Stage I.2, agreed texts of I.1 weak-ft",
    "stage1_iter2_icl_ft": "Stage I.2, agreed texts of I.1 icl-ft",
    "m_plus": "Stage I.2, both: the policy of Stage II",
    "m_pro_dpo": "Stage II, DPO from m_plus",
    "m_pro_orpo": "Stage II, ORPO from m_plus",
    "control_strong_only": (
        "both stages with the strong model's own majority in place of the weak answers; of the weak model only the "
        "demonstrations remain"
    ),
    "strong_ceiling": "strong, fine-tuned on gold train_2",
}
"""What each evaluated model is, in the order of the report."""

COMPARISONS = (
    ("m_plus", "weak_floor"),
    ("m_plus", "full_weak_ft"),
    ("m_plus", "weak_icl"),
    ("m_pro_dpo", "m_plus"),
    ("m_pro_orpo", "m_plus"),
    ("m_pro_dpo", "weak_icl"),
    ("m_pro_orpo", "weak_icl"),
    ("m_pro_dpo", "control_strong_only"),
    ("m_pro_orpo", "control_strong_only"),
    ("m_plus", "strong_ceiling"),
)
"""Pairs of models that are tested against each other on the same questions; `weak_icl` is prompted only."""

SELECTIONS = tuple(
    f"{mark}{step}" for mark in ("", "control_") for step in ("stage1_iter1", "stage1_iter2", "stage2_pairs")
)
"""The filters of both stages, and the control's."""

_COUNTS = ("short", "pairs", "same_text", "distinct_texts", "duplicate_texts", "dropped")
_SAMPLED = ("pass_at_k", "pass_at_k_ci95", "maj_at_k", "maj_at_k_ci95")

Rows = Mapping[str, Mapping[str, Any]]


def wanted(recipe: config.Recipe) -> list[str]:
    """The models a recipe asks for, in the order of the report; records of others are left-overs."""
    preferences = {f"m_pro_{loss}" for loss in recipe.preference.losses}
    stage_1 = {name for name in MODELS if name.startswith("stage1_")}
    if not recipe.stage1_variants:
        stage_1 = {"stage1_iter1_weak_ft", "stage1_iter1_icl_ft"}
    asked = stage_1 | {"m_plus"} | preferences | set(recipe.baselines)
    return [name for name in MODELS if name in asked]


def read_records(folder: Path) -> dict[str, dict[str, Any]]:
    """The record of every step that the last run of the folder came to the end of, by step name.

    In the order of that run. Records of an earlier run may lie beside them, with another seed or of steps that are no
    longer asked for. A folder that does not say what its last run reached is older than that: all of its records.

    Raises:
        UserError: the folder is not a run's folder.
    """
    store = Store(folder)
    records = {record["name"]: record for record in store.records()}
    if not records:
        raise UserError("holds no run", file=folder, expected="a folder that `w2s run` wrote, with records/*.json")
    reached = store.reached()
    if reached is None:
        return records
    ours = reached.items()
    return {name: records[name] for name, mark in ours if name in records and records[name]["fingerprint"] == mark}


def empty(folder: Path) -> list[str]:
    """The filters that the folder's last run came to the end of without an output: they ended, or were skipped.

    Which of them an older folder's run came to is not known: all that have none.
    """
    records, reached = read_records(folder), Store(folder).reached()
    made = {name for name, record in records.items() if not _ended(record)}
    return [name for name in SELECTIONS[:3] if name not in made and (reached is None or name in reached)]


def read_answers(folder: Path, names: Sequence[str]) -> dict[str, Rows]:
    """The graded test answers of each model that has some: model -> question id -> row."""
    answers: dict[str, Rows] = {}
    for name in names:
        path = folder / "data" / f"test_{name}.jsonl"
        if path.exists():
            answers[name] = {str(row["id"]): row for _, row in jsonl.read(path)}
    return answers


def collect(folder: Path, run: config.Run) -> dict[str, Any]:
    """The results of a run, with the fields of `results.json`.

    Accuracies, shares and PGR are fractions of one; intervals are 95 %: Wilson for an accuracy, pass@k and maj@k,
    Bonett and Price's for the difference of two models, bootstrap over questions for PGR. `pgr` is None where the
    ceiling is not above the floor, or one is missing.

    Raises:
        UserError: the folder holds no run.
    """
    recipe = run.recipe
    records = read_records(folder)
    measured = {}
    for name in wanted(recipe):
        record = records.get(f"evaluate_{name}")
        if record is not None and not _ended(record):
            sampled = records.get(f"evaluate_samples_{name}", {}).get("result", {})
            measured[name] = record["result"] | {field: sampled[field] for field in _SAMPLED if field in sampled}
    answers = read_answers(folder, list(measured))
    measured = {name: result for name, result in measured.items() if name in answers}
    return {
        "name": recipe.name,
        "task": recipe.task.name,
        "seed": recipe.seed,
        "n_test": max((result["n"] for result in measured.values()), default=0),
        "models": {name: _model(name, result, answers, recipe.seed) for name, result in measured.items()},
        "paired": _paired(answers),
        "selection": _selection(records),
        "ended": {name: record["message"] for name, record in records.items() if _ended(record)},
        "wall_seconds": round(sum(float(record["seconds"]) for record in records.values()), 2),
        "versions": _versions(records),
    }


def _ended(record: Mapping[str, Any]) -> bool:
    return record["status"] == "ended"


def _model(name: str, result: Mapping[str, Any], answers: Mapping[str, Rows], seed: int) -> dict[str, Any]:
    row = {field: result[field] for field in ("accuracy", "ci95", "correct", "n", "no_answer")}
    row |= {"undecided": result.get("undecided", 0.0), "pgr": None, "pgr_ci95": None}
    joined = _joined(answers, (name, "weak_floor", "strong_ceiling"))
    if joined is not None:
        row["pgr"] = pgr(*(sum(correct) / len(correct) for correct in joined))
        interval = pgr_interval(*joined, seed=derive(seed, "report", "pgr", name))
        row["pgr_ci95"] = None if interval is None else list(interval)
    return row | {field: result[field] for field in ("per_level", "per_subject", *_SAMPLED) if result.get(field)}


def _joined(answers: Mapping[str, Rows], names: Sequence[str]) -> list[list[bool]] | None:
    """Right or wrong for each question, joined by id; None where a model is missing or their questions differ."""
    if not all(answers.get(name) for name in names):
        return None
    ids = list(answers[names[0]])
    if any(answers[name].keys() != set(ids) for name in names):
        return None
    return [[answers[name][question_id]["verdict"] == "correct" for question_id in ids] for name in names]


def _paired(answers: Mapping[str, Rows]) -> dict[str, dict[str, Any]]:
    paired: dict[str, dict[str, Any]] = {}
    for a, b in COMPARISONS:
        joined = _joined(answers, (a, b))
        if joined is not None:
            first, second = joined
            paired[f"{a} vs {b}"] = {
                "difference": (sum(first) - sum(second)) / len(first),
                "ci95": list(difference_interval(first, second)),
                "mcnemar_p": mcnemar(first, second),
                "n": len(first),
            }
    return paired


def _selection(records: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What each filter kept, and what was added to it; one that kept nothing ended its branch and has kept 0."""
    given = records.get("questions_train_2", {}).get("result", {}).get("of", 0)
    selection: dict[str, dict[str, Any]] = {}
    for name in SELECTIONS:
        if name in records:
            result = {"kept": 0, "of": given, "added": 0, "dropped": {}} | records[name]["result"]
            judged = records.get(f"precision_{name}", {}).get("result", {})
            selection[name] = {field: result[field] for field in ("kept", "of")}
            selection[name] |= {"precision": judged.get("precision"), "precision_ci95": judged.get("ci95")}
            selection[name] |= {"added": result["added"], "added_precision": judged.get("added_precision")}
            selection[name] |= {"added_precision_ci95": judged.get("added_ci95")}
            selection[name] |= {field: result[field] for field in _COUNTS if field in result}
    return selection


def _versions(records: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """What the records say they were made with; where steps differ all that was used, in the order of its use.

    What is installed while a report is made does not count: that may be another machine, or a year later.
    """
    found: dict[str, dict[str, None]] = {package: {} for package in ("w2s", "python", *PACKAGES)}
    for record in sorted(records.values(), key=lambda record: record["finished"]):
        for package in found.keys() & record["provenance"]:
            found[package][record["provenance"][package]] = None
    return {package: ", ".join(used) for package, used in found.items() if used}
