"""What can be known of a training before anything is computed, from the files of the model it starts from.

Loads no model and asks no hub: where the files are not on this machine, training itself finds out (`w2s.training`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from w2s import architecture, models
from w2s.config import Lora
from w2s.errors import UserError
from w2s.models import adapters, files

_NO_DEFAULTS = ("PreTrainedTokenizer", "PreTrainedTokenizerFast", "TokenizersBackend")
"""Tokenizer classes without special tokens of their own: they have those that their files name."""


def check(reference: str, lora: Lora | None) -> None:
    """Refuse a training that could not start, or could not teach a model to stop.

    Raises:
        UserError: the model's tokenizer has no EOS; the model runs code of its own; `lora` names layers that the model
            does not have, or the reference is an adapter's folder and its adapter is another one.
    """
    folder = _whole(reference)
    if folder is None:
        return
    asked = models.parse(reference)
    adapter = adapters.split(asked.source)[1] if asked.layers is None else None  # cut, it is merged first
    own = adapter if adapter is not None and (adapter / "tokenizer_config.json").is_file() else folder
    if not _has_eos(own, folder):
        raise UserError(
            "the tokenizer has no end-of-sequence token, so a model could not learn to stop",
            file=own,
            field="eos_token",
            mend="set eos_token in the model folder's tokenizer_config.json",
        )
    if _read(folder / "config.json").get("auto_map"):
        from w2s.training import checkpoint  # takes seconds, and few models say so

        checkpoint.refuse_own_code(folder)
    if lora is not None and adapter is not None:
        adapters.can_continue(adapter, lora)
    else:
        targets(reference, lora)


def targets(reference: str, lora: Lora | None) -> None:
    """Refuse adapters on layers that the model, and what is trained from it, does not have.

    Told by the headers of the weights: what can be adapted are matrices, without the output layer (`checkpoint`).

    Raises:
        UserError: `lora` names such layers.
    """
    folder = _whole(reference)
    if folder is None or lora is None:
        return
    shapes = architecture.shapes(sorted(folder.glob("*.safetensors")))
    layers = {name.rpartition(".")[0] for name, shape in shapes.items() if len(shape) == 2}
    layers = {layer for layer in layers if not layer.endswith(("lm_head", "embed_tokens"))}
    unknown = [target for target in lora.targets if not any(f".{layer}".endswith(f".{target}") for layer in layers)]
    if layers and unknown:
        raise UserError(
            f"LoRA targets match no layer that can be adapted: {', '.join(unknown)}",
            file=folder,
            field="lora.targets",
            expected=f"some of {', '.join(sorted({layer.rpartition('.')[2] for layer in layers}))}",
        )


def same_adapter(earlier: Lora | None, lora: Lora | None) -> None:
    """Refuse to train an adapter on as another one.

    Args:
        earlier: how the model was trained that training starts from.
        lora: how it is to be trained on.

    Raises:
        UserError: `earlier` leaves an adapter, and `lora` has another rank, alpha or other targets.
    """
    if earlier is not None and earlier.save == "adapter" and lora is not None:
        found, asked = ((one.rank, one.alpha, sorted(one.targets)) for one in (earlier, lora))
        adapters.refuse_other(found, asked)


def _has_eos(tokenizer: Path, model: Path) -> bool:
    configured = _read(tokenizer / "tokenizer_config.json")
    if configured.get("eos_token") or _read(tokenizer / "special_tokens_map.json").get("eos_token"):
        return True
    if configured.get("tokenizer_class") in _NO_DEFAULTS:
        return False
    named = (_read(model / name).get("eos_token_id") for name in ("config.json", "generation_config.json"))
    return any(token is not None for token in named)


def _whole(reference: str) -> Path | None:
    """The model's folder, if it is on this machine and is all there."""
    folder = architecture.place(reference)
    return folder if folder is not None and files.whole(folder) else None


def _read(file: Path) -> dict[str, Any]:
    try:
        row = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there, or for the loader to complain about
        return {}
    return row if isinstance(row, dict) else {}
