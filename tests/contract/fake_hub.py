"""The client of the Hugging Face hub, without a network."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

CLIENT = huggingface_hub.HfApi


class FakeHub:
    """`huggingface_hub.HfApi`: `refuses` to write, and `knows` who asks."""

    def __init__(self, *existing: str, refuses: bool = False, knows: bool = True) -> None:
        self.existing, self.refuses, self.knows = set(existing), refuses, knows
        self.calls: list[tuple[Any, ...]] = []
        self.sent: dict[str, bytes] = {}

    def known(self, method: str, *arguments: Any, **options: Any) -> None:
        """The real client has such a method with such parameters."""
        inspect.signature(getattr(CLIENT, method)).bind(self, *arguments, **options)

    def whoami(self) -> dict[str, str]:
        self.known("whoami")
        if not self.knows:
            raise PermissionError("Invalid user token.")
        return {"name": "org"}

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


def use(fake: FakeHub, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """Let `w2s` ask it for a test."""
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: fake)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    return fake
