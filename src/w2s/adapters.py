"""Folders that hold a PEFT adapter instead of a whole model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from w2s.config import Lora
from w2s.errors import UserError

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


def split(model: str | Path) -> tuple[str | Path, Path | None]:
    """(reference of the base, adapter folder) of an adapter folder; any other reference with None.

    Raises:
        UserError: the adapter's weights are missing or pickled, or it does not say what its base is.
    """
    folder = Path(model)
    if not (folder / CONFIG).is_file():
        return model, None
    if not (folder / WEIGHTS).is_file():
        raise UserError(
            "the adapter has no safetensors weights", file=folder, expected=WEIGHTS, mend="save it again with PEFT"
        )
    config = read(folder)
    base, revision = config.get("base_model_name_or_path"), config.get("revision")
    if not isinstance(base, str) or not base:
        raise UserError("does not say which model the adapter belongs to", file=folder / CONFIG, field="base_model")
    return (f"{base}@{revision}" if revision and not Path(base).is_dir() else base), folder


def read(folder: Path) -> dict[str, Any]:
    """The adapter's configuration.

    Raises:
        UserError: it is not a JSON object.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"is not valid JSON ({error})", file=folder / CONFIG) from error
    if not isinstance(config, dict):
        raise UserError("is not a JSON object", file=folder / CONFIG)
    return config


def can_continue(folder: Path, lora: Lora) -> None:
    """Refuse to train the adapter of `folder` on as one that it is not.

    Raises:
        UserError: its rank, scale or targets are not those of `lora`.
    """
    config = read(folder)
    targets = config.get("target_modules")
    found = (config.get("r"), config.get("lora_alpha"), sorted(targets) if isinstance(targets, list) else targets)
    refuse_other(found, (lora.rank, lora.alpha, sorted(lora.targets)), folder)


def refuse_other(found: tuple[Any, Any, Any], asked: tuple[Any, Any, Any], file: Path | None = None) -> None:
    """As `can_continue`, of (rank, alpha, sorted targets)."""
    if found != asked:
        differ = [
            f"{name} {was} there and {now} here"
            for name, was, now in zip(("rank", "alpha", "targets"), found, asked, strict=True)
            if was != now
        ]
        raise UserError(
            f"an adapter is trained on as it is, and this one differs: {'; '.join(differ)}",
            file=file,
            field="preference.lora" if file is None else "lora",
            expected="the rank, alpha and targets of the adapter that training starts from",
            mend="give both trainings the same ones, or merge the earlier adapter: training.lora.save=merged",
        )


def merge(network: Any, folder: Path) -> Any:
    """`network` with the adapter of `folder` added to its weights."""
    from peft import PeftModel

    return PeftModel.from_pretrained(network, folder).merge_and_unload()
