"""What records say of the software."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

import pytest

from w2s.flow import provenance


@pytest.fixture(autouse=True)
def _uncached() -> Iterator[None]:
    provenance.versions.cache_clear()
    yield
    provenance.versions.cache_clear()


def test_what_is_installed_is_told_whether_it_is_loaded_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name not in ("vllm", "numpy", "something-else"):
            raise metadata.PackageNotFoundError(name)
        return f"{name} 1"

    monkeypatch.setattr(metadata, "version", version)
    assert provenance.versions().keys() == {"w2s", "python", "vllm", "numpy"}
    assert provenance.provenance()["vllm"] == "vllm 1"


def test_packages_are_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(metadata, "version", lambda name: asked.append(name) or "1")
    for _ in range(60):
        provenance.provenance()
    assert sorted(asked) == sorted(provenance.PACKAGES)
