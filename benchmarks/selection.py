"""Precision and coverage of selections of weak labels, on the paper's released GSM8K files (`W2S_REFERENCE_DATA`).

    python benchmarks/selection.py                  # both weak models, 20 splits: some minutes
    python benchmarks/selection.py --splits 100 --promises    # how often certificates are broken, more closely

For each weak model: its answers to 7,000 questions, and what its two iterations kept. The strong model's answers are
released for kept questions only. In each split 500 random questions are for calibration, and all others for the test;
what needs no gold gets the same test. "At agreement's coverage": the surest questions, as many as iteration 1 kept of
the test. "Coverage at 90 %": the most questions whose share of right labels is 90 %, found with the test's own gold, so
a bound on what a threshold can reach; "certified" finds its threshold itself. A cell: mean over splits, and 2.5th to
97.5th percentile. "ensemble" is calibrated with the answers of both weak models' runs; everything else has one.

Features were chosen on Llama2-7b only; Gemma-2b is as found.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from w2s import answers
from w2s.method import calibration, certified, features, label_model
from w2s.method.calibration import Heard
from w2s.method.certificate import Certificate, Promise, certify
from w2s.method.certified import Graded
from w2s.method.selector import Judged, Label
from w2s.records import Answered, Response

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("W2S_REFERENCE_DATA") or ROOT.parent / "shared" / "data") / "gair"
WEAK = {"llama2_7b": "outputs/gsm8k_train_2_llama2_7b.jsonl", "gemma_2b": "train/gsm8k_gemma_2b_full_weak.json"}
NAMES = {"llama2_7b": "Llama2-7b", "gemma_2b": "Gemma-2b"}
CONFIDENCE = 0.9
RULE = answers.AnswerRule("gsm8k")

Ranked = tuple[np.ndarray, np.ndarray]
"""Score (-inf without a label) and rightness of each test question."""


Run = Sequence[Judged]
"""One weak model's run: each question with its answers by source."""
SOURCES = ("weak", "icl_1", "weak_2", "icl_2")


def rows(name: str) -> list[dict[str, object]]:
    text = (DATA / name).read_text(encoding="utf-8")
    return json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]


def load(model: str, texts: Sequence[str]) -> Run:
    files = {"weak": WEAK[model]} | {
        f"{name}_{iteration}": f"train/gsm8k_{model}_iter{iteration}_{name}.json"
        for iteration, name in ((1, "icl"), (2, "weak"), (2, "icl"))
    }
    said: list[dict[str, Answered]] = [{} for _ in texts]
    for source, name in files.items():
        given = [(int(str(row["id"])), str(row.get("response") or row.get("output"))) for row in rows(name)]
        responses = [Response(str(number), texts[number], text) for number, text in given]
        for (number, _), answer in zip(given, answers.answered_all(responses, RULE), strict=True):
            said[number][source] = answer
    return [Judged(each) for each in said]


def heard(run: Run, sources: Sequence[str] = SOURCES) -> list[Heard]:
    return [Heard(label_model.votes(each), features.vectors(each, sources)) for each in run]


def joined(runs: Mapping[str, Run]) -> list[Heard]:
    """Of all runs together: sources have their model's name."""
    sources = [f"{name} {source}" for name in runs for source in SOURCES]
    questions = [
        Judged(
            {f"{name} {source}": answer for name, question in together for source, answer in question.answers.items()}
        )
        for together in (zip(runs, each, strict=True) for each in zip(*runs.values(), strict=True))
    ]
    return heard(questions, sources)


class Data(NamedTuple):
    """A weak model's run with gold keys, `alone`, and `together` with the other weak model's."""

    run: Run
    gold: Sequence[str]
    alone: Sequence[Heard]
    together: Sequence[Heard]


def released(models: Sequence[str], *, ensemble: bool = True) -> dict[str, Data]:
    questions = rows("raw/gsm8k_train_2.jsonl")
    gold = [str(key) for key in answers.keys([answers.extract(str(row["answer"]), "gsm8k") for row in questions])]
    names = WEAK if ensemble else models
    runs = {model: load(model, [str(row["question"]) for row in questions]) for model in names}
    together = joined(runs) if ensemble else ()
    return {model: Data(runs[model], gold, heard(runs[model]), together) for model in models}


Method = Callable[[Data, np.ndarray, np.ndarray], Ranked]


def by_rule(data: Data, calibrated: np.ndarray, test: np.ndarray, *, sources: Sequence[str]) -> Ranked:
    """Kept or not: all kept questions are equally sure."""
    keys = []
    for number in test:
        said = {a.key if (a := data.run[number].answers.get(source)) else None for source in sources}
        keys.append(said.pop() if len(said) == 1 else None)
    scores = np.array([-math.inf if key is None else 1.0 for key in keys])
    return scores, np.array([key == data.gold[number] for key, number in zip(keys, test, strict=True)])


def ranked(labels: Sequence[Label | str], data: Data, test: np.ndarray) -> Ranked:
    scores = np.array([certified.score(label) for label in labels])
    right = [
        isinstance(label, Label) and label.key == data.gold[number] for label, number in zip(labels, test, strict=True)
    ]
    return scores, np.array(right)


def posterior(data: Data, calibrated: np.ndarray, test: np.ndarray) -> Ranked:
    model = fitted(data.alone)
    return ranked([calibration.best(model.posterior(data.alone[number].votes)) for number in test], data, test)


def calibrate(data: Data, calibrated: np.ndarray, test: np.ndarray, *, ensemble: bool = False) -> Ranked:
    known = data.together if ensemble else data.alone
    golds = [{data.gold[number]} for number in calibrated]
    found = calibration.calibrate(fitted(known), [known[number] for number in calibrated], golds)
    return ranked([calibration.best(found.probabilities(known[number])) for number in test], data, test)


def fitted(known: Sequence[Heard], cache: dict[int, label_model.LabelModel] = {}) -> label_model.LabelModel:  # noqa: B006
    """The label model of all questions: it needs no gold, so splits share it."""
    if id(known) not in cache:
        cache[id(known)] = label_model.fit([each.votes for each in known])
    return cache[id(known)]


METHODS: dict[str, Method] = {
    "agreement (iteration 1)": partial(by_rule, sources=("weak", "icl_1")),
    "iteration 2": partial(by_rule, sources=("weak_2", "icl_2")),
    "both_iterations": partial(by_rule, sources=("weak", "icl_1", "weak_2", "icl_2")),
    "posterior": posterior,
    "calibrated": calibrate,
    "ensemble": partial(calibrate, ensemble=True),
}


def precision_at(scores: np.ndarray, right: np.ndarray, count: int) -> float:
    """Of the `count` surest; of equally sure ones the mean of any choice. NaN where fewer have a label."""
    if (scores > -math.inf).sum() < count:
        return math.nan
    threshold = np.sort(scores)[::-1][count - 1]
    above, level = scores > threshold, scores == threshold
    return float((right[above].sum() + right[level].mean() * (count - above.sum())) / count)


def coverage_at(scores: np.ndarray, right: np.ndarray, precision: float) -> float:
    """The largest share of questions whose surest are right so often; equally sure ones are kept together."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(scores[order][1:] != scores[order][:-1], True) & (scores[order] > -math.inf)
    shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(ends & (shares >= precision))
    return (good[-1] + 1) / len(order) if len(good) else 0.0


def show(values: Sequence[float]) -> str:
    if any(math.isnan(value) for value in values):
        return "-"
    low, high = np.percentile(values, [2.5, 97.5])
    return f"{100 * np.mean(values):.1f} ({100 * low:.1f} to {100 * high:.1f})"


def table(data: Data, splits: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    print(
        "| selection | own coverage | own precision | precision at agreement's coverage | coverage at 90 % | at 95 % |"
    )
    print("|---|---:|---:|---:|---:|---:|", flush=True)
    for name, method in METHODS.items():
        cells: dict[str, list[float]] = {"own": [], "right": [], "equal": [], "90": [], "95": []}
        for calibrated, test in splits:
            scores, right = method(data, calibrated, test)
            agreed = METHODS["agreement (iteration 1)"](data, calibrated, test)[0] > -math.inf
            own = scores >= (0.9 if name == "posterior" else -1)
            cells["own"].append(own.mean())
            cells["right"].append(right[own].mean())
            cells["equal"].append(precision_at(scores, right, int(agreed.sum())))
            cells["90"].append(coverage_at(scores, right, 0.90))
            cells["95"].append(coverage_at(scores, right, 0.95))
        shown = [show(cells[each]) for each in cells]
        if name in ("calibrated", "ensemble"):
            shown[:2] = ["-", "-"]
        print(f"| {name} | {' | '.join(shown)} |", flush=True)


def promises(data: Data, splits: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Scores do not depend on what is promised: each split is labelled once."""
    print("\n| certified with 90 % confidence | splits with a certificate | coverage | precision of these | broken |")
    print("|---|---:|---:|---:|---:|", flush=True)
    for known, name in ((data.alone, "alone"), (data.together, "ensemble")):
        found = [in_split(data, known, calibrated, test) for calibrated, test in splits]
        for precision in (0.80, 0.85, 0.90, 0.95):
            outcomes = [(*each, certify(each[0], each[2], Promise(precision, CONFIDENCE))) for each in found]
            kept = [
                (scores >= outcome.threshold, right)
                for scores, right, _, outcome in outcomes
                if isinstance(outcome, Certificate)
            ]
            coverage = [float(chosen.mean()) for chosen, _ in kept] + [0.0] * (len(splits) - len(kept))
            precisions = [float(right[chosen].mean()) for chosen, right in kept]
            broken = sum(each < precision for each in precisions)
            print(f"| {name}: at least {precision:.0%} right | {len(kept)} of {len(splits)} | {show(coverage)} "
                  f"| {show(precisions) if kept else '-'} | {broken} of {len(splits)} |", flush=True)  # fmt: skip


def in_split(
    data: Data, known: Sequence[Heard], calibrated: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Sequence[tuple[float, bool]]]:
    """Scores and rightness of the test, and those of the golds that test the thresholds."""
    golds = [Graded(str(number), known[number], {data.gold[number]}) for number in calibrated]
    found = certified.certified(fitted(known), (known[number] for number in test), golds, Promise(0.9, CONFIDENCE))
    return *ranked(found.labels, data, test), found.tested


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=20, help="random choices of the calibration questions")
    parser.add_argument("--calibration", type=int, default=500, help="questions with gold")
    parser.add_argument("--promises", action="store_true", help="only the certificates")
    parser.add_argument("--models", nargs="+", choices=list(WEAK), default=list(WEAK), help="weak models of the tables")
    arguments = parser.parse_args()
    orders = [np.random.default_rng(seed).permutation(7000) for seed in range(arguments.splits)]
    splits = [(order[: arguments.calibration], order[arguments.calibration :]) for order in orders]
    for model, data in released(arguments.models).items():
        print(f"\n### {NAMES[model]}, 7,000 questions, {arguments.calibration} of them for calibration, "
              f"{arguments.splits} splits (in %)\n")  # fmt: skip
        if not arguments.promises:
            table(data, splits)
        promises(data, splits)


if __name__ == "__main__":
    main()
