"""Files as users give them to the verbs: responses to GSM8K-like questions, and gold; and the verbs on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from w2s import tasks, verbs


def written(file: Path, *rows: object) -> Path:
    """The file, with the rows as JSON Lines."""
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def again(file: Path) -> Path:
    """Another model that says the same: the rows with a column more, as one file is not taken twice."""
    return written(file.with_name(f"again-{file.name}"), *({**row, "again": True} for row in lines(file)))


def lines(file: Path) -> list[dict[str, Any]]:
    """The rows of a file."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def said(identity: object, answer: object, **more: Any) -> dict[str, Any]:
    """A response that states an answer; None: that states none."""
    response = "I do not know." if answer is None else f"So it is {answer}.\n#### {answer}"
    return {"id": identity, "question": f"How many, {identity}?", "response": response, **more}


def gold_file(folder: Path, *answers: object) -> Path:
    """Gold of the questions 1, 2, ..."""
    return written(folder / "gold.jsonl", *({"id": n, "answer": f"{a}"} for n, a in enumerate(answers, 1)))


def agree(weak: Any, strong: Any, out: Any, *, task: str, match: Any = "equivalent", **options: Any) -> Any:
    """`verbs.agree`, with the options of the command line."""
    inputs = verbs.Inputs(weak=weak, strong=strong, **_of_inputs(options))
    return verbs.agree(inputs, out, rule=tasks.answer_rule(task, match), **options)


def pairs(weak: Any, samples: Any, out: Any, *, task: str, match: Any = "equivalent", **options: Any) -> Any:
    """`verbs.pairs`, likewise."""
    inputs = verbs.Inputs(weak=weak, samples=samples, **_of_inputs(options))
    thresholds = {"confidence": 0.6, "reject_confidence": 0.8, "max_pairs": 1}
    rule = verbs.PairRule(**{name: options.pop(name, value) for name, value in thresholds.items()})
    return verbs.pairs(inputs, out, rule=tasks.answer_rule(task, match), pair_rule=rule, **options)


def grade(gold: Any, responses: Any, out: Any = None, *, task: str, match: Any = "equivalent", **options: Any) -> Any:
    """`verbs.grade`, likewise."""
    return verbs.grade(gold, responses, out, rule=tasks.answer_rule(task, match), **options)


def _of_inputs(options: dict[str, Any]) -> dict[str, Any]:
    """Those of `options` that are about the input files, which are taken out."""
    rows_as = {name: options.pop(name) for name in ("keep", "format") if name in options}
    if rows_as:
        options["rows_as"] = verbs.RowOptions(**rows_as)
    names = options.keys() & {"samples", "gold", "questions", "layout", "columns", "join", "only_shared"}
    return {name: options.pop(name) for name in names}
