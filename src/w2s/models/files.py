"""The files of a model's folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from w2s.data import disk
from w2s.errors import UserError

IDENTITY = ("*.json", "*.model", "*.txt", "*.jinja", "*.safetensors")
"""Files that a model's identity covers."""
INDEX = "model.safetensors.index.json"
_WEIGHTS = ("model.safetensors", INDEX)
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")


def check(names: set[str], place: str) -> None:
    """Refuse an incomplete model by its file names.

    Raises:
        UserError: no configuration, tokenizer or safetensors weights.
    """
    if "config.json" not in names:
        raise UserError("is not a model: it has no config.json", file=place, hint="give the folder of a saved model")
    if not names.intersection(_TOKENIZERS):
        raise UserError(
            "has no tokenizer",
            file=place,
            expected=" or ".join(_TOKENIZERS),
            hint="save the tokenizer beside the model",
        )
    if not names.intersection(_WEIGHTS):  # loaders ignore other names, and may take pickled weights beside them
        pickled = any(name.endswith((".bin", ".pt", ".pth")) for name in names)
        raise UserError(
            "has only pickled weights, which can run code when loaded" if pickled else "has no weights",
            file=place,
            expected=" or ".join(_WEIGHTS),
            hint="save the model again with save_pretrained (it writes safetensors)",
        )


def check_folder(folder: Path, place: str) -> None:
    """As `check`, for a folder.

    Raises:
        UserError: as `check`, or an indexed file is missing.
    """
    names = {path.name for path in folder.iterdir()}
    check(names, place)
    if INDEX in names:
        try:
            index = read_json(folder / INDEX)
            missing = sorted(set(index["weight_map"].values()) - names)
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"is no index of weights ({type(error).__name__})", file=f"{place}/{INDEX}") from error
        if missing:
            raise UserError(
                f"weights are missing: {len(missing)} files that {INDEX} names, the first is {missing[0]!r:.80}",
                file=place,
                expected="a whole model",
                hint="fetch or copy it again",
            )


def read_json(file: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        UserError: it is missing or no JSON object.
    """
    try:
        read = json.loads(disk.read(file).decode())
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", file=file) from error
    except (ValueError, RecursionError) as error:  # ValueError: also bytes that are not UTF-8
        raise UserError(f"is not valid JSON ({error!s:.200})", file=file, hint="fetch or copy it again") from error
    if not isinstance(read, dict):
        raise UserError("is not a JSON object", file=file, hint="fetch or copy it again")
    return read


def whole(folder: Path) -> bool:
    """Whether `check_folder` passes."""
    try:
        check_folder(folder, "")
    except UserError:
        return False
    return True


def digest(folder: Path) -> str:
    """`digest_of` the files in `IDENTITY`."""
    return digest_of(path for pattern in IDENTITY for path in folder.glob(pattern))


def digest_of(paths: Iterable[Path]) -> str:
    """sha256 over names and contents.

    Raises:
        UserError: a file cannot be read.
    """
    total = hashlib.sha256()
    for path in sorted(set(paths)):
        total.update(f"{path.name}\0{sha256(path)}\n".encode())
    return total.hexdigest()


def sha256(path: Path) -> str:
    """Of a file's bytes, hexadecimal.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return disk.sha256(path)
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", file=path) from error
