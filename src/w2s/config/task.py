"""Where the questions come from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from w2s.config.fields import Frozen, PositiveInt, Several


class ArithTask(Frozen):
    """Generated arithmetic; splits are disjoint."""

    name: Literal["arith"] = "arith"
    """Task."""
    train_1: PositiveInt = 300
    """Weak model's questions, with gold (ours)."""
    train_2: PositiveInt = 500
    """Strong model's questions, without gold (ours)."""
    test: PositiveInt = 500
    """Held-out questions (ours)."""
    data_seed: int = 0
    """Seed of the questions."""
    test_split: Literal["test", "validation"] = "test"
    """`validation` is for choosing settings."""
    overlap: Literal["refuse", "near"] = "refuse"
    """Splits share no question; `near` drops problems that differ in names or a word, with the same numbers."""


class FilesTask(Frozen):
    """A published benchmark, or your own files (`jsonl`): JSON Lines, CSV, Parquet, or hub:OWNER/NAME[:CONFIG]/SPLIT.

    Splits without a file come from the hub, except `jsonl` and train_1 of `olympicarena`.
    Without train_1 the weak model is not fine-tuned.
    """

    name: Literal["gsm8k", "math", "olympicarena", "jsonl"]
    """Task."""
    train_1: str | None = None
    """File: weak model's questions, with gold."""
    train_2: str | None = None
    """File: questions; only the ceiling and reports read gold."""
    test: str | None = None
    """File: questions with gold."""
    gold: dict[Literal["train_1", "train_2", "test"], str] = Field(default_factory=dict)
    """Separate gold files ({"id", "answer"})."""
    columns: dict[Literal["id", "question", "answer", "solution", "level", "subject"], str] = Field(
        default_factory=dict
    )
    """Columns of `jsonl` files by our names for them, such as {question: problem, answer: target}."""
    answer: Literal["gsm8k", "math", "number", "text", "olympicarena"] = "gsm8k"
    """How final answers are read (`math`, `olympicarena`: own style)."""
    overlap: Literal["refuse", "drop", "near", "allow"] = "drop"
    """What to do with questions of earlier splits (test, train_1, train_2); `near` drops near duplicates too."""
    overlap_masked: bool = False
    """Overlap compares with masked digits."""

    @model_validator(mode="after")
    def _columns_are_of_own_files(self) -> FilesTask:
        if self.columns and self.name != "jsonl":
            raise ValueError(
                f"columns are named in your own files (task.name=jsonl), and {self.name} knows its columns"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _own_style(cls, data: Any) -> Any:
        if isinstance(data, dict) and "answer" not in data and data.get("name") in ("math", "olympicarena"):
            return {**data, "answer": data["name"]}
        return data


class WordProblemsTask(Frozen):
    """Word problems that people wrote, our splits (docs/word_problems.md)."""

    name: Literal["word_problems"] = "word_problems"
    """Task."""
    folder: str | None = None
    """Folder of the sets. Null: W2S_WORD_PROBLEMS, else ./word_problems, else W2S_REFERENCE_DATA/word_problems."""
    sets: Several[Literal["svamp", "asdiv", "multiarith", "addsub", "singleeq", "mawps"]] = (
        "svamp", "asdiv", "multiarith", "addsub", "singleeq", "mawps",
    )  # fmt: skip
    """Which files are read."""
    integers: bool = True
    """Only whole-number answers."""
    train_1: PositiveInt = 1500
    """Weak model's questions, with gold."""
    train_2: PositiveInt = 800
    """Strong model's questions, without gold."""
    test: PositiveInt = 600
    """Held-out questions."""
    data_seed: int = 0
    """Seed of the splits."""
    test_split: Literal["test", "validation"] = "test"
    """`validation` (no split's questions) is for choosing settings."""
    overlap: Literal["refuse", "near"] = "refuse"
    """Splits share no question, whatever its numbers; `near` drops what else is worded alike."""


Task = Annotated[ArithTask | FilesTask | WordProblemsTask, Field(discriminator="name")]
