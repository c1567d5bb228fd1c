"""What `w2s export` sends to the hub, and what never leaves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from exportable import made
from fake_hub import FakeHub, use

import w2s
from w2s import models
from w2s.errors import UserError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeHub], FakeHub]:
    return lambda fake: use(fake, monkeypatch)


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


def test_without_a_token_nothing_is_made(run: Path, hub: Any) -> None:
    fake = hub(FakeHub(knows=False))
    with pytest.raises(UserError, match=r"who you are \(PermissionError: Invalid user token\.\)(.|\n)*HF_TOKEN"):
        w2s.export(run, "hub:org/new", model="m_plus")
    assert fake.calls == []


def test_an_adapter_on_a_model_of_the_hub_names_it(tmp_path: Path, hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training notes the folder in the hub's cache. The recipe says whose, the folder's name which commit."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    copy = tmp_path / "cache" / "models--org--strong" / "snapshots" / COMMIT
    shutil.copytree(models.ASSETS / "tiny-strong", copy)
    run = made(tmp_path / "run", str(copy), "strong=org/strong")
    fake = hub(FakeHub())
    w2s.export(run, "hub:org/new", model="m_pro_dpo")
    config, card = json.loads(fake.sent["adapter_config.json"]), fake.sent["README.md"].decode()
    assert (config["base_model_name_or_path"], config["revision"]) == ("org/strong", COMMIT)
    assert 'base_model: "org/strong"' in card and str(tmp_path) not in card
    assert f"vllm serve org/strong --revision {COMMIT} --enable-lora" in card
    assert "pretrained=org/strong,peft=org/new" in card
    other = made(tmp_path / "other", str(copy), "strong=org/another")
    with pytest.raises(UserError, match="which is on this machine only"):
        w2s.export(other, "hub:org/new", model="m_pro_dpo")


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
