"""What scripts/engine_parity.py counts. Its engines need models and vLLM, and run by hand."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

_SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "engine_parity.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("engine_parity_script", _SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([1, 2, 3], [1, 2, 3], (3, 3)),
        ([1, 2, 3], [1, 9, 3], (1, 3)),  # what is equal again after the difference does not count
        ([1, 2], [1, 2, 3, 4], (2, 4)),  # a text that ends early differs there
        ([], [5], (0, 1)),
        ([], [], (0, 0)),
    ],
)
def test_tokens_before_the_first_difference(script: ModuleType, one: list, other: list, expected: tuple) -> None:
    assert script.alike(one, other) == script.alike(other, one) == expected
