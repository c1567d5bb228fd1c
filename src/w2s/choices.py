"""What a user may choose from by word: one definition for recipes, verbs and the command line.

It imports nothing, so that `w2s --help` answers at once.
"""

from __future__ import annotations

from typing import Literal

Match = Literal["string", "equivalent"]
"""How two final answers are compared: by the released code's rule, or by value."""

Prompt = Literal["plain", "chat"]
"""How a model is asked: "Question: ..." and "Answer:", or by its own chat template."""

Dtype = Literal["float32", "bfloat16"]
Device = Literal["auto", "cpu", "cuda"]

Layout = Literal["auto", "w2s", "gair", "trl", "lm-eval"]
"""Whose files: see `w2s.layouts`; `auto` decides from the fields of a file's first row."""

Join = Literal["id", "question"]
"""How a response finds its gold: by id, or by the question's text with white space made equal."""

Scoring = Literal["w2s", "lm-eval-strict", "lm-eval-flexible"]
"""How responses are scored: by our reading, or GSM8K as lm-evaluation-harness scores it."""
