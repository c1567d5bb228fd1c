"""The work behind the verbs on files: grade, agree, pairs: files in, a file and a summary out; and a task as files."""

from __future__ import annotations

from w2s.choices import Join, Scoring
from w2s.verbs.exporting import export
from w2s.verbs.grading import grade
from w2s.verbs.selecting import GOLD_NAMES, agree, pairs
from w2s.verbs.summaries import GradeSummary, SelectionSummary

__all__ = ["GOLD_NAMES", "GradeSummary", "Join", "Scoring", "SelectionSummary", "agree", "export", "grade", "pairs"]
