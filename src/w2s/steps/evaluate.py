"""What the results are worth: accuracy on test, precision of each selection. One of two users of gold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from w2s import gold, jsonl
from w2s.answers import stated
from w2s.choices import Match
from w2s.errors import BranchEnds
from w2s.flow.step import Context
from w2s.metrics import accuracy as metrics
from w2s.metrics.accuracy import accuracy_by_group, maj_at_k, pass_at_k, wilson
from w2s.records import Verdict
from w2s.steps.rows import questions, read_answered, read_responses


def accuracy(context: Context) -> dict[str, Any]:
    """Grade a model's test responses; writes them with prediction, verdict, level and subject."""
    params = context.params
    table = gold.load(context.given["task"], "test")
    said = [
        (response, stated.read(response.response, response.question, params["style"], params["match"]))
        for response in read_responses(context.inputs["responses"])
    ]
    found = _grades([(response.id, prediction) for response, prediction in said], table, params["match"])
    verdicts = {response.id: verdict for (response, _), verdict in zip(said, found, strict=True)}
    jsonl.write(
        context.output,
        (
            {
                "id": response.id,
                "question": response.question,
                "response": response.response,
                "prediction": prediction,
                "verdict": verdicts[response.id],
                "level": table[response.id].level,
                "subject": table[response.id].subject,
            }
            for response, prediction in said
        ),
    )
    groups: dict[str, dict[str, Any]] = {
        "per_level": {question: table[question].level for question in verdicts},
        "per_subject": {question: table[question].subject for question in verdicts},
    }
    overall = metrics.accuracy(found)
    return {
        "model": params["model"],
        "accuracy": overall.accuracy,
        "ci95": list(overall.ci95),
        "correct": overall.correct,
        "n": overall.n,
        "no_answer": overall.no_answer / overall.n,
        "undecided": overall.undecided / overall.n,
        **{
            name: {
                str(group): {"correct": of.correct, "n": of.n, "ci95": list(of.ci95)}
                for group, of in accuracy_by_group(verdicts, by).items()
                if group is not None
            }
            for name, by in groups.items()
        },
    }


def sampled_accuracy(context: Context) -> dict[str, Any]:
    """pass@k and maj@k over the samples of each test question, averaged over questions.

    A sample is right where `accuracy` would call it so; a vote is by key, and right where an answer of that key is.
    Intervals are over questions, each of which is solved in part (`wilson`).
    """
    params = context.params
    samples = read_answered(context.inputs["responses"], params)
    table = gold.load(context.given["task"], "test")
    verdicts = _grades([(sample.id, sample.prediction) for sample in samples], table, params["match"])
    keys: dict[str, list[str | None]] = defaultdict(list)
    right: dict[str, list[str | None]] = defaultdict(list)
    for sample, verdict in zip(samples, verdicts, strict=True):
        keys[sample.id].append(sample.key)
        if verdict == "correct":
            right[sample.id].append(sample.key)
    least, n = min(map(len, keys.values())), len(keys)
    result: dict[str, Any] = {"model": params["model"], "samples": max(map(len, keys.values())), "n": n}
    solved: dict[str, dict[int, float]] = {"pass_at_k": {}, "maj_at_k": {}}  # questions, each counted by its score
    for k in (k for k in params["k"] if k <= least):
        solved["pass_at_k"][k] = sum(pass_at_k(len(of), len(right[question]), k) for question, of in keys.items())
        solved["maj_at_k"][k] = sum(maj_at_k(of, set(right[question]), k) for question, of in keys.items())
    for name, by_k in solved.items():
        result[name] = {str(k): of / n for k, of in by_k.items()}
        result[f"{name}_ci95"] = {str(k): list(wilson(of, n)) for k, of in by_k.items()}
    return result


def precision(context: Context) -> dict[str, Any]:
    """Share of a selection's pseudo-labels that are right: of agreed answers, or of chosen texts.

    Where a selection was augmented, that of what was added stands apart; of an added question the weak text counts.
    Questions come from their own file: a chat template may put its marks on the line that says what is asked for. The
    mark with which it ends a turn is no part of an answer.

    Raises:
        BranchEnds: there is no gold for `train_2`; nothing else needs it.
    """
    params = context.params
    table = gold.load(context.given["task"], "train_2")
    kept: dict[str, str | None] = {}
    added: dict[str, str | None] = {}
    ends = context.given["builder"].stop(False)
    asked = {question.id: question.question for question in questions(context.inputs["questions"])}
    for _, row in jsonl.read(context.inputs["selection"]):
        if row["id"] not in table:
            raise BranchEnds(f"no gold for question {row['id']} of train_2")
        text = row.get("chosen") or row.get("completion") or row["response"]
        for end in ends:
            text = text.partition(end)[0]
        labels = added if row.get("added") else kept
        if row["id"] not in labels:
            labels[row["id"]] = stated.read(text, asked[row["id"]], params["style"], params["match"])
    shares = _share(_grades(list(kept.items()), table, params["match"]), "")
    return shares | (_share(_grades(list(added.items()), table, params["match"]), "added_") if added else {})


def _grades(said: Sequence[tuple[str, str | None]], table: Mapping[str, gold.Gold], match: Match) -> list[Verdict]:
    """The verdict on each final answer to a question, given by its id."""
    asked = ((prediction, table[question]) for question, prediction in said)
    return gold.grades([(prediction, right.answer, right.tolerance) for prediction, right in asked], match)


def _share(verdicts: Sequence[Verdict], mark: str) -> dict[str, Any]:
    found = metrics.accuracy(verdicts)
    return {
        f"{mark}precision": found.accuracy if found.n else None,
        f"{mark}ci95": list(found.ci95) if found.n else None,
        f"{mark}correct": found.correct,
        f"{mark}n": found.n,
    }
