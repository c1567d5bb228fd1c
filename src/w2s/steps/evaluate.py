"""Accuracy on test, precision of selections. Reads gold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from w2s.answers import olympicarena
from w2s.data import jsonl
from w2s.errors import BranchEnds
from w2s.flow.step import Context
from w2s.metrics import accuracy as metrics
from w2s.metrics.accuracy import maj_at_k, mean_interval, pass_at_k
from w2s.records import Verdict
from w2s.steps.io import questions, read_answered, read_responses
from w2s.steps.params import Reading
from w2s.tasks import gold


class Graded(Reading):
    """The hash of gold."""

    gold: str


class Accuracy(Graded):
    """Whose accuracy it is."""

    model: str


class SampledAccuracy(Accuracy):
    """Values of k."""

    k: tuple[int, ...]


def accuracy(context: Context[Accuracy]) -> dict[str, Any]:
    """Grade test responses; writes gold, prediction, verdict, level, subject."""
    params = context.params
    table = gold.load(context.resources.task, "test")
    predictions = [
        (response, olympicarena.read(response.response, response.question, params.rule))
        for response in read_responses(context.inputs["responses"])
    ]
    grades = gold.grades(
        _against([(response.id, prediction) for response, prediction in predictions], table), params.match
    )
    verdicts = {response.id: verdict for (response, _), verdict in zip(predictions, grades, strict=True)}
    jsonl.write(
        context.output,
        (
            {
                "id": response.id,
                "question": response.question,
                "response": response.response,
                "gold": table[response.id].answer,
                "prediction": prediction,
                "verdict": verdicts[response.id],
                "level": table[response.id].level,
                "subject": table[response.id].subject,
                "tokens": response.tokens,
                "cut": response.cut,
            }
            for response, prediction in predictions
        ),
    )
    groups: dict[str, dict[str, Any]] = {
        "per_level": {question: table[question].level for question in verdicts},
        "per_subject": {question: table[question].subject for question in verdicts},
    }
    return {"model": params.model, **metrics.summary(verdicts, groups)}


def sampled_accuracy(context: Context[SampledAccuracy]) -> dict[str, Any]:
    """pass@k and maj@k, mean over questions; intervals are `mean_interval`.

    A vote is by key, right where an answer of that key is.
    """
    params = context.params
    samples = read_answered(context.inputs["responses"], params.rule)
    table = gold.load(context.resources.task, "test")
    verdicts = gold.grades(_against([(sample.id, sample.prediction) for sample in samples], table), params.match)
    keys: dict[str, list[str | None]] = defaultdict(list)
    right: dict[str, list[str | None]] = defaultdict(list)
    for sample, verdict in zip(samples, verdicts, strict=True):
        keys[sample.id].append(sample.key)
        if verdict == "correct":
            right[sample.id].append(sample.key)
    least, n = min(map(len, keys.values())), len(keys)
    result: dict[str, Any] = {"model": params.model, "samples": max(map(len, keys.values())), "n": n}
    scores: dict[str, dict[int, list[float]]] = {"pass_at_k": {}, "maj_at_k": {}}
    for k in (k for k in params.k if k <= least):
        scores["pass_at_k"][k] = [pass_at_k(len(of), len(right[question]), k) for question, of in keys.items()]
        scores["maj_at_k"][k] = [maj_at_k(of, set(right[question]), k) for question, of in keys.items()]
    for name, by_k in scores.items():
        result[name] = {str(k): sum(of) / n for k, of in by_k.items()}
        result[f"{name}_ci95"] = {
            str(k): list(mean_interval(sum(of), sum(score**2 for score in of), n)) for k, of in by_k.items()
        }
    return result


def precision(context: Context[Graded]) -> dict[str, Any]:
    """Share of right pseudo-labels: agreed answers, or chosen responses.

    Added questions count apart, by their weak completion.

    Raises:
        BranchEnds: no gold for `train_2`.
    """
    params = context.params
    table = gold.load(context.resources.task, "train_2")
    kept: dict[str, str | None] = {}
    added: dict[str, str | None] = {}
    ends = context.resources.builder.stop(False)
    texts = {question.id: question.question for question in questions(context.inputs["questions"])}
    for _, row in jsonl.read(context.inputs["selection"]):
        if row["id"] not in table:
            raise BranchEnds(f"no gold for question {row['id']} of train_2")
        text = row.get("chosen") or row.get("completion") or row["response"]
        for end in ends:
            text = text.partition(end)[0]
        labels = added if row.get("added") else kept
        if row["id"] not in labels:
            labels[row["id"]] = olympicarena.read(text, texts[row["id"]], params.rule)
    shares = _share(gold.grades(_against(list(kept.items()), table), params.match), "")
    return shares | (_share(gold.grades(_against(list(added.items()), table), params.match), "added_") if added else {})


def _against(
    answers: Sequence[tuple[str, str | None]], table: Mapping[str, gold.Gold]
) -> list[tuple[str | None, str, float | None]]:
    return [(prediction, table[id].answer, table[id].tolerance) for id, prediction in answers]


def _share(verdicts: Sequence[Verdict], mark: str) -> dict[str, Any]:
    share = metrics.accuracy(verdicts)
    return {
        f"{mark}precision": share.accuracy if share.n else None,
        f"{mark}ci95": list(share.ci95) if share.n else None,
        f"{mark}correct": share.correct,
        f"{mark}n": share.n,
    }
