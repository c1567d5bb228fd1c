"""What became of each question of train_2, for people: no step reads it. Reads gold."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import Any

from pydantic import Field

from w2s.data import jsonl, selections
from w2s.data.selections import Joined
from w2s.errors import BranchEnds
from w2s.flow.step import Context, Params, Step
from w2s.method import voting
from w2s.records import Answered
from w2s.steps import label, rules, select
from w2s.steps.evaluate import Graded
from w2s.tasks import gold

CHUNK = 512
"""Questions graded together."""


class Decided(Params):
    """A selection: the steps whose answers it got, by role, and its settings."""

    answers: dict[str, str]
    agree: rules.Agree | None = None
    pairs: rules.Pairs | None = None
    contrast: rules.ContrastBy | None = None


class Judge(Graded):
    """Selections by name; of samples, the selection that their model learnt from."""

    selections: dict[str, Decided]
    learnt: dict[str, str] = Field(default_factory=dict)


def decided(selection: Step) -> Decided:
    """How a selection decides; of an augmented one, the agreement before."""
    rule = selection.inputs["agreed"] if selection.run is select.augment else selection
    kinds: dict[Any, str] = {select.agree: "agree", select.build_pairs: "pairs", select.contrast: "contrast"}
    settings = {kinds[rule.run]: rule.params} if rule.run in kinds else {}
    answers = {role: step.name for role, step in rule.inputs.items() if not role.startswith((label.HELD, label.RIGHT))}
    return Decided(answers=answers, **settings)


def judged(context: Context[Judge]) -> dict[str, Any]:
    """Write all answers, votes and decisions of each question; with gold, whether each is right, level and subject.

    Inputs that have ended are left out. `answers`, `votes` (several samples) and `decisions` have the names of steps.

    Raises:
        BranchEnds: there are no answers.
    """
    params = context.params
    roles = {name: of.answers for name, of in params.selections.items()}
    samples = {step for of in roles.values() for role, step in of.items() if role.endswith("samples")}
    names = dict.fromkeys(step for of in roles.values() for step in of.values() if step in context.inputs)
    if not names:
        raise BranchEnds("there are no answers to judge")
    try:
        table: Mapping[str, gold.Gold] = gold.load(context.resources.task, "train_2")
    except BranchEnds:
        table = {}
    kept = {name: _kept(context.inputs[name]) for name in roles if name in context.inputs}
    deciders = {name: partial(_decide, of) for name, of in params.selections.items()}

    def row(question: Joined) -> dict[str, Any]:
        of = question.answers[params.rule]
        identity = str(question.raw.id)
        return {
            "id": identity,
            "question": question.raw.question,
            "answers": {name: _answer(of[name][0]) for name in names if name not in samples and of[name]},
            "votes": {name: _votes(of[name]) for name in names if name in samples and of[name]},
            "decisions": {
                name: kept.get(name, {}).get(identity) or decide({role: of[step] for role, step in roles[name].items()})
                for name, decide in deciders.items()
                if all(of.get(step) for step in roles[name].values())
            },
        }

    paths = {name: context.inputs[name] for name in names}
    with selections.open_files(paths, several=samples, only_shared=names) as files:
        rows = map(row, selections.questions(files, (params.rule,), context.progress))
        shares = _Shares(params.learnt, kept)
        of = jsonl.write(context.output, shares.counted(_with_verdicts(rows, table, params)))
    return {"of": of, "vote_share": shares.means()}


class _Shares:
    """The mean share of the majority on questions that the voter was trained on, and on others."""

    def __init__(self, learnt: Mapping[str, str], kept: Mapping[str, Mapping[str, str]]) -> None:
        self._learnt = {samples: kept[selection] for samples, selection in learnt.items() if selection in kept}
        self._shares: dict[str, dict[bool, list[float]]] = {samples: {True: [], False: []} for samples in self._learnt}

    def counted(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for row in rows:
            for samples, trained in self._learnt.items():
                if samples in row["votes"]:
                    self._shares[samples][row["id"] in trained].append(row["votes"][samples]["share"])
            yield row

    def means(self) -> dict[str, dict[str, float | int | None]]:
        return {
            samples: {
                f"{what}{word}": value
                for word, of in (("trained", shares[True]), ("untrained", shares[False]))
                for what, value in (("", fmean(of) if of else None), ("n_", len(of)))
            }
            for samples, shares in self._shares.items()
        }


def _kept(selection: Any) -> dict[str, str]:
    """What a selection's own file says: "kept", "added", or the weak completion's role."""
    return {
        row["id"]: "added" if row.get("added") else row.get("weak_role") or "kept" for _, row in jsonl.read(selection)
    }


def _decide(of: Decided, answers: Mapping[str, Sequence[Answered]]) -> str:
    """Why a question was not kept."""
    by = of.pairs or of.contrast
    if by is not None:
        pairs = rules.contrast(by)(selections.judged(answers, by.rule))
        return pairs if isinstance(pairs, str) else pairs[0].weak_role or "kept"
    if of.agree is None:
        return "not_kept"  # it depends on all questions together
    selected = selections.decision(answers, of.agree.rule, rules.selector(of.agree))
    return selected if isinstance(selected, str) else "kept"


def _answer(answer: Answered) -> dict[str, Any]:
    return {"prediction": answer.prediction, "cut": answer.cut}


def _votes(samples: Sequence[Answered]) -> dict[str, Any]:
    """Counts by what the first sample of each key says."""
    vote, said = voting.vote(samples), {sample.key: sample.prediction for sample in reversed(samples)}
    return {
        "prediction": None if vote.key is None else said[vote.key],
        "share": vote.confidence,
        "n": vote.n,
        "counts": dict(Counter({str(said[key]): count for key, count in vote.counts.items()}).most_common()),
        "cut": sum(sample.cut for sample in samples),
    }


def _with_verdicts(
    rows: Iterator[dict[str, Any]], table: Mapping[str, gold.Gold], params: Judge
) -> Iterator[dict[str, Any]]:
    while chunk := list(itertools.islice(rows, CHUNK)):
        known = [row for row in chunk if row["id"] in table]
        answers = [(row, each) for row in known for of in ("answers", "votes") for each in row[of].values()]
        right = [table[row["id"]] for row, _ in answers]
        verdicts = gold.grades(
            [(each["prediction"], of.answer, of.tolerance) for (_, each), of in zip(answers, right, strict=True)],
            params.match,
        )
        for (_, each), verdict in zip(answers, verdicts, strict=True):
            each["verdict"] = verdict
        for row in chunk:
            yield row | (_of_gold(table[row["id"]]) if row["id"] in table else {})


def _of_gold(of: gold.Gold) -> dict[str, Any]:
    """Level and subject where there are some."""
    groups = {"level": of.level, "subject": of.subject}
    return {"gold": of.answer} | {name: value for name, value in groups.items() if value is not None}
