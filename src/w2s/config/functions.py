"""Loads and hashes a user's `module:function`."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from w2s.config.choices import TRL
from w2s.errors import UserError, one_of


def is_reference(name: str) -> bool:
    """Whether it is `module:function`; `trl:NAME` is a loss of TRL."""
    module, colon, function = name.partition(":")
    if name.startswith(TRL):
        return False
    return bool(colon) and function.isidentifier() and all(part.isidentifier() for part in module.split("."))


def load(reference: str, field: str) -> Callable[..., Any]:
    """The function; its module may be in the current folder.

    Raises:
        UserError: not found, or its import fails.
    """
    if not is_reference(reference):
        raise UserError(f"{reference!r} names no function", field=field, expected="module:function")
    module, _, name = reference.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        imported = importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        raise UserError(
            f"{reference}: there is no module {missing!r}",
            field=field,
            hint=f"run the command in the folder that has {missing.partition('.')[0]}.py, or install it"
            if missing.partition(".")[0] == module.partition(".")[0]
            else f"install {missing}, which {module} imports",
        ) from error
    except Exception as error:
        raise UserError(
            f"{reference}: importing {module} fails ({type(error).__name__}: {error})", field=field
        ) from error
    function: Any = getattr(imported, name, None)
    if not callable(function):
        names = [each for each, value in vars(imported).items() if callable(value) and not each.startswith("_")]
        one_of(f"function of {module}", name, names, field)
    result: Callable[..., Any] = function
    return result


def identity(function: Callable[..., Any]) -> str:
    """SHA-256 of the function's source file.

    Raises:
        UserError: there is none.
    """
    try:
        file = inspect.getsourcefile(function)
        if file is None:
            raise OSError
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except (OSError, TypeError) as error:
        raise UserError(f"{function!r} has no source file, so a change of it could not be seen") from error
