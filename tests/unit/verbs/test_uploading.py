"""What `w2s export` sends to the hub, and what never leaves."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from exportable import made

import w2s
from w2s import models
from w2s.errors import UserError

CLIENT = pytest.importorskip("huggingface_hub").HfApi


class FakeHub:
    """`huggingface_hub.HfApi`, without a network."""

    def __init__(self, *existing: str, refuses: bool = False) -> None:
        self.existing, self.refuses = set(existing), refuses
        self.calls: list[tuple[Any, ...]] = []
        self.sent: dict[str, bytes] = {}

    def known(self, method: str, *arguments: Any, **options: Any) -> None:
        """The real client has such a method with such parameters."""
        inspect.signature(getattr(CLIENT, method)).bind(self, *arguments, **options)

    def repo_exists(self, name: str, *, repo_type: str) -> bool:
        self.known("repo_exists", name, repo_type=repo_type)
        return f"{repo_type}:{name}" in self.existing

    def create_repo(self, name: str, *, repo_type: str, private: bool) -> None:
        self.known("create_repo", name, repo_type=repo_type, private=private)
        if self.refuses:
            raise PermissionError("401 Client Error\nmore")
        self.calls.append(("create", name, repo_type, private))

    def upload_folder(self, *, repo_id: str, repo_type: str, folder_path: str, commit_message: str) -> None:
        sent = {"folder_path": folder_path, "commit_message": commit_message}
        self.known("upload_folder", repo_id=repo_id, repo_type=repo_type, **sent)
        self.calls.append(("upload", repo_id, repo_type))
        self.sent = {path.name: path.read_bytes() for path in Path(folder_path).iterdir()}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Any:
    import huggingface_hub

    def use(fake: FakeHub) -> FakeHub:
        monkeypatch.setattr(huggingface_hub, "HfApi", lambda: fake)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        return fake

    return use


def test_only_hub_sends_anything(run: Path, tmp_path: Path, hub: Any) -> None:
    """One private repository of one commit; the names of this machine's folders are not in its card."""
    fake = hub(FakeHub("model:org/taken"))
    w2s.export(run, tmp_path / "out", model="m_plus")
    assert fake.calls == []
    told = w2s.export(run, "hub:org/new", model="m_plus")
    assert fake.calls == [("create", "org/new", "model", True), ("upload", "org/new", "model")]
    assert told.to == "https://huggingface.co/org/new (private)" and set(fake.sent) == set(told.files)
    assert b"vllm serve org/new" in fake.sent["README.md"] and b"# org/new\n" in fake.sent["README.md"]
    fake = hub(FakeHub())
    told = w2s.export(run, "hub:org/rows", data="stage2_pairs", public=True)
    assert fake.calls == [("create", "org/rows", "dataset", False), ("upload", "org/rows", "dataset")]
    assert told.to == "https://huggingface.co/datasets/org/rows (public)"
    assert b'load_dataset("org/rows", "stage2_pairs"' in fake.sent["README.md"]
    with pytest.raises(UserError, match=r"\[--to\]: the model org/taken exists on the hub"):
        hub(FakeHub("model:org/taken"))
        w2s.export(run, "hub:org/taken", model="m_plus")
    with pytest.raises(UserError, match=r"could not be written on the hub \(PermissionError: 401(.|\n)*hf auth login"):
        hub(FakeHub(refuses=True))
        w2s.export(run, "hub:org/new", model="m_plus")


def test_folders_of_this_machine_stay_here(tmp_path: Path, hub: Any) -> None:
    weak = tmp_path / "home" / "secret" / "weak"
    shutil.copytree(models.ASSETS / "tiny-weak", weak)
    run = made(tmp_path / "run", str(models.ASSETS / "tiny-strong"), f"weak={weak}", "runtime.server=http://inside:80")
    fake = hub(FakeHub())
    w2s.export(run, "hub:org/new", model="m_plus")
    card = fake.sent["README.md"].decode()
    assert "secret" not in card and "inside" not in card and "weak: weak" in card
    with pytest.raises(UserError, match=r"an adapter on .*tiny-strong, which is on this machine only(.|\n)*--merge"):
        w2s.export(run, "hub:org/new", model="m_pro_dpo")


def test_the_hub_is_not_asked_offline(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: SimpleNamespace())
    with pytest.raises(UserError, match="the hub may not be asked"):
        w2s.export(run, "hub:org/new", model="m_plus")


@pytest.mark.parametrize("name", ["../..", "-a/b", "a--b/c", "a/b.git", "é/b", "a/" + "x" * 200])
def test_a_name_that_the_hub_would_not_take_is_refused_before_anything_is_made(run: Path, hub: Any, name: str) -> None:
    fake = hub(FakeHub())
    with pytest.raises(UserError, match=r"\[--to\]: .* (is no name of the hub|names no repository)"):
        w2s.export(run, f"hub:{name}", model="m_plus")
    assert fake.calls == []
