"""w2s: weak-to-strong reasoning (Yang, Ma, Liu 2024, arXiv 2407.13647).

The verbs of the command line as functions. The import loads nothing heavy.

    import w2s

    results = w2s.run("tiny", "stage1_iterations=1", out="runs/one")     # the whole recipe, resumable
    results["models"]["m_plus"]["accuracy"]
    w2s.grade("gold.jsonl", "responses.jsonl", task="gsm8k").accuracy    # any files

Each raises `w2s.UserError`; the message names file, line, field and hint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from w2s.api.files import agree, grade, pairs, sample, select, train
from w2s.api.runs import check, compare, export, plan, report, run, status
from w2s.errors import UserError
from w2s.version import __version__

if TYPE_CHECKING:
    from w2s import answers

__all__ = [
    "UserError", "__version__", "agree", "answers", "check", "compare", "export", "grade", "pairs", "plan", "report",
    "run", "sample", "select", "status", "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "answers":  # it takes a tenth of a second
        import importlib

        return importlib.import_module("w2s.answers")
    raise AttributeError(f"module 'w2s' has no attribute {name!r}")
