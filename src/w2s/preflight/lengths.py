"""Texts that are too long for a context or a training, counted by the model's tokenizer if it is here."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from w2s.errors import UserError
from w2s.findings import Finding
from w2s.models import Model, architecture, files

MOST = 8
"""Texts counted: the longest in characters, among which the longest in tokens nearly always is."""

Text = tuple[str, str]
"""A question's id, and a text."""

Counted = tuple[str, int]
"""A question's id, and tokens without special ones."""


def longest(texts: Iterable[Text]) -> list[Text]:
    """Those that are worth counting."""
    return heapq.nlargest(MOST, texts, key=lambda text: len(text[1]))


def count(model: Model, texts: Iterable[Text]) -> Counted | None:
    """The longest; None: there is none, or no tokenizer here."""
    tokenizer, some = architecture.tokenizer(model), longest(texts)
    if tokenizer is None or not some:
        return None
    encoded = tokenizer.encode_batch([text for _, text in some], add_special_tokens=False)
    return max(((id, len(tokens.ids)) for (id, _), tokens in zip(some, encoded, strict=True)), key=lambda each: each[1])


def check_prompt(model: Model, prompt: Counted, new_tokens: int) -> None:
    """Refuse a generation that does not fit the model's context.

    Raises:
        UserError: `prompt` and `new_tokens` are longer.
    """
    (id, length), context = prompt, _context(model)
    if context is not None and length + new_tokens > context:
        raise UserError(
            f"question {id!r}: {length} prompt tokens and {new_tokens} new tokens do not fit the context of {model}, "
            f"{context}",
            field="max_new_tokens",
            expected=f"at most {max(0, context - length)} for this question",
            hint="lower max_new_tokens, or leave the question out",
        )


def check_example(model: Model, example: Counted, max_length: int, field: str) -> None:
    """Refuse a training on gold that `training.data.check` would refuse.

    Raises:
        UserError: `example` and its EOS are longer than `max_length`, or than the model's context.
    """
    (id, length), context = example, _context(model)
    most = min(max_length, context or max_length)
    if length + 1 > most:
        raise UserError(
            f"the gold of {id!r} has {length + 1} tokens with its prompt, and {model} is trained on at most {most}",
            field=f"{field}.max_length",
            hint="leave the question out: the model's context is the limit"
            if most < max_length
            else "raise it, or leave the question out",
        )


def too_long_answers(prompt: Counted, new_tokens: int, max_length: int, field: str) -> Iterator[Finding]:
    """A note where an answer of the model's own may be too long to train on, which would end the run there."""
    if prompt[1] + new_tokens > max_length:
        yield Finding(
            f"a prompt of {prompt[1]} tokens and an answer of up to {new_tokens} (max_new_tokens) may be longer than "
            f"{max_length} tokens, and training on it would stop the run",
            f"{field}.max_length",
            f"raise it to {prompt[1] + new_tokens}, or lower max_new_tokens",
        )


def _context(model: Model) -> int | None:
    folder = model.local()
    if folder is None or not (folder / "config.json").is_file():
        return None
    config = files.read_json(folder / "config.json")
    inner = config.get("text_config")
    most = (inner if isinstance(inner, dict) else config).get("max_position_embeddings")
    return most if isinstance(most, int) and not isinstance(most, bool) and most > 0 else None
