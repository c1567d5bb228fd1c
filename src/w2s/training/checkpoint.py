"""Model folders: read offline, written the same way every time."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM, AutoTokenizer

from w2s import models
from w2s.config import schema as configs
from w2s.errors import UserError, first_line, lacks_memory
from w2s.models import adapters, files, whole
from w2s.models import quantize as quantized


@dataclass(frozen=True, slots=True)
class Start:
    """A model's folder, and its adapter's."""

    base: Path
    adapter: Path | None = None


def find(folder: Path, out: Path | None = None, *, offline: bool = False) -> Start:
    """The base and the adapter of a model folder.

    Raises:
        UserError: neither is there, the model runs its own code, or `out` is `folder`.
    """
    if out is not None and out.resolve() == folder.resolve():
        raise UserError("training would overwrite the model it starts from", file=out, hint="write to another folder")
    base, adapter = adapters.split(folder)
    start = Start(folder) if adapter is None else Start(models.folder(base, offline), adapter)
    if not (start.base / "config.json").is_file():
        raise UserError(
            "not a model folder", file=start.base, expected="a folder with config.json, weights and a tokenizer"
        )
    refuse_own_code(start.base)
    return start


def load_tokenizer(start: Start) -> Any:
    """The adapter's tokenizer, or the base's, with a padding token."""
    own = start.adapter is not None and (start.adapter / "tokenizer_config.json").is_file()
    folder = start.adapter if own and start.adapter is not None else start.base
    with _readable(folder):
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def refuse_own_code(folder: Path) -> None:
    """Refuse a model that transformers does not know.

    Raises:
        UserError: it runs code of its own.
    """
    config = files.read_json(folder / "config.json")
    if config.get("auto_map") and config.get("model_type") not in CONFIG_MAPPING:
        raise UserError(
            f"is a model of type {config.get('model_type')!r}, which runs Python code of its own",
            file=folder,
            expected="a model that transformers knows: training runs no other code",
            hint="use a newer transformers if it knows this type, or another model",
        )


def longest(folder: Path, max_length: int) -> int:
    """Tokens: `max_length`, or the model's shorter context."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False).get_text_config()
    return min(max_length, getattr(config, "max_position_embeddings", None) or max_length)


def load_model(
    folder: Path,
    tokenizer: Any,
    *,
    quantize: str | None = None,
    device: torch.device | None = None,
) -> Any:
    """The folder's model in float32; with `quantize` linear weights are quantised, on `device`.

    Raises:
        UserError: it cannot be read or quantised, or weights are missing.
    """
    options = quantized.options(quantize, device)
    with _readable(folder):
        model, info = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            **options,
        )
    quantized.check(model, quantize, str(folder))
    whole.check(model, info, folder)
    return _prepare(model, tokenizer)


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # transformers, tokenizers and safetensors share no base class
        if isinstance(error, UserError) or lacks_memory(error):
            raise
        if "trust_remote_code" in str(error):
            raise UserError(
                "runs Python code of its own, and training runs no code that comes with a model",
                file=folder,
                hint="use a tokenizer that transformers knows (tokenizer_class in tokenizer_config.json)",
            ) from error
        reason = first_line(error)
        raise UserError(
            f"cannot be loaded ({type(error).__name__}: {reason})",
            file=folder,
            hint="save the model and its tokenizer again with save_pretrained, or fetch it again",
        ) from error


def adapter_config(model: Any, lora: configs.Lora) -> Any:
    """PEFT's config for `lora`.

    Raises:
        UserError: a target names no linear layer.
    """
    linear = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    layers = [name for name in linear if name != "lm_head"]  # it may be tied to the embeddings
    unknown = [target for target in lora.targets if not any(f".{name}".endswith(f".{target}") for name in layers)]
    if unknown or not lora.targets:
        raise UserError(
            f"LoRA targets match no layer that can be adapted: {', '.join(unknown) or '(none given)'}",
            field="lora.targets",
            expected=f"some of {', '.join(sorted({name.rsplit('.', 1)[-1] for name in layers}))}",
        )
    return adapters.library().LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets),
        task_type="CAUSAL_LM",
    )


def with_adapter(model: Any, start: Start, lora: configs.Lora, *, empty: bool = False) -> Any:
    """The model with the adapter of `start`, or a fresh one; `empty`: on torch's device "meta".

    Raises:
        UserError: its settings differ, or as `adapter_config`.
    """
    peft = adapters.library()
    if start.adapter is not None:
        adapters.can_continue(start.adapter, lora)
        if empty:
            config = peft.LoraConfig.from_pretrained(start.adapter)
            config.inference_mode = False  # as PEFT saves it, it would be frozen
            model = peft.get_peft_model(model, config)
        else:
            model = adapters.attach(model, start.adapter, is_trainable=True, torch_device="cpu")
    else:
        model = peft.get_peft_model(model, adapter_config(model, lora))
    # Its folder, and no name that a hub would be asked for, when the saved adapter is read again.
    model.peft_config["default"].base_model_name_or_path = str(start.base.resolve())
    return model


def round_frozen(model: Any) -> dict[Any, torch.Tensor]:
    """Round frozen linear weights to bfloat16, but not embeddings.

    Returns:
        The exact weights that changed, by layer.
    """
    shared, exact = {id(parameter) for parameter in model.get_input_embeddings().parameters()}, {}
    for layer in _frozen_linear(model):
        weight = layer.weight.data
        if weight.dtype != torch.float32 or id(layer.weight) in shared:
            continue
        layer.weight.data = weight.to(torch.bfloat16)
        if not torch.equal(layer.weight.data.float(), weight):
            half = weight.half()
            exact[layer] = half if torch.equal(half.float(), weight) else weight
    return exact


def restore_frozen(model: Any, exact: Mapping[Any, torch.Tensor]) -> None:
    """Undo `round_frozen`."""
    for layer in _frozen_linear(model):
        if layer.weight.dtype == torch.bfloat16:
            layer.weight.data = exact.get(layer, layer.weight.data).to(layer.weight.device, torch.float32)


def _frozen_linear(model: Any) -> list[torch.nn.Linear]:
    return [m for m in model.modules() if isinstance(m, torch.nn.Linear) and not m.weight.requires_grad]


def on_unquantised(model: Any, base: Path, tokenizer: Any) -> Any:
    """The float32 base with the adapters of `model` merged."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return adapters.merge(load_model(base, tokenizer), Path(folder))


def empty_model(folder: Path, tokenizer: Any) -> Any:
    """As `load_model`, on torch's device "meta"."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    with torch.device("meta"):
        return _prepare(AutoModelForCausalLM.from_config(config, dtype=torch.float32), tokenizer)


def _prepare(model: Any, tokenizer: Any) -> Any:
    model.config.pad_token_id = model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


def save(
    model: Any,
    tokenizer: Any,
    out: Path,
    form: Literal["merged", "adapter"] = "merged",
    trained: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Write a model or its adapter; `trained`: a sharded model's adapter weights."""
    tokenizer.save_pretrained(out)
    if not hasattr(model, "merge_and_unload"):
        model.save_pretrained(out)
    elif form == "merged":
        model.merge_and_unload().save_pretrained(out)
    else:
        model.save_pretrained(out, state_dict=trained, save_embedding_layers=False)
        (out / "README.md").unlink(missing_ok=True)  # PEFT's card for the hub
        config = adapters.read(out)
        config["target_modules"] = sorted(config["target_modules"])  # a set, in another order each time
        (out / adapters.CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
