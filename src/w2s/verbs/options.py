"""Keyword options of the Python API; verbs have defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from w2s.config.choices import By, Dtype, Join, Layout, Prompt, RowFormat, SelectBy
from w2s.config.schema import Runtime


class FileOptions(TypedDict, total=False):
    """See `w2s.verbs.inputs.Inputs`."""

    layout: Layout
    columns: Mapping[str, str]
    pattern: str | None
    join: Join


class GradeOptions(FileOptions, total=False):
    """See `w2s.verbs.grading.grade`."""

    only_shared: bool
    by: By | None
    k: Sequence[int]


class AgreeOptions(FileOptions, total=False):
    """See `w2s.verbs.selecting.agree`."""

    only_shared: bool
    questions: str | Path | None
    format: RowFormat
    nothing_agrees: bool | None
    samples: str | Path | None
    augment_to: int | None
    seed: int
    keep: Sequence[str]


class PairOptions(FileOptions, total=False):
    """See `w2s.method.voting.PairRule`."""

    only_shared: bool
    questions: str | Path | None
    format: RowFormat
    confidence: float
    reject_confidence: float
    max_pairs: int
    seed: int
    keep: Sequence[str]


class SelectOptions(TypedDict, total=False):
    """See `w2s.verbs.labelling.select`."""

    by: SelectBy
    calibration: str | Path | None
    precision: float | None
    confidence: float | None
    threshold: float | None
    pattern: str | None
    layout: Layout
    columns: Mapping[str, str]
    questions: str | Path | None
    format: RowFormat
    only_shared: bool


class ExportOptions(TypedDict, total=False):
    """See `w2s.verbs.exporting.Choice`."""

    model: str | None
    data: str | None
    dtype: Dtype
    merge: bool
    format: RowFormat
    public: bool


class SampleOptions(TypedDict, total=False):
    """See `w2s.verbs.sampling.answer`."""

    n: int | None
    temperature: float
    top_p: float
    max_new_tokens: int
    seed: int
    limit: int | None
    few_shot: str | Path | None
    prompt: Prompt
    engine: str
    dtype: Dtype
    trust_remote_code: bool
    runtime: Runtime


class TrainOptions(TypedDict, total=False):
    """See `w2s.verbs.training.train`."""

    seed: int
    dtype: Dtype
    on_progress: Callable[[int, int], None] | None
