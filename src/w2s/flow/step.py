"""A step: a named function of parameters and earlier outputs. Steps are inert until the runner takes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from w2s.config import Runtime
from w2s.costs import NO_WORK, Work
from w2s.flow import fingerprint


class Progress(Protocol):
    """Takes how much of a step is done, and the tokens made so far where these are counted."""

    def __call__(self, done: int, total: int, tokens: int = 0) -> None: ...


@dataclass(frozen=True)
class Context:
    """What a step function gets.

    `inputs` are the finished outputs of the steps it needs (those that have one) and `results` their results,
    by role. `output` does not exist yet: the function writes a file or a folder there, the runner moves it to
    its place. `scratch` is a folder that survives a kill and belongs to this fingerprint: partial work goes there.
    `cache` belongs to the run: what other steps may use again, each file named by all that decides its content.
    `show` puts some lines before whoever watches.
    """

    params: Mapping[str, Any]
    inputs: Mapping[str, Path]
    results: Mapping[str, dict[str, Any]]
    output: Path
    scratch: Path
    runtime: Runtime
    progress: Progress
    given: Mapping[str, Any] = field(default_factory=dict)
    cache: Path | None = None
    show: Callable[[str], None] = lambda text: None


@dataclass(frozen=True)
class Step:
    """One unit of work.

    Args:
        name: unique in a run; also the name of its record.
        run: a top-level function; it returns a result that JSON can hold, or raises `errors.BranchEnds`.
        params: all that decides the result, beside the inputs.
        inputs: the steps needed, by role.
        output: where the output goes, relative to the run's folder; "" for a step with a result only.
        version: raised by hand when the function's meaning changes.
        expected_tokens: for the plan's estimate: tokens written, or trained on.
        kind: steps of one kind and of one model share a rate of tokens a second.
        work: what it does with a model; for the plan only.
        given: what the function needs but an identity cannot hold (paths, data in memory). What of it decides
            the result must be in `params` too, as a hash.
    """

    name: str
    run: Callable[[Context], dict[str, Any]]
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Step] = field(default_factory=dict)
    output: str = ""
    version: int = 1
    expected_tokens: int = 0
    kind: str = ""
    work: Work = NO_WORK
    given: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse names and places that could leave the run's folder."""
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", self.name):
            raise ValueError(f"step name {self.name!r}: only letters, digits, '_', '-' and '.'")
        parts = PurePosixPath(self.output).parts
        taken = (self.output and not parts) or parts[:1] in (("records",), (".work",), (".lock",), (".reached.json",))
        if ".." in parts or self.output.startswith("/") or taken:
            raise ValueError(f"step {self.name}: output {self.output!r} must be a place of its own in the run's folder")

    @property
    def rate(self) -> str:
        """What its speed is known by: "generate", "weak train"."""
        return f"{self.work.model} {self.kind}".strip()

    @cached_property
    def payload(self) -> dict[str, Any]:
        """Its identity without its inputs."""
        return fingerprint.payload(self.name, self.run, self.version, self.params)

    @cached_property
    def fingerprint(self) -> str:
        """Its identity: 64 hex digits."""
        return fingerprint.fingerprint(self.payload, {role: step.fingerprint for role, step in self.inputs.items()})


def ordered(steps: Iterable[Step]) -> list[Step]:
    """The steps and all they need, each after its inputs; otherwise in the order given.

    Raises:
        ValueError: two different steps share a name, or the place of one output is inside another's.
    """
    found: dict[str, Step] = {}

    def visit(step: Step) -> None:
        for needed in step.inputs.values():
            visit(needed)
        if found.setdefault(step.name, step).fingerprint != step.fingerprint:
            raise ValueError(f"two different steps are named {step.name}")

    for step in steps:
        visit(step)
    places = {step.name: PurePosixPath(step.output) for step in found.values() if step.output}
    for name, place in places.items():
        for other, second in places.items():
            if name != other and (place == second or second in place.parents):
                raise ValueError(f"the outputs of steps {name} and {other} overlap: {place}, {second}")
    return list(found.values())
