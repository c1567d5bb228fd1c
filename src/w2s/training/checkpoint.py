"""Model folders: read without a network, written the same way every time."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM, AutoTokenizer

from w2s import config as configs
from w2s import models
from w2s.errors import UserError
from w2s.models import adapters
from w2s.models import quantize as quantized


@dataclass(frozen=True, slots=True)
class Start:
    """What training starts from: a model's folder, and that of the adapter on it, or None."""

    base: Path
    adapter: Path | None = None


def find(folder: Path, out: Path | None = None, *, offline: bool = False) -> Start:
    """What a model folder, or an adapter's, holds.

    Raises:
        UserError: `folder` is neither, its base is not to be had, it runs code of its own, or `out` is the same folder.
    """
    if out is not None and out.resolve() == folder.resolve():
        raise UserError("training would overwrite the model it starts from", file=out, mend="write to another folder")
    base, adapter = adapters.split(folder)
    start = Start(folder) if adapter is None else Start(models.folder(base, offline), adapter)
    if not (start.base / "config.json").is_file():
        raise UserError(
            "not a model folder", file=start.base, expected="a folder with config.json, weights and a tokenizer"
        )
    refuse_own_code(start.base)
    return start


def load_tokenizer(start: Start) -> Any:
    """The adapter's tokenizer, or the base's; padding with EOS where it has no padding token."""
    own = start.adapter is not None and (start.adapter / "tokenizer_config.json").is_file()
    tokenizer = AutoTokenizer.from_pretrained(start.adapter if own else start.base, local_files_only=True)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def refuse_own_code(folder: Path) -> None:
    """Refuse a model that is not of transformers: training runs no Python code that comes with a model.

    Raises:
        UserError: it is one.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config.get("auto_map") and config.get("model_type") not in CONFIG_MAPPING:
        raise UserError(
            f"is a model of the kind {config.get('model_type')!r}, which runs Python code of its own",
            file=folder,
            expected="a model that transformers knows: training runs no other code",
            mend="use a newer transformers if it knows this kind, or another model",
        )


def check_quantised(quantize: str | None, lora: configs.Lora | None, sharded: bool) -> None:
    """Refuse to train a quantised base where that cannot be done.

    Raises:
        UserError: every parameter is to be trained, or the model is to be held in parts.
    """
    if quantize and lora is None:
        raise UserError(
            f"the base is quantised ({quantize}), and quantised weights cannot be trained",
            field="training.lora",
            expected="adapters beside it",
            mend="set training.lora.rank=8 (for Stage II preference.lora), or leave quantize out",
        )
    if quantize and sharded:
        raise UserError(
            f"the base is quantised ({quantize}), and FSDP cannot hold it in parts",
            field="runtime.sharding",
            mend="use runtime.sharding=none: each process holds the base in 4 bits",
        )


def longest(folder: Path, max_length: int) -> int:
    """Most tokens an example may have: `max_length`, or the model's context where that is shorter."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True).get_text_config()
    return min(max_length, getattr(config, "max_position_embeddings", None) or max_length)


def load_model(
    folder: Path,
    tokenizer: Any,
    *,
    quantize: str | None = None,
    device: torch.device | None = None,
) -> Any:
    """The folder's model with float32 weights, whatever they are stored in, and the tokenizer's padding.

    With `quantize` the linear layers' weights are quantised on `device` and cannot be trained.

    Raises:
        UserError: the folder lacks some of the model's weights (transformers would draw them at random), or the model
            cannot be quantised.
    """
    model, info = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.float32,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
        **quantized.options(quantize, device),
    )
    quantized.check(model, quantize, str(folder))
    if info["missing_keys"]:
        raise UserError(
            f"weights are missing: {', '.join(sorted(info['missing_keys'])[:3])}, ...",
            file=folder,
            expected="a complete model",
        )
    return _prepare(model, tokenizer)


def adapter_config(model: Any, lora: configs.Lora) -> Any:
    """PEFT's config for `lora`.

    Raises:
        UserError: a target names no linear layer of the model (PEFT is silent if another target does).
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
    """The model with the adapter that training starts from, or with a fresh one, which is trained then.

    Args:
        model: `start.base`.
        start: what training starts from.
        lora: what is asked for.
        empty: make no numbers (torch's device "meta").

    Raises:
        UserError: the adapter there is not the one asked for, or a target names no layer.
    """
    peft = adapters.library()
    if start.adapter is not None:
        adapters.can_continue(start.adapter, lora)
        if empty:
            config = peft.LoraConfig.from_pretrained(start.adapter)
            config.inference_mode = False  # as PEFT saves it, it would be frozen
            model = peft.get_peft_model(model, config)
        else:
            model = peft.PeftModel.from_pretrained(model, start.adapter, is_trainable=True, torch_device="cpu")
    else:
        model = peft.get_peft_model(model, adapter_config(model, lora))
    # Its folder, and no name that a hub would be asked for, when the saved adapter is read again.
    model.peft_config["default"].base_model_name_or_path = str(start.base.resolve())
    return model


def hold_in_bfloat16(model: Any) -> dict[Any, torch.Tensor]:
    """Keep the linear weights that are not trained as autocast would cast them in every pass, at half the memory.

    Those shared with the embeddings stay, since the sums that go from layer to layer take their number format from
    these.

    Returns:
        The weights as they were, by layer, in the shortest format that holds them, where bfloat16 does not.
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


def hold_in_float32(model: Any, exact: Mapping[Any, torch.Tensor]) -> None:
    """Undo `hold_in_bfloat16`, with what it returned."""
    for layer in _frozen_linear(model):
        if layer.weight.dtype == torch.bfloat16:
            layer.weight.data = exact.get(layer, layer.weight.data).to(layer.weight.device, torch.float32)


def _frozen_linear(model: Any) -> list[torch.nn.Linear]:
    return [m for m in model.modules() if isinstance(m, torch.nn.Linear) and not m.weight.requires_grad]


def on_unquantised(model: Any, base: Path, tokenizer: Any) -> Any:
    """The model of `base` in float32, on the CPU, with the trained adapters of `model` added to its weights.

    Adding them to the quantised weights would round what was learnt to 4 bits.
    """
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return adapters.merge(load_model(base, tokenizer), Path(folder))


def empty_model(folder: Path, tokenizer: Any) -> Any:
    """As `load_model`, without memory for the weights (torch's device "meta")."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
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
    """Write weights (safetensors), configs and tokenizer to `out`: those of the adapter, or of the whole model.

    `trained` are an adapter's weights where the model does not hold them whole itself.
    """
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
