"""Loads and hashes a user's `module:function`."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Sequence
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


def check(function: Callable[..., Any], field: str, first: Sequence[str], named: Sequence[str] = ()) -> str:
    """`module:function`, after a check that it loads by this name and takes these arguments.

    Raises:
        UserError: it does not.
    """
    module, qualified = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
    name = f"{module}:{qualified}" if qualified else f"{function!r:.80}"
    if not is_reference(name):
        raise UserError(
            f"{name} cannot be loaded by its name", field=field, expected="a function at the top of a module"
        )
    fits(function, name, field, first, named)
    return name


def fits(function: Callable[..., Any], name: str, field: str, first: Sequence[str], named: Sequence[str] = ()) -> None:
    """Refuse a function that does not take these arguments.

    Raises:
        UserError: it does not.
    """
    takes = ""
    try:
        signature = inspect.signature(function)
        takes = f"it takes {signature}"
        signature.bind(*first, **dict.fromkeys(named))
    except (TypeError, ValueError) as error:  # a built-in may have no signature
        expected = f"function({', '.join([*first, *named])})"
        hint = takes or None
        raise UserError(f"{name} does not fit ({error})", field=field, expected=expected, hint=hint) from error


def option(function: Callable[..., Any], name: str, allowed: Sequence[Any], field: str) -> Any:
    """The attribute `name` of a user's function; without it the first that is allowed.

    Raises:
        UserError: it is another.
    """
    value = getattr(function, name, allowed[0])
    if not any(value is each or (isinstance(each, str) and value == each) for each in allowed):
        whose = f"{function.__module__}:{getattr(function, '__qualname__', function)}"
        expected = " or ".join(map(str, allowed))
        raise UserError(f"{whose} has the attribute {name}={value!r}", field=field, expected=expected)
    return value


def failure(name: str, error: Exception, field: str, hint: str | None = None, where: str = "") -> UserError:
    """What to tell a user in whose function an error occurs: at which line of its module, if at one."""
    module = sys.modules.get(name.partition(":")[0])
    own = [
        each for each in traceback.extract_tb(error.__traceback__) if each.filename == getattr(module, "__file__", 0)
    ]
    file, line, code = (own[-1].filename, own[-1].lineno, own[-1].line) if own else (None, None, None)
    if isinstance(error, UserError):
        expected, place = error.expected, (error.file or file, error.line if error.file else line)
        return UserError(
            error.problem, file=place[0], line=place[1], field=error.field, expected=expected, hint=error.hint
        )
    problem = f"{name} fails{where}{f' at `{code}`' if code else ''} ({type(error).__name__}: {error})"
    return UserError(problem, file=file, line=line, field=field, hint=hint)


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
