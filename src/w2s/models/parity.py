"""Greedy completions of a trained adapter. An engine must repeat them, or it lost the adapter (ours)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from w2s import seeds
from w2s.errors import UserError
from w2s.models import files

FILE = "parity.json"
PROMPTS = 64
TOKENS = 16
LEAST_TELLING = 4
"""Fewer telling prompts decide nothing."""


@dataclass(frozen=True, slots=True)
class Parity:
    """Greedy completions from training, stripped, one per prompt; `base_texts` without the adapter.

    `base_agreement` is the `agreement` of `texts` and `base_texts`, `tokens` the most per completion.
    """

    tokens: int
    base_agreement: float
    prompts: tuple[str, ...]
    texts: tuple[str, ...]
    base_texts: tuple[str, ...]

    @property
    def telling(self) -> list[int]:
        """Prompts (indices) on which model and base differ."""
        return [index for index, text in enumerate(self.texts) if text != self.base_texts[index]]


def agreement(pairs: Sequence[tuple[str, str]]) -> float:
    """Mean share of the longer text before the first difference."""
    shares = []
    for pair in pairs:
        equal = itertools.takewhile(lambda both: both[0] == both[1], zip(*pair, strict=False))
        shares.append(len(list(equal)) / max(map(len, pair)) if any(pair) else 1.0)
    return sum(shares) / len(shares)


def chosen(texts: Sequence[str]) -> list[int]:
    """Indices of at most `PROMPTS` different texts, by hash."""
    first = {text: index for index, text in reversed(list(enumerate(texts)))}
    return [first[text] for text in sorted(first, key=lambda text: (seeds.derive("parity", text), text))[:PROMPTS]]


def write(parity: Parity, folder: Path) -> None:
    """Save in a model's folder."""
    (folder / FILE).write_text(json.dumps(asdict(parity), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read(model: str | Path) -> Parity | None:
    """Read it from a model's folder, or None.

    Raises:
        UserError: the file is damaged.
    """
    file = Path(model) / FILE
    if not file.is_file():
        return None
    try:
        row = files.read_json(file)
        texts = {name: tuple(map(str, row[name])) for name in ("prompts", "texts", "base_texts")}
        if len({len(each) for each in texts.values()}) != 1 or not texts["prompts"]:
            raise ValueError("it does not have one text per prompt")
        return Parity(int(row["tokens"]), float(row["base_agreement"]), **texts)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"is damaged ({type(error).__name__}: {error})",
            file=file,
            hint="train the model again, or delete the file to go without this check",
        ) from error
