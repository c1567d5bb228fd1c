"""Runs of one recipe with several seeds, as one result. Pure: reads no file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean, stdev
from typing import Any

from w2s.metrics import repeated
from w2s.metrics.repeated import Estimate
from w2s.metrics.significance import mcnemar
from w2s.results import headline, strategies, verdicts
from w2s.results.outline import Entry, Outline

Right = Mapping[str, float]
"""Question (its id and a hash of its text) -> whether the answer is right; of several samples the share."""


@dataclass(frozen=True)
class SeedRun:
    """A run of one seed: its `results.json`, what it evaluates, and each model's verdicts on test questions.

    `right` has no model whose answers are damaged.
    """

    seed: int
    folder: str
    results: Mapping[str, Any]
    outline: Outline
    right: Mapping[str, Right]


@dataclass(frozen=True)
class Joined:
    """What some models got right: outcomes[seed][model][question], with seeds on which all answered equal questions.

    `same`: all these seeds have equal questions; else each counts with its own, also where they share some.
    """

    seeds: tuple[int, ...]
    outcomes: tuple[tuple[tuple[float, ...], ...], ...]
    same: bool

    @cached_property
    def n(self) -> int:
        """Questions of a seed, the fewest."""
        return min(len(models[0]) for models in self.outcomes)

    def less(self, model: int, other: int) -> list[list[float]]:
        """[seed][question]: 1, 0 or -1."""
        return [[float(x) - float(y) for x, y in zip(of[model], of[other], strict=True)] for of in self.outcomes]


def joined(runs: Iterable[SeedRun], names: Sequence[str | None]) -> Joined | None:
    """By question, in the runs that have all models; None where none has."""
    return join({run.seed: [run.right.get(name or "", {}) for name in names] for run in runs})


def join(tables: Mapping[int, Sequence[Right]]) -> Joined | None:
    """By question, in the seeds in which all of a seed's tables have equal questions."""
    tables = {
        seed: found
        for seed, found in tables.items()
        if found[0] and all(rows.keys() == found[0].keys() for rows in found)
    }
    if not tables:
        return None
    keys = {seed: list(found[0]) for seed, found in tables.items()}
    order = next(iter(keys.values()))
    same = all(set(order) == set(of) for of in keys.values())
    if same:
        keys = dict.fromkeys(keys, order)
    outcomes = (tuple(tuple(rows[key] for key in keys[seed]) for rows in found) for seed, found in tables.items())
    return Joined(tuple(tables), tuple(outcomes), same)


def summarise(runs: Sequence[SeedRun]) -> dict[str, Any]:
    """The fields of `results.json` over seeds.

    Means weight seeds equally; `spread` is [least, most] of the seeds. Intervals are 95 % and cover other seeds and
    other questions at once; `ci95_questions` and `ci95_seeds` each alone (`metrics.repeated`). PGR and weak
    contribution are ratios of means over seeds. `p_holm`: as in `verdicts.correct`.
    """
    first, outline = runs[0], runs[0].outline
    found = {entry.name: _model(entry, runs) for entry in outline.models}
    models = {name: model for name, model in found.items() if model is not None}
    accuracy = {name: of["accuracy"] for name, of in models.items()}
    decisive = headline.comparisons(outline, accuracy)
    asked = verdicts.asked(outline, models)
    pairs = [*(each[1:] for each in asked), *outline.comparisons, *(each[:2] for each in decisive)]
    pairs += strategies.comparisons(outline)
    tests = {f"{a} vs {b}": joined(runs, (a, b)) for a, b in pairs}
    paired = {name: tested(of) for name, of in tests.items() if of is not None}
    verdicts.correct(paired, asked, "p")
    return {
        "name": first.results["name"],
        "task": first.results["task"],
        "seeds": [run.seed for run in runs],
        "folders": {str(run.seed): run.folder for run in runs},
        "finished": all(run.results["finished"] for run in runs),
        "caveats": _caveats(runs, models),
        "n_test": max(run.results["n_test"] for run in runs),
        "headline": [headline.sentence(each, accuracy, paired[each.test]) for each in decisive if each.test in paired],
        "verdicts": verdicts.verdicts(asked, paired),
        "models": models,
        "strategies": {
            name: of
            for name in _names(run.results["strategies"] for run in runs)
            if (of := _strategy(name, runs, models)) is not None
        },
        "paired": paired,
        "selection": {
            name: _selection([run.results["selection"].get(name) for run in runs])
            for name in _names(run.results["selection"] for run in runs)
        },
        "damage": [f"seed {run.seed}: {line}" for run in runs for line in run.results["damage"]],
        "ended": {f"seed {run.seed}, {name}": text for run in runs for name, text in run.results["ended"].items()},
        "wall_seconds": round(sum(run.results["wall_seconds"] for run in runs), 2),
        "versions": {
            name: ", ".join(dict.fromkeys(run.results["versions"].get(name, "unknown") for run in runs))
            for name in _names(run.results["versions"] for run in runs)
        },
    }


def tested(of: Joined) -> dict[str, Any]:
    """The difference of the first two models, and its tests.

    `test` names that of `p`: "mcnemar" (exact), "z" (paired, over questions, for shares of several samples), or "seeds"
    (over seeds and questions: `repeated.estimate`).
    """
    difference = repeated.estimate(of.less(0, 1), same=of.same)
    ps = [_mcnemar(seed[0], seed[1]) for seed in of.outcomes]
    differences = [mean(row) for row in of.less(0, 1)]
    return {
        "difference": difference.mean,
        **_intervals(difference),
        "spread": [min(differences), max(differences)],
        "by_seed": dict(zip(map(str, of.seeds), differences, strict=True)),
        "mcnemar_p": dict(zip(map(str, of.seeds), ps, strict=True)),
        "p": difference.p if len(ps) > 1 or ps[0] is None else ps[0],
        "test": "seeds" if len(ps) > 1 else "z" if ps[0] is None else "mcnemar",
        "n": of.n,
        "same_questions": of.same,
    }


def _mcnemar(a: Sequence[float], b: Sequence[float]) -> float | None:
    """None for shares of several samples."""
    if not {*a, *b} <= {0, 1}:
        return None
    return mcnemar([x == 1 for x in a], [y == 1 for y in b])


def corrected(tests: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The tests with `p_holm`."""
    for test, p in zip(tests.values(), repeated.holm([test["p"] for test in tests.values()]), strict=True):
        test["p_holm"] = p
    return dict(tests)


def _model(entry: Entry, runs: Sequence[SeedRun]) -> dict[str, Any] | None:
    of = joined(runs, (entry.name,))
    if of is None:
        return None
    outline = runs[0].outline
    share = repeated.estimate([[float(x) for x in seed[0]] for seed in of.outcomes], same=of.same, added=repeated.SHARE)
    by_seed = {run.seed: run.results["models"][entry.name] for run in runs if run.seed in of.seeds}
    shares = {str(seed): model["accuracy"] for seed, model in by_seed.items()}
    gap = _ratio(runs, (entry.name, outline.floor, outline.floor, outline.ceiling))
    ends = {outline.floor, outline.ceiling}
    sound = {run.seed for run in runs if ends <= run.right.keys()}
    recovered = [model["pgr"] for seed, model in by_seed.items() if seed in sound and model["pgr"] is not None]
    fixed = entry.name in ends  # 0 and 1, on any questions
    return {
        "accuracy": mean(shares.values()),
        **_intervals(share, most=1.0),
        "spread": [min(shares.values()), max(shares.values())],
        "sd": stdev(shares.values()) if len(shares) > 1 else None,
        "by_seed": shares,
        "n": of.n,
        "no_answer": mean(model["no_answer"] for model in by_seed.values()),
        "undecided": mean(model["undecided"] for model in by_seed.values()),
        "pgr": None if gap is None else gap.mean,
        "pgr_ci95": None if gap is None or fixed else list(gap.ci95),
        "pgr_spread": [min(recovered), max(recovered)] if recovered else None,
        "what": entry.what,
        "highlight": entry.highlight,
    }


def _strategy(name: str, runs: Sequence[SeedRun], models: Mapping[str, Any]) -> dict[str, Any] | None:
    made = [(run, of) for run in runs if (of := run.results["strategies"].get(name)) and of["model"] in run.right]
    found = [each for _, each in made]
    if not found or found[0]["model"] not in models:
        return None
    model, control = found[0]["model"], found[0].get("control")
    outline = runs[0].outline
    compared = {model, control, outline.floor, outline.ceiling}
    brought = None if control is None else _ratio(runs, (model, control, outline.floor, outline.ceiling))
    by_seed = [each["weak_contribution"] for run, each in made if compared <= run.right.keys()]
    brought_by = [value for value in by_seed if value is not None]
    fields = ("accuracy", "ci95", "spread", "pgr", "pgr_ci95", "pgr_spread")
    return {
        "model": model,
        "control": control,
        **{field: models[model][field] for field in fields},
        "control_accuracy": models[control]["accuracy"] if control in models else None,
        "weak_contribution": None if brought is None else brought.mean,
        "weak_contribution_ci95": None if brought is None else list(brought.ci95),
        "weak_contribution_spread": [min(brought_by), max(brought_by)] if brought_by else None,
        "tokens": round(mean(each["tokens"] for each in found)),
        "seconds": round(mean(each["seconds"] for each in found), 2),
        "seeds": len(found),
    }


def _ratio(runs: Sequence[SeedRun], names: Sequence[str | None]) -> Estimate | None:
    """(first - second) / (fourth - third)."""
    of = joined(runs, names)
    return None if of is None else repeated.ratio(of.less(0, 1), of.less(3, 2), same=of.same)


def _selection(found: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    made = [each for each in found if each is not None]
    precision = [each["precision"] for each in made if each.get("precision") is not None]
    return {
        "kept": mean(each["kept"] for each in made),
        "kept_spread": [min(each["kept"] for each in made), max(each["kept"] for each in made)],
        "of": max(each["of"] for each in made),
        "precision": mean(precision) if precision else None,
        "precision_spread": [min(precision), max(precision)] if precision else None,
        "seeds": len(made),
        "what": made[0].get("what", ""),
    }


def _intervals(estimate: Estimate, most: float | None = None) -> dict[str, Any]:
    bound: Callable[[float], float] = (lambda x: min(most, max(0.0, x))) if most else (lambda x: min(1.0, max(-1.0, x)))
    of_seeds = estimate.ci95_seeds
    return {
        "ci95": [bound(end) for end in estimate.ci95],
        "ci95_questions": [bound(end) for end in estimate.ci95_questions],
        "ci95_seeds": None if of_seeds is None else [bound(end) for end in of_seeds],
    }


def _caveats(runs: Sequence[SeedRun], models: Mapping[str, Any]) -> list[str]:
    """Of single runs, less their line on one seed; then what the intervals cover."""
    lines: dict[str, list[int]] = {}
    for run in runs:
        for line in run.results["caveats"]:
            if not line.startswith("one seed ("):
                lines.setdefault(line, []).append(run.seed)
    every, outline = len(runs), runs[0].outline
    found = [line if len(of) == every else f"seed {', '.join(map(str, of))}: {line}" for line, of in lines.items()]
    lacking = [name for name, model in models.items() if len(model["by_seed"]) < every]
    if lacking:
        found.append(f"not all seeds have {', '.join(lacking)}: their means are over those that have")
    if {outline.floor, outline.ceiling} <= models.keys() and models[outline.ceiling or ""]["pgr"] is None:
        found.append("no PGR: the 95 % interval of ceiling - floor, over seeds and questions, includes 0")
    if every == 1:
        return [*found, f"one seed ({runs[0].seed}): intervals allow for other questions, not for another seed"]
    most = max(models, key=lambda name: len(models[name]["by_seed"]), default=None)
    of = joined(runs, (most,))
    if of is not None and not of.same:
        some = ", some of them in several seeds" if _share_some(runs) else ""
        own = f"{every} seeds with test questions of their own{some}"
        return [*found, f"{own}: intervals are over seeds, and cover both"]
    shared = f" {of.n:,}" if of is not None else ""
    return [
        *found,
        f"{every} seeds, the same{shared} test questions: intervals allow for other seeds and other questions",
    ]


def _share_some(runs: Sequence[SeedRun]) -> bool:
    """Whether a question is in the test sets of several seeds."""
    asked = [set[str]().union(*run.right.values()) for run in runs]
    return len(set[str]().union(*asked)) < sum(map(len, asked))


def _names(mappings: Iterable[Mapping[str, Any]]) -> list[str]:
    """All names, in the order of the reports: on one seed a branch may have ended."""
    order: list[str] = []
    for each in mappings:
        place = 0
        for name in each:
            if name not in order:
                order.insert(place, name)
            place = order.index(name) + 1
    return order
