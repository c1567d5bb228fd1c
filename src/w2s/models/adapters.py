"""Folders that hold a PEFT adapter instead of a whole model."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

from w2s import disk
from w2s.config import Lora
from w2s.errors import UserError, lacks_memory

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


def split(model: str | Path) -> tuple[str | Path, Path | None]:
    """(reference of the base, adapter folder) of an adapter folder; any other reference with None.

    Raises:
        UserError: the adapter's weights are missing or pickled, or it does not say what its base is.
    """
    folder = Path(model)
    if not is_adapter(folder):
        return model, None
    if not (folder / WEIGHTS).is_file():
        raise UserError(
            "the adapter has no safetensors weights", file=folder, expected=WEIGHTS, mend="save it again with PEFT"
        )
    config = read(folder)
    base, revision = config.get("base_model_name_or_path"), config.get("revision")
    if not isinstance(base, str) or not base:
        raise UserError("does not say which model the adapter belongs to", file=folder / CONFIG, field="base_model")
    if is_adapter(Path(base)):
        raise UserError(
            "is an adapter on an adapter", file=folder, mend=f"merge {base} into its own base, and train on that"
        )
    return (f"{base}@{revision}" if revision and not Path(base).is_dir() else base), folder


def is_adapter(folder: Path) -> bool:
    """Whether the folder holds an adapter."""
    return (folder / CONFIG).is_file()


def digest(folder: Path) -> str:
    """sha256 of what the adapter does; where its base lies is no part of it."""
    settings = {name: value for name, value in read(folder).items() if name != "base_model_name_or_path"}
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(f"{text}\0{disk.sha256(folder / WEIGHTS)}".encode()).hexdigest()


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


def save_merged(base: Path, folder: Path, out: Path) -> None:
    """Write the model of `base` with the adapter of `folder` added to its weights, in float32, into `out`.

    In the base's own format, often bfloat16, small differences would be rounded away.

    Raises:
        UserError: the two do not go together.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        network = AutoModelForCausalLM.from_pretrained(
            base, dtype=torch.float32, use_safetensors=True, local_files_only=True
        )
        merge(network, folder).save_pretrained(out)
        AutoTokenizer.from_pretrained(base, local_files_only=True).save_pretrained(out)
    except Exception as error:  # transformers and PEFT share no base class
        if lacks_memory(error):
            raise  # nothing is wrong with the files
        reason = next(iter(str(error).splitlines()), "no reason given")
        raise UserError(
            f"the adapter does not go with its base {base} ({type(error).__name__}: {reason})",
            file=folder,
            mend="check base_model_name_or_path in its configuration, or save it again with PEFT",
        ) from error


def merge(network: Any, folder: Path) -> Any:
    """`network` with the adapter of `folder` added to its weights."""
    return library().PeftModel.from_pretrained(network, folder).merge_and_unload()


def library() -> Any:
    """PEFT. It imports bitsandbytes where that is installed, which would advise to install kernels from a hub."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    import peft

    return peft
