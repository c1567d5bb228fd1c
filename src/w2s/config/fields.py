"""Base of recipe models."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

PositiveInt = Annotated[int, Field(ge=1, le=10**7)]
"""Bounded, so that a slip ends in a message and not in days of work."""
NAME_BYTES = 100
"""Additions must fit a file name's 255."""


def _part_of_a_path(name: str) -> str:
    if not name.strip() or name.startswith(".") or not name.isprintable() or set("/\\") & set(name):
        raise ValueError("a name must be one part of a path: without / and \\, without . in front, and printable")
    if len(name.encode()) > NAME_BYTES:
        raise ValueError(f"a name has at most {NAME_BYTES} bytes in UTF-8, not {len(name.encode())}")
    return name


PathPart = Annotated[str, AfterValidator(_part_of_a_path)]
"""A name without its path."""
Share = Annotated[float, Field(ge=0.0, le=1.0)]


Each = TypeVar("Each")
Several = Annotated[
    tuple[Each, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str | int) else value)
]
"""A list; one name or number is a list of one."""


class Frozen(BaseModel):
    """Part of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)
