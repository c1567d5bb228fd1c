"""A step: a named function of parameters and earlier outputs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from w2s.config.schema import Runtime
from w2s.flow import fingerprint
from w2s.flow.work import NO_WORK, Work


class Params(BaseModel):
    """All that decides a step's result, apart from its inputs.

    A field that is None is not part of the identity: a new parameter keeps finished outputs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def identity(self) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in fields.items() if value is not None}


P_co = TypeVar("P_co", covariant=True)

_RESERVED = frozenset({"records", ".work", ".lock", ".lease", ".reached.json", ".hashed.json", ".status.json"})


class Progress(Protocol):
    """Gets a step's progress."""

    def __call__(self, done: int, total: int, tokens: int = 0) -> None: ...


@dataclass(frozen=True)
class Context(Generic[P_co]):
    """The argument of a step function.

    Args:
        inputs: output paths by role.
        results: of the inputs, by role.
        output: a free path; the runner moves it.
        scratch: partial work; it survives a kill.
        cache: shared by steps; a file's name must cover all that decides its content.
        processes: engine processes kept between steps, or None.
        measure: gets the number of a training's step, from 1, and what it measured.
    """

    params: P_co
    inputs: Mapping[str, Path]
    results: Mapping[str, dict[str, Any]]
    output: Path
    scratch: Path
    runtime: Runtime
    progress: Progress
    resources: Any = None
    cache: Path | None = None
    show: Callable[[str], None] = lambda text: None
    processes: Any = None
    measure: Callable[[int, Mapping[str, float]], None] = lambda step, values: None


@dataclass(frozen=True)
class Step:
    """One unit of work.

    Args:
        run: a top-level function; it returns JSON or raises `errors.BranchEnds`.
        inputs: by role.
        output: a path in the run's folder; "" for none.
        version: raise it by hand when the function's meaning changes.
        expected_tokens: written or trained on, for plans.
        resources: not in the identity; `params` must have a hash of what decides the result.
        outdated: why an output of an earlier version does not do, by its record's result; else None. Unlike `version`
            it spares the outputs that the change does not touch.
        needs_all: else it goes without the inputs that have ended.
    """

    name: str
    run: Callable[[Context[Any]], dict[str, Any]]
    params: Params | Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Step] = field(default_factory=dict)
    output: str = ""
    version: int = 1
    expected_tokens: int = 0
    kind: str = ""
    work: Work = NO_WORK
    resources: Any = None
    outdated: Callable[[Mapping[str, Any]], str | None] = lambda result: None
    needs_all: bool = True

    def __post_init__(self) -> None:
        """Refuse paths that could leave the run's folder."""
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", self.name):
            raise ValueError(f"step name {self.name!r}: only letters, digits, '_', '-' and '.'")
        parts = PurePosixPath(self.output).parts
        reserved = (self.output and not parts) or {*parts[:1]} & _RESERVED
        if ".." in parts or self.output.startswith("/") or reserved:
            raise ValueError(f"step {self.name}: output {self.output!r} must be a path of its own in the run's folder")

    @property
    def rate(self) -> str:
        """The name of its speed: "weak train"."""
        return f"{self.work.model} {self.kind}".strip()

    @cached_property
    def payload(self) -> dict[str, Any]:
        params = self.params.identity() if isinstance(self.params, Params) else self.params
        return fingerprint.payload(self.name, self.run, self.version, params)

    @cached_property
    def fingerprint(self) -> str:
        """Its identity: 64 hex digits."""
        return fingerprint.fingerprint(self.payload, {role: step.fingerprint for role, step in self.inputs.items()})


def ordered(steps: Iterable[Step]) -> list[Step]:
    """The steps and their inputs, inputs first.

    Raises:
        ValueError: different steps share a name, or outputs overlap.
    """
    by_name: dict[str, Step] = {}

    def visit(step: Step) -> None:
        if by_name.get(step.name) is step:
            return
        for needed in step.inputs.values():
            visit(needed)
        if by_name.setdefault(step.name, step).fingerprint != step.fingerprint:
            raise ValueError(f"two different steps are named {step.name}")

    for step in steps:
        visit(step)
    places = [(step.name, PurePosixPath(step.output)) for step in by_name.values() if step.output]
    owners = {place: name for name, place in places}
    for name, place in places:
        for above in (place, *place.parents):
            if owners.get(above, name) != name:
                raise ValueError(f"the outputs of steps {name} and {owners[above]} overlap: {place}, {above}")
    return list(by_name.values())
