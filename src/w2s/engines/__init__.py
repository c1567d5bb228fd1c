"""Engines turn prompts into completions."""

from __future__ import annotations

import importlib
from pathlib import Path

from w2s.engines.base import Engine, Loading
from w2s.errors import UserError, one_of

TABLE = {
    "transformers": "w2s.engines.transformers:load",
    "vllm": "w2s.engines.vllm:load",
    "openai": "w2s.engines.openai:load",
    "scripted": "w2s.engines.scripted:load",
}
"""Engine name -> "module:function"."""

EXTRAS = {"transformers": "train"}
"""Engine name -> its extra, where the names differ."""


def load(model: str | Path, loading: Loading | None = None) -> Engine:
    """Load `model`, a reference of `w2s.models.resolve`; imports one engine only.

    Raises:
        UserError: no such engine, or the model cannot be loaded.
    """
    loading = loading or Loading()
    name = loading.engine
    one_of("engine", name, TABLE, "engine")
    module, function = TABLE[name].split(":")
    try:
        imported = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise UserError(
            f"the engine {name} needs the package {error.name}, which is not installed",
            field="engine",
            hint=f"pip install 'w2s-reasoning[{EXTRAS.get(name, name)}]'",
        ) from error
    engine: Engine = getattr(imported, function)(model, loading)
    return engine
