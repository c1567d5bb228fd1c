"""A model without some of its decoder layers: a weaker one, made from any other (ours). Nothing is instantiated."""

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
"""Lists with an item a layer."""
_NUMBERS = ("mlp_only_layers", "moe_layers", "cross_attention_layers")
"""Lists of layer numbers."""
_BY_POSITION = (
    "sliding_window_pattern", "full_attention_interval", "first_k_dense_replace", "num_kv_shared_layers",
    "no_rope_layer_interval", "interleave_moe_layer_step", "attn_layer_period", "cross_attention_freq",
)  # fmt: skip
"""Settings by which a layer's place decides what it is; a list in `_PER_LAYER` overrides them."""
_INDEX = "model.safetensors.index.json"


def keep(folder: Path, layers: Sequence[int], out: Path) -> None:
    """Write into `out` the model of `folder` with only `layers`, in this order, numbered anew from 0.

    Weights are read lazily and written a file at a time; everything but the layers stays as it is.

    Args:
        folder: a model folder with safetensors weights, in one file or several.
        layers: numbers of the layers that stay, counted from 0.
        out: an empty folder.

    Raises:
        UserError: the model has fewer layers, its layers are not found, or what they do depends on their place.
    """
    from safetensors import safe_open
    from safetensors.torch import save_file

    text = (folder / "config.json").read_text(encoding="utf-8")
    (out / "config.json").write_text(json.dumps(config(json.loads(text), layers, folder), indent=2), encoding="utf-8")
    shards = weights(folder)
    names = {}
    for shard in shards:
        with safe_open(shard, framework="pt") as tensors:
            names[shard] = list(tensors.keys())
    of = numbering((name for found in names.values() for name in found), count(json.loads(text), folder), folder)
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
        (out / _INDEX).write_text(json.dumps(index, indent=2), encoding="utf-8")
    for path in folder.iterdir():
        other = path.suffix != ".safetensors" and path.name not in ("config.json", _INDEX)
        if other and any(fnmatch.fnmatch(path.name, pattern) for pattern in files.IDENTITY):
            shutil.copyfile(path, out / path.name)


def weights(folder: Path) -> list[Path]:
    """The safetensors files that make up the model: those of the index, else the only one.

    Raises:
        UserError: there are several and no index, or one of the index is missing.
    """
    index = folder / _INDEX
    if index.is_file():
        named = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        if missing := [name for name in named if not (folder / name).is_file()]:
            raise UserError(f"lacks {missing[0]}, which {_INDEX} names", file=folder, mend="fetch the model again")
        return [folder / name for name in named]
    found = sorted(folder.glob("*.safetensors"))
    if (folder / "model.safetensors") in found:
        return [folder / "model.safetensors"]
    if len(found) != 1:
        raise UserError(f"has {len(found)} files of weights and no {_INDEX}", file=folder, mend="save the model again")
    return found


def config(whole: Mapping[str, Any], layers: Sequence[int], place: str | Path) -> dict[str, Any]:
    """The configuration of the model with only `layers`; `place` is for messages.

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
            f"what a layer does depends on its place ({fixed[0]}), so some of them are another model",
            file=place,
            field="layers",
            mend="save it with a transformers that writes layer_types, or use another model",
        )
    changed[next(name for name in _COUNTS if changed.get(name))] = len(layers)
    for name, values in lists.items():
        if len(values) != total:
            raise UserError(f"{name} has {len(values)} items for {total} layers", file=place, field="layers")
        changed[name] = [values[number] for number in layers]
    for name in _NUMBERS:
        if isinstance(changed.get(name), list):
            changed[name] = [new for new, old in enumerate(layers) if old in changed[name]]
    if isinstance(changed.get("max_window_layers"), int):  # the first so many layers see everything
        changed["max_window_layers"] = sum(number < changed["max_window_layers"] for number in layers)
    return changed if inner is None else {**whole, "text_config": changed}


def count(whole: Mapping[str, Any], place: str | Path) -> int:
    """Decoder layers, by the configuration.

    Raises:
        UserError: it does not say.
    """
    inner = whole.get("text_config")
    text = inner if isinstance(inner, dict) else whole
    for name in _COUNTS:
        if isinstance(text.get(name), int) and text[name] > 0:
            return int(text[name])
    raise UserError("does not say how many layers it has", file=place, field="layers", expected=" or ".join(_COUNTS))


def numbering(names: Iterable[str], total: int, place: str | Path) -> str:
    """What stands before a layer's number in the names of its weights, as "model.layers.".

    It is the only beginning that is followed by every number from 0 to `total` - 1 and no other.

    Raises:
        UserError: there is none, or more than one.
    """
    found: dict[str, set[int]] = {}
    for name in names:
        if match := re.match(r"((?:.*?\.)?)(\d+)\.", name):
            found.setdefault(match[1], set()).add(int(match[2]))
    fitting = [before for before, numbers in found.items() if numbers == set(range(total))]
    if len(fitting) != 1:
        raise UserError(
            f"its {total} layers are not found among the names of its weights",
            file=place,
            field="layers",
            expected="names like model.layers.0.mlp.up_proj.weight",
            mend="use a decoder-only model",
        )
    return fitting[0]


def renamed(name: str, before: str, layers: Sequence[int]) -> str | None:
    """A weight's name in the model with only `layers`; None if it goes."""
    match = re.match(rf"{re.escape(before)}(\d+)\.", name)
    if match is None:
        return name
    number = int(match[1])
    return f"{before}{layers.index(number)}.{name[match.end() :]}" if number in layers else None
