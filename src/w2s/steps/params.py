"""Parameters and resources that several steps share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from w2s.config.choices import AnswerRule, Match, Style
from w2s.config.schema import Task
from w2s.findings import Finding
from w2s.flow.step import Params
from w2s.models import Model
from w2s.prompting import PLAIN, Builder
from w2s.records import Question


class Reading(Params):
    """How final answers are read and compared."""

    style: Style
    match: Match

    @property
    def rule(self) -> AnswerRule:
        return AnswerRule(self.style, self.match)


class Prompted(Params):
    """An example prompt; the hash of all that decides prompts and completions."""

    prompt: str
    prompt_hash: str


class Selection(Reading, Prompted):
    """What all selections share."""


def prompted(builder: Builder) -> dict[str, str]:
    """The fields of `Prompted`."""
    return {"prompt": builder.prompt("?"), "prompt_hash": builder.hash}


@dataclass(frozen=True)
class Resources:
    """What a step needs beside its identity; `params` hold hashes of it.

    Args:
        model: pinned to its hub commit; None where an input is the model.
    """

    builder: Builder = PLAIN
    model: Model | None = None
    task: Task | None = None
    questions: Sequence[Question] = ()
    notes: Sequence[str] = ()
    overlap: Sequence[Mapping[str, str]] = ()
    findings: Sequence[Finding] = ()
