"""Refuses models that cannot be trained, or may not be loaded. Loads no weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from w2s.config.schema import Lora
from w2s.errors import UserError
from w2s.models import Model, adapters, architecture, files
from w2s.models.kinds import Hub

_NO_DEFAULTS = ("PreTrainedTokenizer", "PreTrainedTokenizerFast", "TokenizersBackend")
"""Tokenizer classes without default special tokens."""

_SMALL = ("config.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json")
"""Of a hub model: what says its type and its EOS."""


def check(model: Model, lora: Lora | None, *, fetching: bool = False) -> None:
    """Refuse a training that cannot start or teach stopping. A model that is not here passes.

    `fetching`: of a hub model that is not here, some kilobytes are fetched and looked at, before its weights are.

    Raises:
        UserError: no EOS, own code, unknown layers in `lora`, or an adapter with other settings.
    """
    folder, adapter = _whole(model), model.adapter
    if folder is None and fetching and isinstance(model.kind, Hub):
        fetched = [model.file(name) for name in _SMALL]
        folder = fetched[0].parent if fetched[0] is not None else None
    if folder is None:
        return
    own = adapter if adapter is not None and (adapter / "tokenizer_config.json").is_file() else folder
    if not _has_eos(own, folder):
        raise UserError(
            "the tokenizer has no end-of-sequence token, so a model could not learn to stop",
            file=own,
            field="eos_token",
            hint="set eos_token in the model folder's tokenizer_config.json",
        )
    if _read(folder / "config.json").get("auto_map"):
        from w2s.training import checkpoint  # takes seconds, and few models say so

        checkpoint.refuse_own_code(folder)
    if _whole(model) is None:
        return
    if _read(own / "tokenizer_config.json").get("auto_map"):
        from w2s.training import checkpoint

        checkpoint.load_tokenizer(checkpoint.Start(folder, own if own != folder else None))
    if lora is not None and adapter is not None:
        adapters.can_continue(adapter, lora)
    else:
        targets(model, lora)


def own_code(model: Model, trusted: bool) -> None:
    """Refuse to generate with a model whose own code is not `trusted`. A model that is not here passes.

    Raises:
        UserError: transformers knows its type or its tokenizer only by code that comes with it.
    """
    folder = _whole(model)
    if trusted or folder is None or not any(_read(folder / name).get("auto_map") for name in _SMALL[:2]):
        return
    from w2s.training import checkpoint

    try:
        checkpoint.refuse_own_code(folder)
        checkpoint.load_tokenizer(checkpoint.Start(folder))
    except UserError as error:
        raise UserError(
            "runs Python code of its own, and that is not allowed",
            file=str(model),
            field="trust_remote_code",
            hint="read that code; if you trust it, set trust_remote_code=true",
        ) from error


def targets(model: Model, lora: Lora | None) -> None:
    """Refuse adapters on layers that the weights do not have, or the output layer.

    Raises:
        UserError: `lora` names such layers.
    """
    folder = _whole(model)
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
    """Refuse to continue an `earlier` adapter with other settings.

    Raises:
        UserError: other rank, alpha or targets.
    """
    if earlier is not None and earlier.save == "adapter" and lora is not None:
        before, after = ((one.rank, one.alpha, sorted(one.targets)) for one in (earlier, lora))
        adapters.refuse_other(before, after)


def _has_eos(tokenizer: Path, model: Path) -> bool:
    configured = _read(tokenizer / "tokenizer_config.json")
    if configured.get("eos_token") or _read(tokenizer / "special_tokens_map.json").get("eos_token"):
        return True
    if configured.get("tokenizer_class") in _NO_DEFAULTS:
        return False
    named = (_read(model / name).get("eos_token_id") for name in ("config.json", "generation_config.json"))
    return any(token is not None for token in named)


def _whole(model: Model) -> Path | None:
    folder = model.local()
    return folder if folder is not None and files.whole(folder) else None


def _read(file: Path) -> dict[str, Any]:
    return files.read_json(file) if file.exists() else {}
