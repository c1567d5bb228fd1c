"""PEFT adapter folders."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from w2s.config.schema import Lora
from w2s.errors import UserError, first_line, lacks_memory
from w2s.models import files, whole

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


def split(model: str | Path) -> tuple[str | Path, Path | None]:
    """(base reference, adapter folder), or (model, None).

    Raises:
        UserError: no safetensors weights, no LoRA, no base, or an adapter as base.
    """
    folder = Path(model)
    if not is_adapter(folder):
        return model, None
    if not (folder / WEIGHTS).is_file():
        raise UserError(
            "the adapter has no safetensors weights", file=folder, expected=WEIGHTS, hint="save it again with PEFT"
        )
    config = read(folder)
    for field, right in (("peft_type", "LORA"), ("megatron_config", None)):  # others import or fetch what they name
        if config.get(field, right) != right:
            raise UserError(
                f"{config.get(field)!r:.80} is no adapter that can be used",
                file=folder / CONFIG,
                field=field,
                expected="a LoRA adapter of PEFT",
                hint="merge it into its base with PEFT, and name the merged model",
            )
    base, revision = config.get("base_model_name_or_path"), config.get("revision")
    if not isinstance(base, str) or not base:
        raise UserError("does not name the base model", file=folder / CONFIG, field="base_model")
    if is_adapter(Path(base)):
        raise UserError(
            "is an adapter on an adapter", file=folder, hint=f"merge {base} into its own base, and train on that"
        )
    return (f"{base}@{revision}" if revision and not Path(base).is_dir() else base), folder


def is_adapter(folder: Path) -> bool:
    """Whether it holds an adapter."""
    return (folder / CONFIG).is_file()


def digest(folder: Path) -> str:
    """sha256 of settings and weights, without the base's path."""
    settings = {name: value for name, value in read(folder).items() if name != "base_model_name_or_path"}
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(f"{text}\0{files.sha256(folder / WEIGHTS)}".encode()).hexdigest()


def read(folder: Path) -> dict[str, Any]:
    """The adapter's configuration.

    Raises:
        UserError: no JSON object.
    """
    return files.read_json(folder / CONFIG)


def can_continue(folder: Path, lora: Lora) -> None:
    """Refuse to continue an adapter with other settings.

    Raises:
        UserError: rank, alpha or targets differ.
    """
    config = read(folder)
    targets = config.get("target_modules")
    targets = sorted(map(str, targets)) if isinstance(targets, list) else targets
    before = (config.get("r"), config.get("lora_alpha"), targets)
    refuse_other(before, (lora.rank, lora.alpha, sorted(lora.targets)), folder)


def refuse_other(before: tuple[Any, Any, Any], after: tuple[Any, Any, Any], file: Path | None = None) -> None:
    """As `can_continue`, for (rank, alpha, sorted targets)."""
    if before != after:
        differ = [
            f"{name} {was} there and {now} here"
            for name, was, now in zip(("rank", "alpha", "targets"), before, after, strict=True)
            if was != now
        ]
        raise UserError(
            f"an adapter keeps its settings in further training, and these differ: {'; '.join(differ)}",
            file=file,
            field="preference.lora" if file is None else "lora",
            expected="the rank, alpha and targets of the adapter that training starts from",
            hint="give both trainings the same ones, or merge the earlier adapter: training.lora.save=merged",
        )


def save_merged(base: Path, folder: Path, out: Path) -> None:
    """Write the merged model, in float32 to keep small updates.

    Raises:
        UserError: the adapter does not fit its base.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with _fits(folder, base):
        network, info = AutoModelForCausalLM.from_pretrained(
            base,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
        whole.check(network, info, base)
        merge(network, folder).save_pretrained(out)
        AutoTokenizer.from_pretrained(base, local_files_only=True, trust_remote_code=False).save_pretrained(out)


def check(folder: Path, base: str | Path, config: Any, trust_remote_code: bool) -> None:
    """For an engine that attaches the adapter itself. Reads the base's `config` and none of its weights.

    Raises:
        UserError: as `attach`, or the adapter does not fit its base.
    """
    import torch
    from transformers import AutoModelForCausalLM

    with _fits(folder, base):
        with torch.device("meta"):  # shapes without memory
            network = AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)
        attach(network, folder, torch_device="cpu", low_cpu_mem_usage=True)


@contextlib.contextmanager
def _fits(folder: Path, base: str | Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # transformers and PEFT share no base class
        if lacks_memory(error) or isinstance(error, UserError):
            raise  # the files are right, or said to be wrong
        reason = first_line(error)
        raise UserError(
            f"the adapter does not fit its base {base} ({type(error).__name__}: {reason})",
            file=folder,
            hint="check base_model_name_or_path in its configuration, or save it again with PEFT",
        ) from error


def merge(network: Any, folder: Path) -> Any:
    """`network` with the adapter merged.

    Raises:
        UserError: as `attach`.
    """
    return attach(network, folder).merge_and_unload()


def attach(network: Any, folder: Path, **options: Any) -> Any:
    """`network` with the adapter beside its weights; `options`: of PEFT's `from_pretrained`.

    PEFT leaves a missing part without effect and drops a surplus one.

    Raises:
        UserError: parts of the adapter are missing, or belong to layers that the base has not.
    """
    model = library().PeftModel.from_pretrained(network, folder, **options)
    found = model.load_adapter(str(folder), "default", **options)  # again: what it found is not to be had otherwise
    for keys, problem in (
        (found.missing_keys, "parts are missing"),
        (found.unexpected_keys, "the base has no such layers"),
    ):
        if names := sorted(map(str, keys)):
            raise UserError(
                f"{problem}: {', '.join(names[:2])}{', ...' if len(names) > 2 else ''}",
                file=folder / WEIGHTS,
                expected=f"all that {CONFIG} names, for layers of the base",
                hint="fetch or save it again; or its base is another",
            )
    return model


def library() -> Any:
    """PEFT, with bitsandbytes silenced."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    import peft

    return peft
