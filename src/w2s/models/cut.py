"""A weak model made by leaving out decoder layers of another (ours)."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from w2s.errors import UserError
from w2s.models import files

_COUNTS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
_PER_LAYER = ("layer_types", "mlp_layer_types", "no_rope_layers", "block_types")
"""One item per layer."""
_NUMBERS = ("mlp_only_layers", "moe_layers", "cross_attention_layers")
"""Layer numbers."""
_BY_POSITION = (
    "sliding_window_pattern", "full_attention_interval", "first_k_dense_replace", "num_kv_shared_layers",
    "no_rope_layer_interval", "interleave_moe_layer_step", "attn_layer_period", "cross_attention_freq",
)  # fmt: skip
"""With these no layer can go, unless a `_PER_LAYER` list is there."""


def keep(folder: Path, layers: Sequence[int], out: Path) -> None:
    """Write the model with only `layers` (increasing, from 0), renumbered, into the empty folder `out`.

    Raises:
        UserError: a layer is missing, or its kind depends on its position.
    """
    from safetensors import safe_open
    from safetensors.torch import save_file

    configured = files.read_json(folder / "config.json")
    (out / "config.json").write_text(json.dumps(config(configured, layers, folder), indent=2), encoding="utf-8")
    shards = weights(folder)
    names = {}
    for shard in shards:
        with safe_open(shard, framework="pt") as tensors:
            names[shard] = list(tensors.keys())
    of = numbering((name for some in names.values() for name in some), count(configured, folder), folder)
    places: dict[str, str] = {}
    size = 0
    for shard in shards:
        with safe_open(shard, framework="pt") as tensors:
            kept = {new: tensors.get_tensor(name) for name in names[shard] if (new := renamed(name, of, layers))}
            metadata = tensors.metadata() or {"format": "pt"}
        if kept:
            save_file(kept, out / shard.name, metadata=metadata)
        places |= dict.fromkeys(kept, shard.name)
        size += sum(tensor.nbytes for tensor in kept.values())
    if shards[0].name != "model.safetensors" or len(shards) > 1:
        index = {"metadata": {"total_size": size}, "weight_map": places}
        (out / files.INDEX).write_text(json.dumps(index, indent=2), encoding="utf-8")
    for path in folder.iterdir():
        other = path.suffix != ".safetensors" and path.name not in ("config.json", files.INDEX)
        if other and any(fnmatch.fnmatch(path.name, pattern) for pattern in files.IDENTITY):
            shutil.copyfile(path, out / path.name)


def weights(folder: Path) -> list[Path]:
    """The safetensors files.

    Raises:
        UserError: several without index, or one is missing.
    """
    index = folder / files.INDEX
    if index.is_file():
        places = files.read_json(index).get("weight_map")
        if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
            raise UserError("is no index of weights", file=index, hint="fetch the model again")
        names = sorted(set(places.values()))
        if missing := [name for name in names if not (folder / name).is_file()]:
            raise UserError(f"lacks {missing[0]}, which {files.INDEX} names", file=folder, hint="fetch the model again")
        return [folder / name for name in names]
    paths = sorted(folder.glob("*.safetensors"))
    if (folder / "model.safetensors") in paths:
        return [folder / "model.safetensors"]
    if len(paths) != 1:
        raise UserError(
            f"has {len(paths)} files of weights and no {files.INDEX}", file=folder, hint="save the model again"
        )
    return paths


def config(whole: Mapping[str, Any], layers: Sequence[int], place: str | Path) -> dict[str, Any]:
    """The configuration with only `layers`.

    Raises:
        UserError: as `keep`.
    """
    inner = whole.get("text_config") if isinstance(whole.get("text_config"), dict) else None
    changed = dict(inner or whole)
    total = count(whole, place)
    if layers[-1] >= total:
        raise UserError(
            f"has no layer {layers[-1]}: it has {total}", file=place, field="layers", expected=f"0 to {total - 1}"
        )
    lists = {name: changed[name] for name in _PER_LAYER if isinstance(changed.get(name), list)}
    fixed = [name for name in _BY_POSITION if changed.get(name) and not lists]
    if str(changed.get("model_type", "")).startswith(("gemma2", "gemma3", "cohere2")) and not lists:
        fixed.append("model_type")
    if fixed:
        raise UserError(
            f"the kind of a layer depends on its position ({fixed[0]}), so layers cannot be left out",
            file=place,
            field="layers",
            hint="save it with a transformers that writes layer_types, or use another model",
        )
    changed[next(name for name in _COUNTS if changed.get(name))] = len(layers)
    for name, values in lists.items():
        if len(values) != total:
            raise UserError(f"{name} has {len(values)} items for {total} layers", file=place, field="layers")
        changed[name] = [values[number] for number in layers]
    for name in _NUMBERS:
        if isinstance(changed.get(name), list):
            changed[name] = [new for new, old in enumerate(layers) if old in changed[name]]
    if isinstance(changed.get("max_window_layers"), int):  # so many first layers have full attention
        changed["max_window_layers"] = sum(number < changed["max_window_layers"] for number in layers)
    return changed if inner is None else {**whole, "text_config": changed}


def count(whole: Mapping[str, Any], place: str | Path) -> int:
    """The number of decoder layers.

    Raises:
        UserError: there is none.
    """
    inner = whole.get("text_config")
    text = inner if isinstance(inner, dict) else whole
    for name in _COUNTS:
        if isinstance(text.get(name), int) and text[name] > 0:
            return int(text[name])
    raise UserError("has no number of layers", file=place, field="layers", expected=" or ".join(_COUNTS))


def numbering(names: Iterable[str], total: int, place: str | Path) -> str:
    """What precedes a layer's number in weight names, as "model.layers.".

    Raises:
        UserError: not exactly one prefix has all numbers.
    """
    numbers_after: dict[str, set[int]] = {}
    for name in names:
        if match := re.match(r"((?:.*?\.)?)(\d+)\.", name):
            numbers_after.setdefault(match[1], set()).add(int(match[2]))
    fitting = [before for before, numbers in numbers_after.items() if numbers == set(range(total))]
    if len(fitting) != 1:
        raise UserError(
            f"its {total} layers are not found among the names of its weights",
            file=place,
            field="layers",
            expected="names like model.layers.0.mlp.up_proj.weight",
            hint="use a decoder-only model",
        )
    return fitting[0]


def renamed(name: str, before: str, layers: Sequence[int]) -> str | None:
    """A weight's new name; None: left out."""
    match = re.match(rf"{re.escape(before)}(\d+)\.", name)
    if match is None:
        return name
    number = int(match[1])
    return f"{before}{layers.index(number)}.{name[match.end() :]}" if number in layers else None
