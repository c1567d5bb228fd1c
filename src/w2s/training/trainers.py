"""Trainers stand beside each other as engines do: one module each, with the same two functions."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Literal

from w2s.errors import EXTRAS, UserError, one_of
from w2s.models import adapters

TABLE = {
    "w2s": {"sft": "w2s.training.sft:train", "preference": "w2s.training.preference:train"},
    "trl": {"sft": "w2s.training.trl:fine_tune", "preference": "w2s.training.trl:prefer"},
}
"""Trainer -> kind of training -> "module:function"."""


def load(name: str, kind: Literal["sft", "preference"]) -> Callable[..., Any]:
    """The function of a trainer; imports one trainer only.

    Raises:
        UserError: no such trainer, or its libraries are missing.
    """
    one_of("trainer", name, TABLE, "trainer")
    module, function = TABLE[name][kind].split(":")
    try:
        if name == "trl":
            adapters.library()  # silences a library that TRL imports
        imported = importlib.import_module(module)
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        raise UserError(
            f"the trainer {name} needs the package {library}, which is not installed",
            field="trainer",
            hint=f"pip install 'w2s-reasoning[{EXTRAS.get(library, name)}]'",
        ) from error
    found: Callable[..., Any] = getattr(imported, function)
    return found
