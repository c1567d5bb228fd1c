"""The records and answers of a folder's last run as `results.json`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

from w2s.config import schema
from w2s.config.schema import Recipe
from w2s.data import jsonl
from w2s.errors import UserError
from w2s.flow.provenance import PACKAGES
from w2s.flow.store import Store
from w2s.metrics import accuracy as metrics
from w2s.metrics.pgr import pgr, pgr_interval
from w2s.metrics.significance import difference_interval, mcnemar
from w2s.records import Verdict
from w2s.results import headline, strategies, verdicts
from w2s.results.outline import Entry, Outline, is_control, read_outline

_COUNTS = ("short", "pairs", "same_text", "distinct_texts", "duplicate_texts", "dropped")
_SAMPLED = ("pass_at_k", "pass_at_k_ci95", "maj_at_k", "maj_at_k_ci95")

NOT_MEASURABLE = "gap not measurable"
"""The interval of ceiling - floor includes 0."""

Rows = Mapping[str, Mapping[str, Any]]


def read_records(folder: Path) -> dict[str, dict[str, Any]]:
    """The records of the last run by step name; of an old folder, all.

    Raises:
        UserError: the folder holds no run.
    """
    store = Store(folder)
    records = {record["name"]: record for record in store.records()}
    if not store.names():
        raise UserError("holds no run", file=folder, expected="a folder that `w2s run` wrote, with records/*.json")
    reached = store.reached()
    if reached is None:
        return records
    ours = reached.items()
    return {name: records[name] for name, mark in ours if name in records and records[name]["fingerprint"] == mark}


def empty(folder: Path, recipe: Recipe) -> list[str]:
    """The selections that the last run finished without an output, less a control's.

    Raises:
        UserError: the folder holds no run.
    """
    records, reached = read_records(folder), Store(folder).reached()
    made = {name for name, record in records.items() if not _ended(record)}
    selections = [name for name in read_outline(records, recipe).selections if not is_control(name)]
    return [name for name in selections if name not in made and (reached is None or name in reached)]


def read_answers(folder: Path, names: Sequence[str]) -> dict[str, Rows]:
    """Model -> question id -> graded test answer; no damaged files."""
    answers: dict[str, Rows] = {}
    for name in names:
        path = folder / "data" / f"test_{name}.jsonl"
        with contextlib.suppress(UserError):
            rows = {str(row.get("id")): row for _, row in jsonl.read(path)}
            if rows and all(_is_answer(row) for row in rows.values()):
                answers[name] = rows
    return answers


def _is_answer(row: Mapping[str, Any]) -> bool:
    texts = all(isinstance(row.get(field), str) for field in ("question", "response"))
    return "id" in row and texts and row.get("verdict") in get_args(Verdict)


def damage(folder: Path) -> list[str]:
    """A line for each record or file that changed after the run.

    Raises:
        UserError: the folder holds no run.
    """
    store = Store(folder)
    found = store.damaged_records(store.names_reached())
    for record in read_records(folder).values():
        found += store.damages(record)
    return found


def undamaged(models: Iterable[str], damaged: Sequence[str]) -> set[str]:
    """The models whose test answers no line of `damage` names."""
    return {name for name in models if not any(f"data/test_{name}.jsonl" in line for line in damaged)}


def collect(folder: Path, run: schema.Run) -> dict[str, Any]:
    """The fields of `results.json`, as fractions of one.

    Intervals are 95 %, over questions: Wilson (accuracy, precision), Student (pass@k, maj@k), Bonett and Price
    (difference), Fieller (PGR).
    No headline is about a damaged model.

    Raises:
        UserError: the folder holds no run.
    """
    recipe = run.recipe
    records = read_records(folder)
    outline = read_outline(records, recipe)
    sampled = _evaluated(records, outline)
    answers = read_answers(folder, list(sampled))
    measured = {name: _measured(answers[name]) | sampled[name] for name in sampled if name in answers}
    accuracy = {name: result["accuracy"] for name, result in measured.items()}
    damaged = damage(folder)
    sound = undamaged(accuracy, damaged)
    decisive = headline.comparisons(outline, {name: accuracy[name] for name in sound})
    asked = verdicts.asked(outline, sound)
    tested = [*(each[1:] for each in asked), *outline.comparisons, *(c[:2] for c in decisive)]
    tested += strategies.comparisons(outline)
    paired = _paired(answers, tested)
    verdicts.correct(paired, asked, "mcnemar_p")
    models = {
        entry.name: _model(entry, measured[entry.name], _pgr(entry.name, outline, answers))
        for entry in outline.models
        if entry.name in measured
    }
    left = Store(folder).left()
    finished = left[0] == 0 if left else _seems_finished(records, outline)
    return {
        "name": recipe.name,
        "task": recipe.task.name,
        "seed": recipe.seed,
        "finished": finished,
        "caveats": headline.caveats(recipe, finished=finished, left=left),
        "n_test": max((result["n"] for result in measured.values()), default=0),
        "headline": [headline.sentence(c, accuracy, paired[c.test]) for c in decisive if c.test in paired],
        "verdicts": verdicts.verdicts(asked, paired),
        "models": models,
        "strategies": strategies.summaries(outline, records, models, partial(_joined, answers)),
        "overlap": records.get("overlap", {}).get("result"),
        "damage": damaged,
        "paired": paired,
        "selection": _selection(records, outline),
        "vote_share": records.get("judged_train_2", {}).get("result", {}).get("vote_share", {}),
        "ended": {name: record["message"] for name, record in records.items() if _ended(record)},
        "wall_seconds": round(sum(float(record["seconds"]) for record in records.values()), 2),
        "versions": _versions(records),
    }


def _seems_finished(records: Mapping[str, Mapping[str, Any]], outline: Outline) -> bool:
    """Of a folder of an earlier version, which does not say how many steps it has."""
    lacks = [entry.name for entry in outline.models if f"evaluate_{entry.name}" not in records]
    return not lacks or any(map(_ended, records.values()))


def _ended(record: Mapping[str, Any]) -> bool:
    return record["status"] == "ended"


def _evaluated(records: Mapping[str, Mapping[str, Any]], outline: Outline) -> dict[str, dict[str, Any]]:
    found = {}
    for name in (entry.name for entry in outline.models):
        record = records.get(f"evaluate_{name}")
        if record is not None and not _ended(record):
            sampled = records.get(f"evaluate_samples_{name}", {}).get("result", {})
            found[name] = {field: sampled[field] for field in _SAMPLED if field in sampled}
    return found


def _measured(rows: Rows) -> dict[str, Any]:
    verdicts: dict[str, Verdict] = {question: row["verdict"] for question, row in rows.items()}
    groups = {
        f"per_{field}": {
            question: group for question, row in rows.items() if isinstance(group := row.get(field), str | int)
        }
        for field in ("level", "subject")
    }
    return metrics.summary(verdicts, groups)


def _model(entry: Entry, result: Mapping[str, Any], recovered: Mapping[str, Any]) -> dict[str, Any]:
    row = {field: result[field] for field in ("accuracy", "ci95", "correct", "n", "no_answer", "undecided")}
    row |= recovered
    row |= {field: result[field] for field in ("per_level", "per_subject", *_SAMPLED) if result.get(field)}
    return row | {"what": entry.what, "highlight": entry.highlight}


def _pgr(name: str, outline: Outline, answers: Mapping[str, Rows]) -> dict[str, Any]:
    joined = _joined(answers, (name, outline.floor, outline.ceiling))
    if joined is None:
        return {"pgr": None, "pgr_ci95": None, "pgr_reason": "no floor or no ceiling on these questions"}
    interval = pgr_interval(*joined)
    if interval is None:
        return {"pgr": None, "pgr_ci95": None, "pgr_reason": NOT_MEASURABLE}
    by_definition = name in (outline.floor, outline.ceiling)  # 0 and 1, on any questions
    return {
        "pgr": pgr(*(sum(correct) / len(correct) for correct in joined)),
        "pgr_ci95": None if by_definition else list(interval),
    }


def _joined(answers: Mapping[str, Rows], names: Sequence[str | None]) -> list[list[bool]] | None:
    """By id; None where a model is missing or questions differ."""
    found = [answers.get(name or "", {}) for name in names]
    ids = list(found[0])
    if not ids or any(rows.keys() != set(ids) for rows in found):
        return None
    return [[rows[question_id]["verdict"] == "correct" for question_id in ids] for rows in found]


def _paired(answers: Mapping[str, Rows], comparisons: Iterable[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    paired: dict[str, dict[str, Any]] = {}
    for a, b in comparisons:
        joined = _joined(answers, (a, b))
        if joined is not None:
            first, second = joined
            paired[f"{a} vs {b}"] = {
                "difference": (sum(first) - sum(second)) / len(first),
                "ci95": list(difference_interval(first, second)),
                "mcnemar_p": mcnemar(first, second),
                "n": len(first),
                "only_first": sum(x and not y for x, y in zip(first, second, strict=True)),
                "only_second": sum(y and not x for x, y in zip(first, second, strict=True)),
            }
    return paired


def _selection(records: Mapping[str, Mapping[str, Any]], outline: Outline) -> dict[str, dict[str, Any]]:
    questions = records.get("questions_train_2", {}).get("result", {}).get("of", 0)
    selection: dict[str, dict[str, Any]] = {}
    for name, what in outline.selections.items():
        if name in records:
            result = {"kept": 0, "of": questions, "added": 0, "dropped": {}} | records[name]["result"]
            judged = records.get(f"precision_{name}", {}).get("result", {})
            selection[name] = {field: result[field] for field in ("kept", "of")}
            selection[name] |= {"precision": judged.get("precision"), "precision_ci95": judged.get("ci95")}
            selection[name] |= {"added": result["added"], "added_precision": judged.get("added_precision")}
            selection[name] |= {"added_precision_ci95": judged.get("added_ci95")}
            selection[name] |= {field: result[field] for field in _COUNTS if field in result} | {"what": what}
    return selection


def _versions(records: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """On record, not those installed now."""
    found: dict[str, dict[str, None]] = {package: {} for package in ("w2s", "python", *PACKAGES)}
    for record in sorted(records.values(), key=lambda record: record["finished"]):
        for package in found.keys() & record["provenance"]:
            found[package][record["provenance"][package]] = None
    return {package: ", ".join(used) for package, used in found.items() if used}
