"""Parameters of a step function, of the type that its signature names."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

from w2s.flow.step import Params


def params_of(step: Callable[..., Any], fields: dict[str, Any]) -> Params:
    """Those of `fields` that the step has; unchecked, so that a test can give just those that it is about."""
    kind: type[Params] = typing.get_type_hints(step)["context"].__args__[0]
    return kind.model_construct(**{name: value for name, value in fields.items() if name in kind.model_fields})
