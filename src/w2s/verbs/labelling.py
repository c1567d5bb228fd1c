"""`w2s select` on users' files: one answer per question, kept where it is sure enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from w2s.config.choices import AnswerRule, RowFormat, SelectBy
from w2s.data import jsonl, selections, trl
from w2s.data.selections import Files
from w2s.errors import UserError, one_of
from w2s.method import calibration, certified, features, label_model, labels
from w2s.method.calibration import Heard
from w2s.method.certificate import Certificate, NoCertificate, Promise, first_to_last
from w2s.method.certified import Graded
from w2s.method.label_model import SAMPLES, LabelModel
from w2s.method.selector import Judged, Label, Target
from w2s.metrics.selection import risk_coverage
from w2s.verbs.golds import Golds
from w2s.verbs.inputs import File, reading
from w2s.verbs.sources import Sources
from w2s.verbs.summaries import LabelSummary

PRECISION, CONFIDENCE, POSTERIOR = 0.95, 0.9, 0.9


class _Asked(NamedTuple):
    """A question as read: `label` by a rule, which may be one of `learnable`; `right` if it has gold."""

    id: str
    heard: Heard
    label: Label | str
    learnable: Collection[str]
    right: frozenset[str] | None


class _Chosen(NamedTuple):
    """The label or the reason of each question without gold, and what ranks it; likewise of golds that tested it."""

    kept: Sequence[Label | str]
    ranks: Sequence[float]
    tested: Sequence[tuple[float, bool]]
    outcome: Certificate | NoCertificate | None


def select(
    sources: Sources,
    out: File,
    *,
    rule: AnswerRule,
    by: SelectBy = "posterior",
    promise: Promise | None = None,
    threshold: float | None = None,
    format: RowFormat = "trl",
    on_progress: jsonl.Progress | None = None,
) -> LabelSummary:
    """Write {"id", "answer", "posterior", "prompt", "completion", "source"} of each question that is kept.

    "certified" keeps what its certificate covers, if there is one. `promise` None: 95 % right with 90 % confidence;
    needs `calibration`. `threshold`: the least posterior (0.9) or share of votes (0.6). `on_progress` gets (bytes read,
    in all) per file, then (questions, in all).

    Raises:
        UserError: bad input, too little of it, or `out` is an input.
    """
    sources.check(by, out)
    one_of("format", format, get_args(RowFormat), "--format")
    promise = _checked_promise(sources, promise)
    threshold = _checked_threshold(by, threshold)
    golds = (
        None
        if sources.calibration is None
        else Golds(sources.calibration, rule.style, reading("auto", sources.columns))
    )
    shared = set(sources.roles) if sources.only_shared or by == "both_iterations" else set()
    partial = by in ("posterior", "certified")
    with selections.open_files(
        sources.roles, sources.reading(), only_shared=shared, partial=partial, on_progress=on_progress
    ) as files:
        asked, undecided = _read(files, rule, by, threshold, golds, on_progress)
        if golds is not None:
            golds.check_texts(next(iter(files.values())).file)
        if golds is not None and not sources.only_shared:
            _check_golds(golds, files)
        model = _model(asked, files)
        targets = [number for number, each in enumerate(asked) if each.right is None]
        if not targets:
            raise UserError(
                "every question has gold here, and nothing is left to select from",
                file=sources.calibration,
                field="--calibration",
                hint="give right answers to some of the questions only",
            )
        chosen = _choose(by, asked, model, promise, threshold)
        kept = {number: label for number, label in zip(targets, chosen.kept, strict=True) if isinstance(label, Label)}
        written = jsonl.write(out, (trl.formatted(row, format) for row in _rows(files, rule, kept, asked, model, by)))
        notes = [f"{file.file}: {note}" for file in files.values() for note in file.reader.notes()]
    refused = chosen.outcome if isinstance(chosen.outcome, NoCertificate) else None
    return LabelSummary(
        by=by,
        kept=written,
        of=len(targets),
        dropped=dict(Counter(label for label in chosen.kept if isinstance(label, str))),
        match=rule.match,
        undecided=undecided,
        calibration=len(asked) - len(targets),
        certificate=chosen.outcome,
        needed=None if refused is None or refused.needed is None else refused.needed * (2 if by == "certified" else 1),
        curve=risk_coverage(chosen.ranks, chosen.tested) if golds is not None else (),
        notes=notes,
    )


def _read(
    files: Files,
    rule: AnswerRule,
    by: SelectBy,
    threshold: float,
    golds: Golds | None,
    on_progress: jsonl.Progress | None,
) -> tuple[list[_Asked], int]:
    """All questions, without their texts, and how many have an answer that was not read in time."""
    names = [role for role in files if role != SAMPLES]
    label = None if by in ("posterior", "certified") else labels.labeller(by, names, threshold)
    asked, undecided = [], 0
    for question in selections.questions(files, (rule,), on_progress):
        known = selections.judged(question.answers[rule], rule)
        texts = labels.learnable(known)
        undecided += any(answer.undecided for answer in (*known.answers.values(), *known.samples))
        vectors = features.vectors(known, list(files)) if by == "certified" else {}
        identity = str(question.raw.id)
        number = None if golds is None else golds.number(identity)
        right = None
        if golds is not None and number is not None:
            golds.check_joined_in(next(iter(files.values())), number, question.raw, question.row)
            right = _right(known, golds, number, rule)
        heard = Heard(label_model.votes(known), vectors)
        asked.append(_Asked(identity, heard, "" if label is None else label(known), texts, right))
    return asked, undecided


def _right(question: Judged, golds: Golds, number: int, rule: AnswerRule) -> frozenset[str]:
    """The keys of right answers; what is undecided counts as wrong."""
    predictions = {
        answer.key: answer.prediction
        for answer in (*question.answers.values(), *question.samples)
        if answer.key is not None
    }
    verdicts = golds.grade([number] * len(predictions), list(predictions.values()), rule.match)
    return frozenset(key for key, verdict in zip(predictions, verdicts, strict=True) if verdict == "correct")


def _model(asked: Sequence[_Asked], files: Files) -> LabelModel:
    first = next(iter(files.values()))
    try:
        return label_model.fit([each.heard.votes for each in asked])
    except ValueError as error:
        raise UserError(
            "no response has a final answer",
            file=first.file,
            field="response",
            hint="--task decides how answers are read: see `w2s tasks`",
        ) from error


def _choose(
    by: SelectBy, asked: Sequence[_Asked], model: LabelModel, promise: Promise | None, threshold: float
) -> _Chosen:
    targets = [each for each in asked if each.right is None]
    golds = [Graded(each.id, each.heard, each.right) for each in asked if each.right is not None]
    if by == "certified":
        assert promise is not None
        if not any(each.heard.vectors for each in certified.halves(golds)[0]):
            raise UserError(
                f"{len(golds)} golds are too few: no question of the half that calibrates has an answer",
                field="--calibration",
                hint="one hundred are a start, five hundred are better",
            )
        result = certified.certified(model, (each.heard for each in targets), golds, promise)
        ranks = [certified.score(label) for label in result.labels]
        return _Chosen(result.kept(), ranks, result.tested, result.outcome)

    def labelled(each: _Asked) -> tuple[Label | str, float]:
        """The label, and the posterior that ranks it; a rule's label is kept as it is."""
        posterior = model.posterior(each.heard.votes)
        label = calibration.best(posterior) if by == "posterior" else each.label
        if isinstance(label, Label) and label.key not in each.learnable:
            label = "cut"
        return label, posterior.get(label.key, 0.0) if isinstance(label, Label) else certified.score(label)

    of_targets = [labelled(each) for each in targets]
    kept = [label for label, _ in of_targets]
    tested: list[tuple[float, bool]] = []
    for each in asked:
        if each.right is not None:
            label, rank = labelled(each)
            tested.append((rank, isinstance(label, Label) and label.key in each.right))
    least = threshold if by == "posterior" else 0.0
    if by == "posterior":
        kept = certified.at_least(kept, threshold)
    ranks = [rank for _, rank in of_targets]
    outcome = None if promise is None else first_to_last([least], ranks, tested, promise)
    return _Chosen(kept, ranks, tested, outcome)


def _rows(
    files: Files, rule: AnswerRule, kept: Mapping[int, Label], asked: Sequence[_Asked], model: LabelModel, by: SelectBy
) -> Iterator[dict[str, Any]]:
    """The texts are read again."""
    questions = selections.questions(files, (rule,), numbers=list(kept))
    for question, (number, label) in zip(questions, kept.items(), strict=True):
        source, answer = labels.text(selections.judged(question.answers[rule], rule), label.key)
        posterior = label.score if by == "certified" else model.posterior(asked[number].heard.votes)[label.key]
        row = trl.example(question.raw.id, Target(answer, source))
        yield {
            "id": row["id"],
            "answer": answer.prediction,
            "posterior": posterior,
            "prompt": row["prompt"],
            "completion": row["completion"],
            "source": source,
        }


def _check_golds(golds: Golds, files: Files) -> None:
    """UserError: an id of the golds is in no file of answers."""
    used = [0] * len(golds)
    first = next(iter(files.values()))
    for identity in first.ids:
        number = golds.number(identity)
        if number is not None:
            used[number] = 1
    golds.check_all_used(used, first.file)


def _checked_promise(sources: Sources, promise: Promise | None) -> Promise | None:
    if promise is not None:
        for name, value in zip(("--precision", "--confidence"), promise, strict=True):
            if not 0 < value < 1:
                raise UserError(
                    f"{value} is not a share", field=name, expected="a number between 0 and 1, such as 0.95"
                )
        if sources.calibration is None:
            raise UserError(
                "a promise needs right answers to some of the questions",
                field="--precision",
                expected="--calibration GOLD.jsonl beside it",
                hint="--threshold decides without gold",
            )
    return promise if promise is not None or sources.calibration is None else Promise(PRECISION, CONFIDENCE)


def _checked_threshold(by: SelectBy, threshold: float | None) -> float:
    if threshold is None:
        return labels.VOTE_SHARE if by == "vote" else POSTERIOR
    if by not in ("posterior", "vote"):
        raise UserError(
            f"--by {by} has no threshold of yours",
            field="--threshold",
            hint="--precision says what to certify" if by == "certified" else "--by posterior or vote has one",
        )
    if not 0 <= threshold <= 1:
        raise UserError(f"{threshold} is not a share", field="--threshold", expected="a number from 0 to 1")
    return threshold
