"""What a model's folder holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from w2s import disk
from w2s.errors import UserError

IDENTITY = ("*.json", "*.model", "*.txt", "*.jinja", "*.safetensors")
"""The files that make a model what it is."""
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")


def check(names: set[str], place: str) -> None:
    """Refuse a model by the names of its files, before anything is read or fetched.

    Raises:
        UserError: there is no configuration, no tokenizer, or no weights in safetensors.
    """
    if "config.json" not in names:
        raise UserError("is not a model: it has no config.json", file=place, mend="give the folder of a saved model")
    if not names.intersection(_TOKENIZERS):
        raise UserError(
            "has no tokenizer",
            file=place,
            expected=" or ".join(_TOKENIZERS),
            mend="save the tokenizer beside the model",
        )
    if not any(name.endswith(".safetensors") for name in names):
        pickled = any(name.endswith((".bin", ".pt", ".pth")) for name in names)
        raise UserError(
            "has only pickled weights, which can run code when loaded" if pickled else "has no weights",
            file=place,
            expected="*.safetensors",
            mend="save the model again with save_pretrained (it writes safetensors)",
        )


def digest(folder: Path) -> str:
    """sha256 over the names and contents of the files in `IDENTITY`."""
    return digest_of(path for pattern in IDENTITY for path in folder.glob(pattern))


def digest_of(paths: Iterable[Path]) -> str:
    """sha256 over the names and contents of files, in any order."""
    found = hashlib.sha256()
    for path in sorted(set(paths)):
        found.update(f"{path.name}\0{disk.sha256(path)}\n".encode())
    return found.hexdigest()
