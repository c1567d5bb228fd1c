"""What is known before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from w2s.errors import UserError


@dataclass(frozen=True, slots=True)
class Finding:
    """A refusal, or a note: something to know that stops nothing."""

    problem: str
    field: str | None = None
    hint: str | None = None
    expected: str | None = None
    file: str | None = None
    refusal: bool = False

    def __str__(self) -> str:
        return str(self.error())

    def error(self) -> UserError:
        return UserError(self.problem, file=self.file, field=self.field, expected=self.expected, hint=self.hint)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def refusal(error: UserError, field: str | None = None) -> Finding:
    """An error as a value; `field`: where the user wrote it, if the error names another."""
    file = None if error.file is None else f"{error.file}" + ("" if error.line is None else f":{error.line}")
    return Finding(error.problem, field or error.field, error.hint, error.expected, file, refusal=True)


def refuse(findings: Iterable[Finding]) -> None:
    """Raise the refusals as one UserError, if any."""
    errors = [finding.error() for finding in findings if finding.refusal]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        listed = "\n".join(f"- {error}" for error in errors)
        raise UserError(f"{len(errors)} things stand in the way:\n{listed}")
