"""Whether a loaded network has its weights: transformers draws missing ones at random and drops surplus ones."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from w2s.errors import UserError

_NUMBER = re.compile(r"\.\d+\.")
"""Of a layer, in a weight's name."""


def check(network: Any, info: Mapping[str, Collection[Any]], file: str | Path) -> None:
    """Refuse a network of which weights or layers are missing, or which has nothing but zeros.

    Args:
        network: as `AutoModelForCausalLM` gives it.
        info: what `from_pretrained` gives with `output_loading_info=True`.
        file: the model's reference.

    Raises:
        UserError: it is not whole.
    """
    missing = sorted(str(name) for name in info["missing_keys"])
    if missing:
        raise UserError(
            f"weights are missing: {', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}",
            file=file,
            expected="a complete model",
            hint="fetch it again; or its config.json is not the one of its weights",
        )
    names = {_NUMBER.sub(".N.", name) for name in network.state_dict()}
    dropped = sorted(str(name) for name in info["unexpected_keys"] if _NUMBER.sub(".N.", str(name)) in names)
    if dropped:
        raise UserError(
            f"has more layers than its config.json says: {', '.join(dropped[:3])}{', ...' if len(dropped) > 3 else ''}",
            file=file,
            field="num_hidden_layers",
            hint="fetch its config.json again",
        )
    if (getattr(network.config.get_text_config(), "num_hidden_layers", 1) or 0) < 1:
        raise UserError("has no layers", file=file, field="num_hidden_layers", hint="fetch its config.json again")
    output = network.get_output_embeddings()
    if _is_read_here() and output is not None and not output.weight.is_meta and not bool(output.weight.any()):
        raise UserError("has weights that are all zero", file=file, hint="its file is damaged: fetch or train it again")


def _is_read_here() -> bool:
    """With FSDP of accelerate, a machine's first process reads the weights, and the others get them from it."""
    from transformers.integrations import is_fsdp_enabled
    from transformers.modeling_utils import is_local_dist_rank_0

    return not is_fsdp_enabled() or bool(is_local_dist_rank_0())
