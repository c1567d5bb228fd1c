"""The top of the page: what the run shows, in five sentences, and what a reader must know before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from w2s.results import verdicts
from w2s.results.page.run import RunPage, is_cut, label

SIGNS = {"above": "✓", "below": "✗", "no effect": "=", "not distinguished": "?"}


class Line(NamedTuple):
    """A question, its answer by rule, the sentence with the interval, and `kind`, a class."""

    kind: str
    sign: str
    question: str
    answer: str
    sentence: str


class Chip(NamedTuple):
    """A fact; `warn` where it weakens the result."""

    words: str
    warn: bool = False


class Strip(NamedTuple):
    """All of the top."""

    title: str
    lines: list[Line]
    notices: list[str]
    chips: list[Chip]


def build(pages: Sequence[RunPage], shown: Mapping[str, Any]) -> Strip:
    """Verdicts and caveats of the results that are shown; facts of all runs."""
    page = pages[0]
    found = shown.get("verdicts")
    if found is None:
        found = verdicts.verdicts(verdicts.asked(page.outline, shown["models"]), shown["paired"])
    title = verdicts.title(found, page.label(page.endpoint)) if page.endpoint else ""
    lines = [_line(page, name, found.get(name)) for name in verdicts.QUESTIONS]
    return Strip(title, lines if shown["models"] else [], shown["caveats"], _chips(pages))


def _line(page: RunPage, name: str, verdict: Mapping[str, Any] | None) -> Line:
    question = verdicts.QUESTIONS[name][0]
    if verdict is None:
        return Line("missing", "–", question, "not measured", "This run has not both models on the same questions.")
    result, other = (_in_sentence(page, verdict[side]) for side in ("result", "other"))
    sentence = verdicts.sentence(verdict, result[:1].upper() + result[1:], other)
    relation = verdict["relation"]
    return Line(relation.replace(" ", "-"), SIGNS[relation], question, verdicts.answer(verdict), sentence)


WORDS = {
    "weak_floor": "the weak model",
    "weak_icl": "prompting with weak answers",
    "full_weak_ft": "naive training on all weak answers",
    "control_strong_only": "the control, the same recipe on the strong model's own answers",
    "m_plus": "Stage I alone",
}
"""Names inside a sentence."""


def _in_sentence(page: RunPage, name: str) -> str:
    return WORDS.get(name, page.label(name))


def _chips(pages: Sequence[RunPage]) -> list[Chip]:
    page = pages[0]
    results = page.results
    seeds = [str(each.results["seed"]) for each in pages]
    chips = [
        Chip(f"seeds {', '.join(seeds)}") if len(seeds) > 1 else Chip(f"one seed: {seeds[0]}", True),
        Chip(f"{results['n_test']:,} test questions"),
    ]
    if page.recipe.limit is not None:
        chips.append(Chip(f"limit {page.recipe.limit:,} per split", True))
    done = sum(f"evaluate_{entry.name}" in each.records for each in pages for entry in each.outline.models)
    of = sum(len(each.outline.models) for each in pages)
    finished = done == of and all(each.results["finished"] for each in pages)
    chips.append(
        Chip(f"finished, all {of} models evaluated" if finished else f"{done} of {of} models evaluated", not finished)
    )
    if damaged := sum(len(each.results["damage"]) for each in pages):
        chips.append(Chip(f"{damaged} damaged", True))
    else:
        chips.append(Chip("checksums of all files match"))
    if near := _near_test(page.records.get("overlap", {}).get("result", {})):
        chips.append(Chip(f"{near:,} training questions (nearly) repeat a test question", True))
    rows = [row for each in pages for answers in each.answers.values() for row in answers.values()]
    cut = sum(map(is_cut, rows))
    undecided = sum(row["verdict"] == "undecided" for row in rows)
    if rows:
        chips.append(Chip(f"{cut:,} of {len(rows):,} test answers cut at the token limit{_most_of(pages, cut)}"))
        chips.append(Chip(f"{undecided:,} answers undecided", undecided > 0))
    return chips


def _near_test(overlap: Mapping[str, Any]) -> int:
    """Training questions that were kept although test has the same, or nearly."""
    policy = overlap.get("policy")
    kept = [
        overlap[of]
        for of, there in (("shared", policy == "allow"), ("near", policy != "near"))
        if of in overlap and there
    ]
    return sum(n for counts in kept for pair, n in counts.items() if pair.endswith(" in test"))


def _most_of(pages: Sequence[RunPage], cut: int) -> str:
    """The model that wrote more than half of the cut answers."""
    by: Counter[str] = Counter()
    for page in pages:
        by.update({name: sum(map(is_cut, rows.values())) for name, rows in page.answers.items()})
    name, most = max(by.items(), key=lambda of: of[1])
    return f", {most:,} of them by: {label(name)}" if 2 * most > cut else ""
