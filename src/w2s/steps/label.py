"""Labels for train_2 from all that was answered, calibrated on a part of train_1 that no training saw (ours)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from w2s.data import jsonl, selections, trl
from w2s.errors import BranchEnds
from w2s.flow.step import Context
from w2s.method import calibration, features, label_model, labels
from w2s.method.calibration import Calibration, Heard
from w2s.method.certificate import NoCertificate, Promise
from w2s.method.certified import Graded, at_least, certified, halves
from w2s.method.label_model import LabelModel
from w2s.method.selector import Judged, Label, Target
from w2s.records import Answered
from w2s.steps.params import Selection

HELD = "held_"
"""Roles of the answers to held-back questions: "held_weak" beside "weak"."""
RIGHT = "right"
"""The role of `supervise.right_answers`."""


class Certified(Selection):
    """The promise: at least `precision` is right, with probability `confidence`."""

    precision: float
    confidence: float


class Probable(Selection):
    """The least probability of a label to be right."""

    at_least: float


class Trust(Selection):
    """The share of questions that is kept."""

    share: float


def certify(context: Context[Certified]) -> dict[str, Any]:
    """Write texts of the most probable answer of each question that a certificate covers, weighted by its posterior.

    Raises:
        BranchEnds: the promise cannot be given.
    """
    params, (asked, golds) = context.params, _read(context)
    try:
        model = _label_model(asked, golds)
        result = certified(model, asked.values(), golds, Promise(params.precision, params.confidence))
    except ValueError as error:
        raise BranchEnds(f"nothing can be certified: {error}") from error
    if isinstance(result.outcome, NoCertificate):
        needed = result.outcome.needed
        more = "" if needed is None else f"; about {2 * needed:,} held-back questions would be enough"
        raise BranchEnds(f"{params.precision:.0%} cannot be certified: {result.outcome.reason}{more}")
    chosen = dict(zip(asked, result.kept(), strict=True))
    return _write(context, partial(_texts, chosen)) | {"certificate": asdict(result.outcome)}


def probable(context: Context[Probable]) -> dict[str, Any]:
    """Write texts of the most probable answer of each question, if it is probable enough, weighted by its posterior.

    Calibrated on one half of the golds: the other still can certify what comes after.

    Raises:
        BranchEnds: no held-back question has an answer.
    """
    asked, golds = _read(context)
    fitted, _ = halves(golds)
    calibrated = _calibrated(asked, golds, fitted)
    found = [calibration.best(calibrated.probabilities(heard)) for heard in asked.values()]
    chosen = dict(zip(asked, at_least(found, context.params.at_least), strict=True))
    return _write(context, partial(_texts, chosen))


def trust(context: Context[Trust]) -> dict[str, Any]:
    """Write the weak texts that are most probably right; in a control, which has none, the strong model's own.

    Raises:
        BranchEnds: no held-back question has an answer.
    """
    asked, golds = _read(context)
    fitted = _calibrated(asked, golds, golds)
    trusted = {
        question.id: fitted.probabilities(asked[question.id]).get(key, 0.0)
        for question in _questions(_train_2(context), context.params)
        if (key := _supervisor(question)[1].key) is not None
    }
    kept = set(sorted(trusted, key=lambda id: (-trusted[id], id))[: round(context.params.share * len(asked))])

    def target(question: Judged) -> list[Target] | str:
        source, answer = _supervisor(question)
        return [Target(answer, source)] if question.id in kept else "low_trust"

    return _write(context, target)


def _supervisor(question: Judged) -> tuple[str, Answered]:
    return next((source, question.answers[source]) for source in ("weak", "strong") if source in question.answers)


def _calibrated(asked: Mapping[str, Heard], golds: Sequence[Graded], fitted: Sequence[Graded]) -> Calibration:
    """The label model of all questions, calibrated on the golds of `fitted`."""
    try:
        model = _label_model(asked, golds)
        return calibration.calibrate(model, [each.heard for each in fitted], [each.right for each in fitted])
    except ValueError as error:
        raise BranchEnds(f"nothing can be calibrated: {error}") from error


def _label_model(asked: Mapping[str, Heard], golds: Sequence[Graded]) -> LabelModel:
    """Of all questions.

    Raises:
        ValueError: none has an answer.
    """
    return label_model.fit([heard.votes for heard in (*asked.values(), *(each.heard for each in golds))])


def _texts(chosen: Mapping[str, Label | str], question: Judged) -> list[Target] | str:
    label = chosen[question.id]
    if isinstance(label, str):
        return label
    return [Target(answer, source, label.score) for source, answer in labels.texts(question, label.key).items()]


def _read(context: Context[Any]) -> tuple[dict[str, Heard], list[Graded]]:
    """What was said of each question, and of those held back, with their right answers."""
    right = {row["id"]: row["right"] for _, row in jsonl.read(context.inputs[RIGHT])}
    asked = dict(_heard(_train_2(context), context.params))
    held = {role: context.inputs[HELD + role] for role in _train_2(context)}
    return asked, [Graded(id, heard, right[id]) for id, heard in _heard(held, context.params)]


def _train_2(context: Context[Any]) -> dict[str, Path]:
    """Answers to train_2 by role, in the order of the features' columns."""
    roles = [role for role in context.inputs if role != RIGHT and not role.startswith(HELD)]
    return {role: context.inputs[role] for role in sorted(roles, key=lambda role: (role != "weak", role))}


def _heard(paths: Mapping[str, Path], params: Selection) -> Iterator[tuple[str, Heard]]:
    for question in _questions(paths, params):
        yield question.id, Heard(label_model.votes(question), features.vectors(question, list(paths)))


def _questions(paths: Mapping[str, Path], params: Selection, progress: Any = None) -> Iterable[Judged]:
    with selections.open_files(paths) as files:
        for question in selections.questions(files, (params.rule,), progress):
            yield selections.judged(question.answers[params.rule], params.rule)


def _write(context: Context[Any], targets: Callable[[Judged], list[Target] | str]) -> dict[str, Any]:
    dropped: dict[str, int] = {}
    of = kept = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal of, kept
        for question in _questions(_train_2(context), context.params, context.progress):
            chosen = targets(question)
            whole = chosen if isinstance(chosen, str) else [each for each in chosen if not each.answer.cut] or "cut"
            of += 1
            if isinstance(whole, str):
                dropped[whole] = dropped.get(whole, 0) + 1
                continue
            kept += 1
            for each in whole:
                yield trl.example(question.id, each, context.resources.builder)

    jsonl.write(context.output, rows())
    return {"kept": kept, "of": of, "dropped": dropped}
