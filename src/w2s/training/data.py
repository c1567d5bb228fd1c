"""Text to tokens, labels and batches. Completions are tokenised after their prompts, as in generation."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from w2s import seeds
from w2s.errors import UserError
from w2s.records import Example, Preference

IGNORE = -100
"""Label outside the loss (torch's convention)."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """An example in tokens: `prompt` starts with any BOS, `completion` ends with EOS."""

    id: str
    prompt: tuple[int, ...]
    completion: tuple[int, ...]

    @property
    def tokens(self) -> list[int]:
        return [*self.prompt, *self.completion]

    @property
    def labels(self) -> list[int]:
        """By length, never by id."""
        return [IGNORE] * len(self.prompt) + list(self.completion)


def encode(tokenizer: Any, examples: Sequence[Example], max_length: int) -> list[Encoded]:
    """The examples in tokens, in their order.

    Raises:
        UserError: no examples, a tokenizer without EOS, or as `check`.
    """
    eos = tokenizer.eos_token_id
    if eos is None:
        raise UserError(
            "the tokenizer has no end-of-sequence token, so a model could not learn to stop",
            field="eos_token",
            hint="set eos_token in the model folder's tokenizer_config.json",
        )
    if not examples:
        raise UserError("there is nothing to train on", expected="at least one example")
    prompts = tokenizer([example.prompt for example in examples])["input_ids"]
    wholes = tokenizer([example.prompt + example.completion for example in examples])["input_ids"]
    rows = []
    for example, prompt, whole in zip(examples, prompts, wholes, strict=True):
        start = _one_bos(_without_last(prompt, eos), tokenizer.bos_token_id)
        joined = _one_bos(_without_last(whole, eos), tokenizer.bos_token_id)
        # Where a token would straddle the boundary, generation cannot produce it: the completion stands alone.
        rest = (
            joined[len(start) :]
            if joined[: len(start)] == start
            else _without_last(tokenizer(example.completion, add_special_tokens=False)["input_ids"], eos)
        )
        rows.append(Encoded(example.id, tuple(start), (*rest, eos)))
    check(rows, eos, max_length, _added_bos(tokenizer))
    return rows


def spells_marks(tokenizer: Any, prompt: str, *completions: str) -> bool:
    """Whether a text spells EOS, or BOS inside."""
    marks = [mark for mark in (tokenizer.eos_token, tokenizer.bos_token) if mark]
    if not any(mark in text for text in (prompt, *completions) for mark in marks):  # most of them, and fast
        return False
    eos, bos = tokenizer.eos_token_id, _added_bos(tokenizer)
    if bos is not None and bos != eos and bos in _one_bos(tokenizer(prompt)["input_ids"], bos)[1:]:
        return True
    encoded = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in completions]
    return any(eos in _without_last(tokens, eos) or (bos is not None and bos in tokens) for tokens in encoded)


def encode_pairs(tokenizer: Any, pairs: Sequence[Preference], max_length: int) -> tuple[list[Encoded], list[Encoded]]:
    """Chosen and rejected in tokens, in the order of `pairs`.

    Raises:
        UserError: as `encode`, or they are the same.
    """
    chosen = encode(tokenizer, [Example(p.id, p.prompt, p.chosen) for p in pairs], max_length)
    rejected = encode(tokenizer, [Example(p.id, p.prompt, p.rejected) for p in pairs], max_length)
    for good, bad in zip(chosen, rejected, strict=True):
        if good.completion == bad.completion:
            raise UserError(
                f"pair {good.id!r} prefers a completion to itself",
                field="rejected",
                expected="chosen and rejected that differ",
                hint="drop the pair",
            )
    return chosen, rejected


def check(rows: Sequence[Encoded], eos: int, max_length: int, bos: int | None = None) -> None:
    """Refuse bad rows; none is ever cut.

    Raises:
        UserError: empty, too long, EOS before the end, or BOS after the start.
    """
    for row in rows:
        if not row.prompt:
            raise UserError(f"example {row.id!r} has an empty prompt", field="prompt")
        if row.completion[-1:] != (eos,):
            raise UserError(f"example {row.id!r} does not end with EOS", field="completion", expected=f"token {eos}")
        if len(row.completion) == 1:
            raise UserError(f"example {row.id!r} has an empty completion", field="completion", hint="drop the example")
        if eos in row.completion[:-1]:
            raise UserError(
                f"example {row.id!r} has an EOS inside its completion",
                field="completion",
                expected="EOS once, at the end, put there by training",
                hint="remove the EOS text from the completion",
            )
        if bos != eos and bos in row.tokens[1:]:
            raise UserError(
                f"example {row.id!r} has a BOS inside its text",
                field="prompt" if bos in row.prompt[1:] else "completion",
                expected="at most one BOS, at the start, put there by the tokenizer",
                hint="remove the BOS text from the prompt or completion",
            )
    long = [row for row in rows if len(row.tokens) > max_length]
    if long:
        raise UserError(
            f"example {long[0].id!r} has {len(long[0].tokens)} tokens ({len(long)} of {len(rows)} are too long)",
            field="max_length",
            expected=f"at most {max_length} tokens of prompt, completion and EOS",
            hint="raise training.max_length if the model's context allows it, or drop the example",
        )


def pad(rows: Sequence[Encoded], pad_id: int) -> dict[str, torch.Tensor]:
    """`input_ids` and `labels`, (rows, longest), padded right: causal attention needs no mask."""
    longest = max(len(row.tokens) for row in rows)

    def grid(values: list[list[int]], fill: int) -> torch.Tensor:
        return torch.tensor([row + [fill] * (longest - len(row)) for row in values])

    return {
        "input_ids": grid([row.tokens for row in rows], pad_id),
        "labels": grid([row.labels for row in rows], IGNORE),
    }


def pack(rows: Sequence[Encoded], *, share_prompts: bool = False) -> dict[str, torch.Tensor]:
    """All rows in one, without the last EOS of each.

    With `share_prompts` equal prompts appear once, before their completions (arXiv 2410.20305).

    Returns:
        `input_ids`, `position_ids`: (1, tokens). Per completion token: `logits_to_keep`, `targets`, `owners` (rows).
    """
    groups: dict[Any, list[int]] = {}
    for number, row in enumerate(rows):
        groups.setdefault(row.prompt if share_prompts else number, []).append(number)
    tokens: list[int] = []
    positions: list[int] = []
    places: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    for numbers in groups.values():
        prompt = rows[numbers[0]].prompt
        tokens += prompt
        positions += range(len(prompt))
        last = len(tokens) - 1
        for number in numbers:
            completion = rows[number].completion
            places += [last, *range(len(tokens), len(tokens) + len(completion) - 1)]
            targets += completion
            owners += [number] * len(completion)
            tokens += completion[:-1]
            positions += range(len(prompt), len(prompt) + len(completion) - 1)
    return {
        "input_ids": torch.tensor([tokens]),
        "position_ids": torch.tensor([positions]),
        "logits_to_keep": torch.tensor(places),
        "targets": torch.tensor(targets),
        "owners": torch.tensor(owners),
    }


def batches(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Every index once, in random batches by seed and epoch, each sorted by length."""
    order = random.Random(seeds.derive(seed, "order", epoch)).sample(range(len(lengths)), len(lengths))
    starts = range(0, len(order), batch_size)
    return [sorted(order[start : start + batch_size], key=lengths.__getitem__) for start in starts]


def _added_bos(tokenizer: Any) -> int | None:
    """The BOS that the tokenizer adds to every text."""
    bos: int | None = tokenizer.bos_token_id
    return bos if bos is not None and tokenizer("a")["input_ids"][:1] == [bos] else None


def _without_last(tokens: list[int], eos: int) -> list[int]:
    """Without the EOS that some tokenizers append."""
    return tokens[:-1] if tokens[-1:] == [eos] else tokens


def _one_bos(tokens: list[int], bos: int | None) -> list[int]:
    while bos is not None and tokens[:2] == [bos, bos]:
        tokens = tokens[1:]
    return tokens
