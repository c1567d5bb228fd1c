"""Engines turn prompts into texts. `load` finds one by name and imports only that one."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from w2s.config import Dtype, Runtime
from w2s.errors import UserError

if TYPE_CHECKING:
    from w2s.engines.base import Engine

TABLE = {
    "transformers": "w2s.engines.transformers:load",
    "vllm": "w2s.engines.vllm:load",
    "openai": "w2s.engines.openai:load",
    "scripted": "w2s.engines.scripted:load",
}
"""Engine name -> "module:function". A new engine is one line here and one module."""

EXTRAS = {"transformers": "train"}
"""Engine name -> the extra that installs what it needs, where that has another name."""


def load(
    engine: str,
    model: str | Path,
    *,
    dtype: Dtype = "float32",
    trust_remote_code: bool = False,
    runtime: Runtime | None = None,
) -> Engine:
    """Load `model` (any reference that `w2s.models.resolve` understands) in the engine called `engine`.

    Args:
        engine: a name of `TABLE`.
        model: the reference.
        dtype: of weights and cache.
        trust_remote_code: let the model folder run its own Python code.
        runtime: where and how; nothing in it changes a text (beyond the last bits of floating point).

    Raises:
        UserError: there is no such engine, or the model cannot be loaded.
    """
    if engine not in TABLE:
        raise UserError(f"there is no engine called {engine!r}", field="engine", expected=" or ".join(TABLE))
    module, function = TABLE[engine].split(":")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise UserError(
            f"the engine {engine} needs the package {error.name}, which is not installed",
            field="engine",
            mend=f"pip install 'w2s-reasoning[{EXTRAS.get(engine, engine)}]'",
        ) from error
    loaded: Engine = getattr(found, function)(
        model, dtype=dtype, trust_remote_code=trust_remote_code, runtime=runtime or Runtime()
    )
    return loaded
