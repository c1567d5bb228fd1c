"""What records say of the software."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

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


def test_a_record_names_command_and_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance.sys, "argv", ["w2s", "run", "a file.yaml"])
    found = provenance.provenance()
    assert found["command"] == "w2s run 'a file.yaml'" and "cores" in found["processor"]
    assert all(isinstance(value, str) and value for value in found.values())


def test_a_package_outside_a_source_tree_has_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "site-packages/w2s/flow/provenance.py"))
    assert provenance._commit() == ""


def test_peak_memory_does_not_fall() -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc: peak memory is not known here")
    before = provenance.memory_peak()
    block = bytearray(b"1" * 60_000_000)
    held = provenance.memory_peak()
    del block
    after = provenance.memory_peak()
    assert before and held and after and after >= held >= before > 1_000_000
