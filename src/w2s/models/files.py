"""What a model's folder holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from w2s import disk
from w2s.errors import UserError

IDENTITY = ("*.json", "*.model", "*.txt", "*.jinja", "*.safetensors")
"""The files that make a model what it is."""
_INDEX = "model.safetensors.index.json"
_WEIGHTS = ("model.safetensors", _INDEX)
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
    if not names.intersection(_WEIGHTS):  # any other name is looked over, for pickled weights beside it if need be
        pickled = any(name.endswith((".bin", ".pt", ".pth")) for name in names)
        raise UserError(
            "has only pickled weights, which can run code when loaded" if pickled else "has no weights",
            file=place,
            expected=" or ".join(_WEIGHTS),
            mend="save the model again with save_pretrained (it writes safetensors)",
        )


def check_folder(folder: Path, place: str) -> None:
    """As `check`, of what is on the disk.

    Raises:
        UserError: as `check`; or a file that the weights' index names is missing, as after half a download.
    """
    names = {path.name for path in folder.iterdir()}
    check(names, place)
    if _INDEX in names:
        try:
            index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
            missing = sorted(set(index["weight_map"].values()) - names)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"is no index of weights ({type(error).__name__})", file=f"{place}/{_INDEX}") from error
        if missing:
            raise UserError(
                f"weights are missing: {len(missing)} files that {_INDEX} names, the first is {missing[0]!r:.80}",
                file=place,
                expected="a whole model",
                mend="fetch or copy it again",
            )


def whole(folder: Path) -> bool:
    """Whether `check_folder` has nothing to say."""
    try:
        check_folder(folder, "")
    except UserError:
        return False
    return True


def digest(folder: Path) -> str:
    """sha256 over the names and contents of the files in `IDENTITY`."""
    return digest_of(path for pattern in IDENTITY for path in folder.glob(pattern))


def digest_of(paths: Iterable[Path]) -> str:
    """sha256 over the names and contents of files, in any order."""
    found = hashlib.sha256()
    for path in sorted(set(paths)):
        found.update(f"{path.name}\0{disk.sha256(path)}\n".encode())
    return found.hexdigest()
