"""The data of the sample browser: JSON, deflated, in base64; at most a budget, and what is left out is named.

Model output is hostile text. It reaches the page in base64 only, and the script shows it as text.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from w2s.results.outline import is_control
from w2s.results.page.run import TEXTS, RunPage, step_label
from w2s.results.verdicts import PROMPTED

BUDGET = 3_800_000
"""Bytes of base64: with figures and script the page stays below 4 MB."""
QUICK = 6
"""zlib's level of attempts: three times as fast as 9, which then is a little smaller."""
LONGEST = 4000
"""Characters of a question or a response."""
SHORT = 200
"""Characters of a final answer."""
GROUPS = ("level", "subject")
"""What gold says of a question, and the page filters by."""
VERDICTS = {"correct": "c", "wrong": "w", "no_answer": "n", "undecided": "u"}
"""One letter each; "-" where there is none."""


class Packed(NamedTuple):
    """The data, and lines on what the page leaves out."""

    data: str
    left_out: list[str]
    questions: int


def pack(page: RunPage, budget: int = BUDGET) -> Packed | None:
    """Verdicts and final answers of all questions, then texts of as many models as fit; None without answers.

    Texts come in this order: the result, its teacher, prompting, the control; the weak and the strong answers to
    train_2; all other models. If not even verdicts fit, questions are left out, from the end.
    """
    names = [name for name in page.models if name in page.answers]
    if not names:
        return None
    test, train = _test(page, names), _train(page)
    labels = {name: step_label(name) for name in (*train["names"], *train["decisions"])}
    labels |= {name: page.label(name) for name in names}
    order = [("test", name) for name in _important(page, names)]
    texts = [*order[:4], *(("train", name) for name in TEXTS if page.texts.get(name)), *order[4:]]

    def content(count: int, questions: int | None = None, level: int = 9) -> str:
        chosen = texts[:count]
        return _encode(
            level,
            {
                "a": page.endpoint or names[-1],
                "b": page.outline.floor if page.outline.floor in names else names[0],
                "labels": labels,
                "test": _with_texts(test, page, [name for of, name in chosen if of == "test"], questions),
                "train": _with_texts(train, page, [name for of, name in chosen if of == "train"], questions),
            },
        )

    count = most(len(texts), lambda number: len(content(number, level=QUICK)) <= budget)
    if count >= 0:
        left = [_named(page, of, name) for of, name in texts[count:]]
        lines = [f"texts left out for size: {', '.join(left)}; final answers and verdicts are complete"] if left else []
        return Packed(content(count), lines, len(test["ids"]))
    total = max(len(test["ids"]), len(train["ids"]))
    kept = max(0, most(total, lambda number: len(content(0, number, QUICK)) <= budget))
    lines = [f"only the first {kept:,} questions of each split, without texts: more would not fit"]
    return Packed(content(0, kept), lines, min(kept, len(test["ids"])))


def most(limit: int, fits: Callable[[int], bool]) -> int:
    """The largest number from 0 to `limit` that fits, -1 if none does; whatever is below one that fits does too."""
    if fits(limit):
        return limit
    low, high = -1, limit
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def unpack(data: str) -> Any:
    """What `pack` packed."""
    return json.loads(zlib.decompress(base64.b64decode(data)))


def _encode(level: int, content: Any) -> str:
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), level)).decode()


def _important(page: RunPage, names: Sequence[str]) -> list[str]:
    controls = [name for name in names if is_control(name)]
    first = [page.endpoint, page.outline.floor, PROMPTED, *controls[:1]]
    return list(dict.fromkeys(name for name in (*first, *names) if name in names))  # type: ignore[misc]


def _named(page: RunPage, split: str, name: str) -> str:
    return page.label(name) if split == "test" else f"{TEXTS[name]} on train_2"


def _test(page: RunPage, names: Sequence[str]) -> dict[str, Any]:
    rows = [page.answers[name] for name in names]
    ids = list(dict.fromkeys(question for of in rows for question in of))
    first = {question: next(of[question] for of in rows if question in of) for question in ids}
    return {
        "ids": ids,
        "questions": [_shorten(first[question]["question"]) for question in ids],
        "gold": [_said(first[question].get("gold")) for question in ids],
        **{group: [_said(first[question].get(group)) for question in ids] for group in GROUPS},
        "names": list(names),
        "verdicts": ["".join(_letter(of.get(question)) for question in ids) for of in rows],
        "answers": [[_said((of.get(question) or {}).get("prediction")) for question in ids] for of in rows],
        "cut": ["".join("1" if (of.get(question) or {}).get("cut") else "0" for question in ids) for of in rows],
    }


def _train(page: RunPage) -> dict[str, Any]:
    rows = page.judged
    names = list(dict.fromkeys(name for row in rows for name in row["answers"]))
    voters = list(dict.fromkeys(name for row in rows for name in row["votes"]))
    selections = list(dict.fromkeys(name for row in rows for name in row["decisions"]))
    sides = [[row["answers"].get(name) for row in rows] for name in names]
    votes = [[row["votes"].get(name) for row in rows] for name in voters]
    return {
        "ids": [row["id"] for row in rows],
        "questions": [_shorten(row["question"]) for row in rows],
        "gold": [_said(row.get("gold")) for row in rows],
        **{group: [_said(row.get(group)) for row in rows] for group in GROUPS},
        "names": [*names, *voters],
        "voters": voters,
        "verdicts": ["".join(map(_letter, of)) for of in (*sides, *votes)],
        "answers": [[_said((each or {}).get("prediction")) for each in of] for of in (*sides, *votes)],
        "cut": ["".join("1" if (each or {}).get("cut") else "0" for each in of) for of in (*sides, *votes)],
        "votes": [[_counts(each) for each in of] for of in votes],
        "decisions": {name: [str(row["decisions"].get(name) or "") for row in rows] for name in selections},
    }


def _with_texts(side: dict[str, Any], page: RunPage, names: Sequence[str], questions: int | None) -> dict[str, Any]:
    """With the texts of these models question by question: neighbours that are alike compress well."""
    cut = {
        field: [of[:questions] for of in value]
        if field in ("verdicts", "answers", "cut", "votes")
        else value[:questions]
        for field, value in side.items()
        if field not in ("names", "voters", "decisions")
    }
    cut |= {field: side[field] for field in ("names", "voters") if field in side}
    cut["decisions"] = {name: of[:questions] for name, of in side.get("decisions", {}).items()}
    texts = [_texts(page, name) for name in names]
    return cut | {
        "withText": list(names),
        "texts": [[of.get(id) for of in texts] for id in cut["ids"]] if texts else [],
    }


def _texts(page: RunPage, name: str) -> Mapping[str, str | None]:
    if name in page.answers:
        return {id: _shorten(row["response"]) for id, row in page.answers[name].items()}
    return {id: _shorten(text) for id, text in page.texts.get(name, {}).items()}


def _letter(row: Mapping[str, Any] | None) -> str:
    return VERDICTS.get(str((row or {}).get("verdict")), "-")


def _counts(vote: Mapping[str, Any] | None) -> list[list[Any]]:
    counts = (vote or {}).get("counts")
    if not isinstance(counts, dict):
        return []
    return [[_shorten(str(said), SHORT), n] for said, n in list(counts.items())[:6] if isinstance(n, int)]


def _said(value: object) -> str | None:
    return None if value is None else _shorten(str(value), SHORT)


def _shorten(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else text[:longest] + f" … ({len(text)} characters)"
