"""Datasets of the Hugging Face hub."""

from __future__ import annotations

from functools import cache
from typing import Any

from w2s.data import hub
from w2s.errors import UserError


@cache
def published(dataset: str, subset: str | None, split: str) -> list[dict[str, Any]]:
    """The rows of one split, fetched once per process.

    Raises:
        UserError: no `datasets`, no such data, or no connection.
    """
    hint = "give local files instead: task.train_1=FILE task.train_2=FILE task.test=FILE"
    try:
        import datasets
    except ImportError as error:
        raise UserError(f"{dataset} needs the package `datasets`", hint=f"pip install datasets, or {hint}") from error
    try:
        return list(hub.load(datasets, dataset, subset, split))
    except Exception as error:  # the hub's client raises dozens of unrelated types when it has no network
        raise UserError(
            f"{dataset} cannot be fetched ({type(error).__name__}: {str(error)[:200]})", field="task", hint=hint
        ) from error
