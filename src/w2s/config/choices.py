"""Imports little of ours: `w2s --help` is quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from w2s.errors import one_of

Style = Literal["gsm8k", "math", "number", "text", "olympicarena"]

Match = Literal["string", "equivalent"]
"""How final answers compare: as released, or by value."""


def other_match(match: Match) -> Match:
    """The other comparison."""
    return "string" if match == "equivalent" else "equivalent"


@dataclass(frozen=True, slots=True)
class AnswerRule:
    """How final answers are read and compared; `pattern` finds them in place of the style.

    Raises:
        UserError: no such style or match.
    """

    style: Style
    match: Match = "equivalent"
    pattern: str | None = None

    def __post_init__(self) -> None:
        one_of("answer style", self.style, get_args(Style), "style")
        one_of("match", self.match, get_args(Match), "match")

    @property
    def other(self) -> AnswerRule:
        return AnswerRule(self.style, other_match(self.match), self.pattern)


Prompt = Literal["plain", "chat"]
""""Question: ..." and "Answer:", or a chat template."""

Dtype = Literal["float32", "bfloat16"]
Device = Literal["auto", "cpu", "cuda"]

Layout = Literal["auto", "w2s", "gair", "trl", "lm-eval", "chat", "batch", "inspect", "columns"]
"""Whose files (`w2s.data.layouts`); `auto` reads the first row."""

RowFormat = Literal["trl", "messages", "alpaca"]
"""Of training rows: prompt and completion as texts, chats, or Alpaca's as LLaMA-Factory reads them."""

Join = Literal["id", "question"]
"""How responses find gold; white space is made equal."""

By = Literal["level", "subject"]
"""Which field of gold groups questions."""

Scoring = Literal["w2s", "lm-eval-strict", "lm-eval-flexible"]
"""Ours, or GSM8K's of lm-evaluation-harness."""

SelectBy = Literal["agreement", "vote", "both_iterations", "posterior", "certified"]
"""How `w2s select` labels questions and decides which to keep."""

LOSSES = ("dpo", "orpo", "ipo", "simpo", "dpo_nll")

TRAINERS = ("w2s", "trl")
"""What fine-tunes: our loop, or TRL's trainers."""

TRL = "trl:"
"""In front of TRL's own losses."""

TRL_LOSSES = (
    "sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired",
    "apo_zero", "apo_down", "discopop", "sft", "sigmoid_norm",
)  # fmt: skip
"""`loss_type` of TRL's DPOTrainer (1.16)."""
