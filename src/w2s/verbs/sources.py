"""The files of `w2s select`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from w2s.config.choices import Layout, SelectBy
from w2s.data.index import Reading
from w2s.errors import UserError, one_of
from w2s.method.label_model import SAMPLES
from w2s.verbs.inputs import File, check_columns, one_standard_input, reading, refuse_overwriting, refuse_same

_NAME = re.compile(r"[A-Za-z_][\w.-]*")
_EXAMPLE = "such as --answers weak=weak.jsonl --answers icl=icl.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """By what they are for.

    Args:
        answers: one response per question, by name; the weak model's first. Its questions count.
        samples: several per question.
        calibration: right answers of some of the questions, which no training saw.
        questions: texts by id, where the files have none.
        columns: the files' columns by our names for them.
        only_shared: leave out questions of one file only.
    """

    answers: Mapping[str, File]
    samples: File | None = None
    calibration: File | None = None
    questions: File | None = None
    layout: Layout = "auto"
    columns: Mapping[str, str] = field(default_factory=dict)
    only_shared: bool = False

    def reading(self) -> Reading:
        """How the files are read. UserError: bad questions or columns."""
        others = [file for file in (self.calibration, self.questions) if file is not None]
        check_columns(self.columns, [*self.roles.values(), *others])
        return reading(self.layout, self.columns, self.questions)

    @property
    def roles(self) -> dict[str, File]:
        return dict(self.answers) | ({} if self.samples is None else {SAMPLES: self.samples})

    def check(self, by: SelectBy, out: File) -> None:
        """UserError: not what `by` needs, or `out` is one of the files."""
        one_of("way to select", by, get_args(SelectBy), "--by")
        for name in self.answers:
            if name == SAMPLES or not _NAME.fullmatch(name):
                raise UserError(f"{name!r} is not a name", field="--answers", expected=f"NAME=FILE, {_EXAMPLE}")
        needed = {"agreement": (2, 2), "both_iterations": (2, 99), "vote": (0, 99), "posterior": (0, 99)}
        least, most = needed.get(by, (0, 99))
        if not least <= len(self.answers) <= most:
            number = "two files" if most == 2 else "two files or more"
            raise UserError(
                f"{by} compares {number} of answers, and there are {len(self.answers)}",
                field="--answers",
                expected=_EXAMPLE,
                hint="--by posterior takes any number" if most == 2 else "name what each iteration kept",
            )
        if by == "vote" and self.samples is None:
            raise UserError(
                "there are no samples to vote",
                field="--samples",
                expected="a file of several responses per question",
                hint="make them with: w2s sample --n 10 --few-shot DEMONSTRATIONS.jsonl",
            )
        if not self.roles:
            raise UserError("there are no answers to select from", field="--answers", expected=_EXAMPLE)
        if by == "certified" and self.calibration is None:
            raise UserError(
                "a certificate needs right answers to some of the questions",
                field="--calibration",
                expected='rows of {"id", "answer"}',
                hint="hold back gold that the weak model was not trained on; --by posterior needs none",
            )
        one_standard_input(*self.roles.values(), self.calibration, self.questions)
        options: dict[str, File | None] = {f"--answers {name}": file for name, file in self.answers.items()}
        options |= {"--samples": self.samples, "--calibration": self.calibration, "--questions": self.questions}
        refuse_overwriting(out, options)
        refuse_same({option: file for option, file in options.items() if option.startswith(("--answers", "--samples"))})
