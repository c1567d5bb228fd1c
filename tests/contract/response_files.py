"""Files as users give them to the verbs: responses to GSM8K-like questions, and gold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def written(file: Path, *rows: object) -> Path:
    """The file, with the rows as JSON Lines."""
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


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
