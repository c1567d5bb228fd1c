"""Model folders: read without a network, written the same way every time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from w2s.errors import UserError


def load_tokenizer(folder: Path, out: Path) -> Any:
    """The folder's tokenizer, padding with EOS where it has no padding token.

    Raises:
        UserError: `folder` is not a model folder, or `out` is the same folder.
    """
    if out.resolve() == folder.resolve():
        raise UserError("training would overwrite the model it starts from", file=out, mend="write to another folder")
    if not (folder / "config.json").is_file():
        raise UserError(
            "not a model folder", file=folder, expected="a folder with config.json, weights and a tokenizer"
        )
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def longest(folder: Path, max_length: int) -> int:
    """Most tokens an example may have: `max_length`, or the model's context where that is shorter."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True).get_text_config()
    return min(max_length, getattr(config, "max_position_embeddings", None) or max_length)


def load_model(folder: Path, tokenizer: Any) -> Any:
    """The folder's model with float32 weights, whatever they are stored in, and the tokenizer's padding.

    Raises:
        UserError: the folder lacks some of the model's weights (transformers would draw them at random).
    """
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
    )
    if info["missing_keys"]:
        raise UserError(
            f"weights are missing: {', '.join(sorted(info['missing_keys'])[:3])}, ...",
            file=folder,
            expected="a complete model",
        )
    model.config.pad_token_id = model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


def save(model: Any, tokenizer: Any, out: Path) -> None:
    """Write weights (safetensors), configs and tokenizer to `out`; adapters are merged first."""
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    tokenizer.save_pretrained(out)
    model.save_pretrained(out)
