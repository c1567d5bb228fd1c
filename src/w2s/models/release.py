"""A trained model's files for others to load: its dtype is chosen, and nothing of this machine is in them (ours)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from w2s.config.choices import Dtype
from w2s.errors import UserError
from w2s.models import adapters, files, parity


def write(source: Path, out: Path, dtype: Dtype, base: str | None = None) -> None:
    """Write the model or adapter of `source` into the folder `out`: safetensors, tokenizer, configurations.

    `base`: of an adapter, a folder or "owner/name[@revision]", for its configuration.

    Raises:
        UserError: a file is missing or damaged.
    """
    if not adapters.is_adapter(source):
        files.check_folder(source, str(source))
    copied = {path for pattern in files.IDENTITY for path in source.glob(pattern)}
    for path in sorted(copied):
        if path.suffix != ".safetensors" and path.name not in (parity.FILE, files.INDEX, "README.md"):
            shutil.copyfile(path, out / path.name)
    size = sum(_cast(path, out / path.name, dtype) for path in sorted(source.glob("*.safetensors")))
    if (source / files.INDEX).is_file():
        index = files.read_json(source / files.INDEX)
        index["metadata"] = {**index.get("metadata", {}), "total_size": size}
        _write_json(out / files.INDEX, index)
    if adapters.is_adapter(source):
        named = {"base_model_name_or_path": base}
        if base is not None and "@" in base and not Path(base).is_dir():
            named = dict(zip(("base_model_name_or_path", "revision"), base.split("@"), strict=True))
        _write_json(out / adapters.CONFIG, adapters.read(source) | named)
    else:
        config = files.read_json(source / "config.json")
        older = {"torch_dtype": dtype} if "torch_dtype" in config else {}
        _write_json(out / "config.json", config | {"dtype": dtype} | older)


def _cast(source: Path, place: Path, dtype: Dtype) -> int:
    """Write one file with its floating-point tensors in `dtype`; returns their bytes."""
    import torch
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import save_file

    wanted = getattr(torch, dtype)
    try:
        with safe_open(source, "pt") as opened:
            metadata = opened.metadata()
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no dictionary
    except SafetensorError as error:
        raise UserError(f"is not readable ({error})", file=source, hint="`w2s check` says what is damaged") from error
    cast = {name: tensor.to(wanted) if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    save_file(cast, place, metadata or {"format": "pt"})
    place.chmod(0o644)  # it is made for its owner alone, and is for others
    return sum(tensor.numel() * tensor.element_size() for tensor in cast.values())


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
