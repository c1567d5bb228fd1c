"""The verbs on files, and a task as files."""

from __future__ import annotations

from w2s.config.choices import AnswerRule, Join, Scoring
from w2s.method.voting import PairRule
from w2s.verbs.grading import grade
from w2s.verbs.inputs import Inputs
from w2s.verbs.labelling import select
from w2s.verbs.selecting import RowOptions, agree, pairs
from w2s.verbs.summaries import GradeSummary, LabelSummary, SelectionSummary
from w2s.verbs.task_files import write_task

__all__ = [
    "AnswerRule", "GradeSummary", "Inputs", "Join", "LabelSummary", "PairRule", "RowOptions", "Scoring",
    "SelectionSummary", "agree", "grade", "pairs", "select", "write_task",
]  # fmt: skip
