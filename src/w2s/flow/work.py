"""What a step does with a model, for plans only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from w2s.config.schema import Lora

Role = Literal["", "weak", "strong"]
"""The recipe's base model; "" for none."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a step does with a model.

    Args:
        prompts: one per question.
        prompt_characters: of all prompts, without demonstrations.
        longest_prompt: characters, without demonstrations.
        shown_characters: of the demonstrations' questions, read once.
        shown_tokens: of the demonstrations' responses.
        rows: sequences written.
        new_tokens: the most per row.
        lora: None: every parameter is trained.
    """

    model: Role = ""
    prompts: int = 0
    prompt_characters: int = 0
    longest_prompt: int = 0
    shown_characters: int = 0
    shown_tokens: int = 0
    rows: int = 0
    new_tokens: int = 0
    lora: Lora | None = None

    def prefill_tokens(self, characters_per_token: float) -> int:
        return round((self.prompt_characters + self.shown_characters) / characters_per_token) + self.shown_tokens


NO_WORK = Work()
