"""The two ways work can stop early that are not our bug, and a lack of memory, which is made one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """Something the user gave cannot be used. The command line prints it and exits with code 2.

    Args:
        problem: what is wrong, in one sentence.
        file: the file it was found in.
        line: the line in that file, counted from 1.
        field: the field or option concerned.
        expected: what would have been right.
        mend: what to do about it.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: str | Path | None = None,
        line: int | None = None,
        field: str | None = None,
        expected: str | None = None,
        mend: str | None = None,
    ) -> None:
        place = "" if file is None else f"{file}:{line}" if line is not None else str(file)
        if field is not None:
            place = f"{place} [{field}]" if place else f"[{field}]"
        parts = [f"{place}: {problem}" if place else problem]
        if expected:
            parts.append(f"expected: {expected}")
        if mend:
            parts.append(f"to mend: {mend}")
        super().__init__("\n  ".join(parts))


class BranchEnds(Exception):
    """A step has nothing to work on (an empty agreement set, no gold): its branch ends, the run goes on.

    The message says what was missing; the runner records it and skips every step that needs this one.
    """


_NO_MEMORY = (
    "OutOfMemoryError",
    "out of memory",
    "DefaultCPUAllocator: can't allocate",
    "DefaultCPUAllocator: not enough",
)


def lacks_memory(error: BaseException) -> bool:
    """Whether it says that a GPU or the machine has too little memory, and so nothing about what was being read.

    Told by name and text: torch may not be imported here, and what comes out of another process is text.
    """
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in _said(error) for sign in _NO_MEMORY)
    )


@contextmanager
def enough_memory(mend: str) -> Iterator[None]:
    """Turns a lack of memory inside (`lacks_memory`) into one message that says `mend`.

    Raises:
        UserError: there was too little memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        said = _said(error)
        line = next((line for line in reversed(said.splitlines()) if any(sign in line for sign in _NO_MEMORY)), said)
        raise UserError(f"there is too little memory ({line.strip()[:300]})", mend=mend) from error


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
