"""The two ways work can stop early that are not our bug."""

from __future__ import annotations

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
