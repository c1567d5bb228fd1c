"""What the results are worth: accuracy on test, precision of each selection. One of two users of gold."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from w2s import gold, jsonl
from w2s.answers import key, stated
from w2s.errors import BranchEnds
from w2s.flow.step import Context
from w2s.metrics import accuracy as metrics
from w2s.metrics.accuracy import accuracy_by_group, maj_at_k, pass_at_k
from w2s.records import Verdict
from w2s.steps.rows import questions, read_answered, read_responses


def accuracy(context: Context) -> dict[str, Any]:
    """Grade a model's test responses; writes them with prediction, verdict, level and subject."""
    params = context.params
    table = gold.load(context.given["task"], "test")
    rows: list[dict[str, Any]] = []
    verdicts: dict[str, Verdict] = {}
    for response in read_responses(context.inputs["responses"]):
        entry = table[response.id]
        prediction = stated.read(response.response, response.question, params["style"], params["match"])
        verdicts[response.id] = gold.grade(entry, prediction, params["match"])
        rows.append(
            {
                "id": response.id,
                "question": response.question,
                "response": response.response,
                "prediction": prediction,
                "verdict": verdicts[response.id],
                "level": entry.level,
                "subject": entry.subject,
            }
        )
    jsonl.write(context.output, rows)
    groups: dict[str, dict[str, Any]] = {
        "per_level": {question: table[question].level for question in verdicts},
        "per_subject": {question: table[question].subject for question in verdicts},
    }
    found = metrics.accuracy(list(verdicts.values()))
    return {
        "model": params["model"],
        "accuracy": found.accuracy,
        "ci95": list(found.ci95),
        "correct": found.correct,
        "n": found.n,
        "no_answer": found.no_answer / found.n,
        "undecided": found.undecided / found.n,
        **{
            name: {
                str(group): {"correct": of.correct, "n": of.n}
                for group, of in accuracy_by_group(verdicts, by).items()
                if group is not None
            }
            for name, by in groups.items()
        },
    }


def sampled_accuracy(context: Context) -> dict[str, Any]:
    """pass@k and maj@k over the samples of each test question, averaged over questions."""
    params = context.params
    table = gold.load(context.given["task"], "test")
    keys: dict[str, list[str | None]] = defaultdict(list)
    for answer in read_answered(context.inputs["responses"], params):
        keys[answer.id].append(answer.key)
    truth = {question: key(table[question].answer, params["match"]) or "" for question in keys}
    scores: dict[str, dict[str, float]] = {"pass_at_k": {}, "maj_at_k": {}}
    for k in params["k"]:
        if any(len(found) < k for found in keys.values()):
            continue
        passed = [pass_at_k(len(found), sum(f == truth[q] for f in found), k) for q, found in keys.items()]
        voted = [maj_at_k(found, truth[q], k) for q, found in keys.items()]
        scores["pass_at_k"][str(k)] = sum(passed) / len(passed)
        scores["maj_at_k"][str(k)] = sum(voted) / len(voted)
    return {"model": params["model"], "samples": max(map(len, keys.values())), "n": len(keys), **scores}


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
    kept: dict[str, Verdict] = {}
    added: dict[str, Verdict] = {}
    ends = context.given["builder"].stop(False)
    asked = {question.id: question.question for question in questions(context.inputs["questions"])}
    for _, row in jsonl.read(context.inputs["selection"]):
        if row["id"] not in table:
            raise BranchEnds(f"no gold for question {row['id']} of train_2")
        text = row.get("chosen") or row.get("completion") or row["response"]
        for end in ends:
            text = text.partition(end)[0]
        prediction = stated.read(text, asked[row["id"]], params["style"], params["match"])
        verdicts = added if row.get("added") else kept
        verdicts.setdefault(row["id"], gold.grade(table[row["id"]], prediction, params["match"]))
    return _share(kept, "") | (_share(added, "added_") if added else {})


def _share(verdicts: dict[str, Verdict], mark: str) -> dict[str, Any]:
    found = metrics.accuracy(list(verdicts.values()))
    return {
        f"{mark}precision": found.accuracy if found.n else None,
        f"{mark}ci95": list(found.ci95) if found.n else None,
        f"{mark}correct": found.correct,
        f"{mark}n": found.n,
    }
