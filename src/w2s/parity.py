"""What a model of trained adapters said when it was trained, kept beside its weights to be asked again where it serves.

An adapter that is lost, or scaled or merged wrongly on the way to an engine, changes every later figure and raises no
error: the engine then serves the base, or something between. Source: ours.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from w2s import seeds
from w2s.errors import UserError

FILE = "parity.json"
PROMPTS = 64
TOKENS = 16
LEAST_TELLING = 4
"""Fewer prompts on which the base says something else decide nothing: each hangs on one token."""


@dataclass(frozen=True, slots=True)
class Parity:
    """Greedy texts of at most `tokens` tokens, one a prompt: the trained model's, and those of it without the adapter.

    Both computed as in training, without surrounding white space. `base_agreement` is their `agreement`.
    """

    tokens: int
    base_agreement: float
    prompts: tuple[str, ...]
    texts: tuple[str, ...]
    base_texts: tuple[str, ...]

    @property
    def telling(self) -> list[int]:
        """Places of the prompts on which the base says something else."""
        return [place for place, text in enumerate(self.texts) if text != self.base_texts[place]]


def agreement(pairs: Sequence[tuple[str, str]]) -> float:
    """Mean share of the longer text of each pair that comes before the first difference; two empty texts agree."""
    shares = []
    for pair in pairs:
        equal = itertools.takewhile(lambda both: both[0] == both[1], zip(*pair, strict=False))
        shares.append(len(list(equal)) / max(map(len, pair)) if any(pair) else 1.0)
    return sum(shares) / len(shares)


def chosen(texts: Sequence[str]) -> list[int]:
    """Places of at most `PROMPTS` different texts, drawn by a hash of the text."""
    first = {text: place for place, text in reversed(list(enumerate(texts)))}
    return [first[text] for text in sorted(first, key=lambda text: (seeds.derive("parity", text), text))[:PROMPTS]]


def write(parity: Parity, folder: Path) -> None:
    """Keep it in a model's folder."""
    (folder / FILE).write_text(json.dumps(asdict(parity), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read(model: str | Path) -> Parity | None:
    """What is kept in a model's folder; None for any other reference, and for a folder that has none.

    Raises:
        UserError: the file is damaged.
    """
    file = Path(model) / FILE
    if not file.is_file():
        return None
    try:
        row = json.loads(file.read_text(encoding="utf-8"))
        texts = {name: tuple(map(str, row[name])) for name in ("prompts", "texts", "base_texts")}
        if len({len(each) for each in texts.values()}) != 1 or not texts["prompts"]:
            raise ValueError("its texts are not one a prompt")
        return Parity(int(row["tokens"]), float(row["base_agreement"]), **texts)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"is damaged ({type(error).__name__}: {error})",
            file=file,
            mend="train the model again, or delete the file to go without this check",
        ) from error
