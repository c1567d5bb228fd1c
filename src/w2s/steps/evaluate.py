"""What the results are worth: accuracy on test, precision of each selection. One of two users of gold."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from w2s import gold, jsonl
from w2s.answers import extract, grade, key
from w2s.errors import BranchEnds
from w2s.flow.step import Context
from w2s.metrics.accuracy import maj_at_k, pass_at_k, wilson
from w2s.steps.rows import read_answered, read_responses


def accuracy(context: Context) -> dict[str, Any]:
    """Grade a model's test responses; writes them with prediction, verdict and level."""
    params = context.params
    table = gold.load(context.given["task"], "test")
    rows = []
    for response in read_responses(context.inputs["responses"]):
        entry = table[response.id]
        prediction = extract(response.response, params["style"])
        rows.append(
            {
                "id": response.id,
                "question": response.question,
                "response": response.response,
                "prediction": prediction,
                "verdict": grade(prediction, entry.answer, params["match"]),
                "level": entry.level,
            }
        )
    jsonl.write(context.output, rows)
    correct = sum(row["verdict"] == "correct" for row in rows)
    levels: dict[str, dict[str, int]] = defaultdict(lambda: {"correct": 0, "n": 0})
    for row in rows:
        if row["level"] is not None:
            levels[str(row["level"])]["n"] += 1
            levels[str(row["level"])]["correct"] += row["verdict"] == "correct"
    return {
        "model": params["model"],
        "accuracy": correct / len(rows),
        "ci95": list(wilson(correct, len(rows))),
        "correct": correct,
        "n": len(rows),
        "no_answer": sum(row["verdict"] == "no_answer" for row in rows) / len(rows),
        "undecided": sum(row["verdict"] == "undecided" for row in rows) / len(rows),
        "per_level": dict(sorted(levels.items())),
    }


def sampled_accuracy(context: Context) -> dict[str, Any]:
    """pass@k and maj@k over the samples of each test question, averaged over questions."""
    params = context.params
    table = gold.load(context.given["task"], "test")
    keys: dict[str, list[str | None]] = defaultdict(list)
    for answer in read_answered(context.inputs["responses"], params):
        keys[answer.id].append(answer.key)
    truth = {question: key(table[question].answer, params["match"]) for question in keys}
    scores: dict[str, dict[str, float]] = {"pass_at_k": {}, "maj_at_k": {}}
    for k in params["k"]:
        if any(len(found) < k for found in keys.values()):
            continue
        passed = [pass_at_k(len(found), sum(f == truth[q] for f in found), k) for q, found in keys.items()]
        voted = [maj_at_k(found, truth[q] or "", k) for q, found in keys.items()]
        scores["pass_at_k"][str(k)] = sum(passed) / len(passed)
        scores["maj_at_k"][str(k)] = sum(voted) / len(voted)
    return {"model": params["model"], "samples": max(map(len, keys.values())), "n": len(keys), **scores}


def precision(context: Context) -> dict[str, Any]:
    """Share of a selection's pseudo-labels that are right: of agreed answers, or of chosen texts.

    Raises:
        BranchEnds: there is no gold for `train_2`; nothing else needs it.
    """
    params = context.params
    table = gold.load(context.given["task"], "train_2")
    verdicts: dict[str, str] = {}
    for _, row in jsonl.read(context.inputs["selection"]):
        if row["id"] not in table:
            raise BranchEnds(f"no gold for question {row['id']} of train_2")
        text = row.get("chosen") or row.get("completion") or row["response"]
        verdicts.setdefault(row["id"], grade(extract(text, params["style"]), table[row["id"]].answer, params["match"]))
    correct = sum(verdict == "correct" for verdict in verdicts.values())
    return {
        "precision": correct / len(verdicts),
        "ci95": list(wilson(correct, len(verdicts))),
        "correct": correct,
        "n": len(verdicts),
    }
