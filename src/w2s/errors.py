"""Early stops that are no bugs, and lack of memory."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """Unusable input. The command line prints the message and exits with code 2.

    `line` counts from 1.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: str | Path | None = None,
        line: int | None = None,
        field: str | None = None,
        expected: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.problem, self.file, self.line, self.field = problem, file, line, field
        self.expected, self.hint = expected, hint
        place = "" if file is None else f"{file}:{line}" if line is not None else str(file)
        if field is not None:
            place = f"{place} [{field}]" if place else f"[{field}]"
        parts = [f"{place}: {problem}" if place else problem]
        if expected:
            parts.append(f"expected: {expected}")
        if hint:
            parts.append(f"hint: {hint}")
        super().__init__("\n  ".join(parts))


def one_of(what: str, name: object, known: Iterable[str], field: str, also: str = "") -> None:
    """Refuse a name that is not `known`: never fall back to a default. `also`: what else is expected.

    Raises:
        UserError: "no WHAT is called NAME", with the nearest name.
    """
    known = tuple(known)
    if isinstance(name, str) and name in known:
        return
    import difflib  # `w2s --help` is quick

    close = difflib.get_close_matches(str(name), known, n=1)
    meant = f" (did you mean {close[0]!r}?)" if close else ""
    raise UserError(f"no {what} is called {name!r:.80}{meant}", field=field, expected=", ".join(known) + also)


class BranchEnds(Exception):
    """A step has nothing to work on: its branch ends, and the run goes on.

    The runner records the message and skips dependent steps.
    """


_NO_MEMORY = (
    "OutOfMemoryError",
    "out of memory",
    "DefaultCPUAllocator: can't allocate",
    "DefaultCPUAllocator: not enough",
)


def lacks_memory(error: BaseException) -> bool:
    """Whether a GPU or the machine ran out of memory."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in _text(error) for sign in _NO_MEMORY)
    )


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED = {
    errno.EACCES: "check the rights of the file and its folder",
    errno.EPERM: "check the rights of the file and its folder",
    errno.EROFS: "choose a folder that can be written",
    errno.EIO: "check the disk",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.EISDIR: "give a file, not a folder",
    errno.ENOTDIR: "check the path",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EEXIST: "give another path, or move what is there",
    errno.ENOENT: "leave the folder alone while it is in use",
    errno.ELOOP: "check the links",
    errno.ESTALE: "check the disk",
    errno.EMFILE: "allow more open files (ulimit -n)",
}


def system_error(error: Exception, file: str | Path | None = None) -> UserError | None:
    """A full disk, missing rights or a missing library as a message, else None.

    `file` is for errors that name none.
    """
    if isinstance(error, ModuleNotFoundError):
        library = (error.name or "").partition(".")[0]
        return not_installed(library) if library in EXTRAS else None
    number = _number(error)
    full = number in _FULL
    if not full and number not in _REFUSED:
        return None
    file = getattr(error, "filename", None) or file
    problem = getattr(error, "strerror", None) or first_line(error, "")[:300]
    hint = "make room on the disk; the same command goes on" if full else _REFUSED[number or 0]
    return UserError(f"cannot be used ({problem})" if file else problem, file=file, hint=hint)


def first_line(error: Exception, otherwise: str = "no reason given") -> str:
    """Of what it says; `otherwise`: it says nothing."""
    return next(iter(str(error).splitlines()), otherwise)


def _number(error: Exception) -> int | None:
    """The system's number of an error, also of those that libraries keep in words."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if named := re.search(r"\(os error (\d+)\)", str(error)):  # as Rust says it
        return int(named[1])
    return next((number for number in _FULL if os.strerror(number) in str(error)), None)


EXTRAS = {
    "torch": "train", "transformers": "train", "peft": "train", "safetensors": "train", "tokenizers": "train",
    "gguf": "gguf", "bitsandbytes": "quantize", "math_verify": "math", "datasets": "hub",
    "openai": "openai", "tenacity": "openai", "vllm": "vllm", "ray": "ray", "pandas": "ray", "pyarrow": "ray",
    "tensorboardX": "tensorboard", "wandb": "wandb", "trackio": "trackio", "mlflow": "mlflow",
    "trl": "trl", "accelerate": "trl", "liger_kernel": "liger", "flash_attn": "flash", "deepspeed": "deepspeed",
    "zstandard": "files",
}  # fmt: skip
"""Library -> the extra that installs it."""


def not_installed(library: str) -> UserError:
    """A library of an extra is missing."""
    return UserError(
        f"this needs {library}, which is not installed", hint=f"pip install 'w2s-reasoning[{EXTRAS[library]}]'"
    )


@contextmanager
def enough_memory(hint: str) -> Iterator[None]:
    """Turn a lack of memory into one message.

    Raises:
        UserError: too little memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        text = _text(error)
        line = next((line for line in reversed(text.splitlines()) if any(sign in line for sign in _NO_MEMORY)), text)
        raise UserError(f"there is too little memory ({line.strip()[:300]})", hint=hint) from error


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
