"""A hub that is not there, or says no: each case has one message, with what to do about it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import errors

from w2s import models
from w2s.errors import UserError

FILES = ("config.json", "tokenizer.json", "model.safetensors")


class _Hub:
    """As much of the hub's client as is used; `refuse` maps a call to the error it raises."""

    def __init__(self, files=FILES, gated=False, refuse=None) -> None:
        self.files, self.gated, self.refuse = files, gated, refuse or {}

    def model_info(self, name: str, revision: str | None = None) -> SimpleNamespace:
        self._maybe("model_info")
        siblings = [SimpleNamespace(rfilename=file) for file in self.files]
        return SimpleNamespace(sha="abc123", gated=self.gated, siblings=siblings)

    def auth_check(self, name: str) -> None:
        assert self.gated, "asked without need"
        self._maybe("auth_check")

    def _maybe(self, call: str) -> None:
        if call in self.refuse:
            raise self.refuse[call]


def _http(kind: type[Exception]) -> Exception:
    return kind.__new__(kind)  # they want a response of the transport's, which is not what is tested


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch):
    def use(**options: object) -> None:
        fake = _Hub(**options)  # type: ignore[arg-type]
        monkeypatch.setattr(huggingface_hub, "HfApi", lambda: fake)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)

    return use


def test_a_model_is_named_by_its_commit_and_not_fetched(hub) -> None:
    hub()
    assert models.resolve("owner/name@main") == models.ResolvedModel("owner/name", "abc123", "hub:owner/name@abc123")
    found = models.resolve("owner/name#quantize=4bit")
    assert (found.path_or_id, found.revision, found.quantize) == ("owner/name", "abc123", "4bit")
    assert models.identify("owner/name#layers=0,1") == "hub:owner/name@abc123#layers=0,1"


def test_a_gated_model_that_is_ours_is_found(hub) -> None:
    hub(gated="manual")
    assert models.resolve("owner/name").revision == "abc123"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gated": "auto", "refuse": {"auth_check": _http(errors.GatedRepoError)}}, r"is gated(.|\n)*hf auth login"),
        ({"refuse": {"model_info": _http(errors.GatedRepoError)}}, r"is gated(.|\n)*huggingface.co/owner/name"),
        ({"refuse": {"model_info": _http(errors.RepositoryNotFoundError)}}, r"has no model(.|\n)*check the name"),
        ({"refuse": {"model_info": _http(errors.RevisionNotFoundError)}}, r"has no model(.|\n)*revision"),
        ({"refuse": {"model_info": ConnectionError("no route")}}, r"could not be asked(.|\n)*check the connection"),
        ({"files": ("config.json", "tokenizer.json", "pytorch_model.bin")}, r"pickled(.|\n)*safetensors"),
        ({"files": ("config.json", "model.safetensors")}, "has no tokenizer"),
        ({"files": ("README.md",)}, "no config.json"),
    ],
    ids=["gated", "gated-at-once", "missing", "revision", "network", "pickled", "tokenizer", "empty"],
)
@pytest.mark.parametrize("call", [models.resolve, models.identify, models.folder])
def test_each_refusal_has_one_message(hub, options: dict, message: str, call) -> None:
    hub(**options)
    with pytest.raises(UserError, match=message):
        call("owner/name")


def test_layers_of_a_hub_model_are_cut_from_what_is_fetched(hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*arguments: object, **options: object) -> str:
        raise ConnectionError("cut off")

    hub()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    with pytest.raises(UserError, match=r"could not give owner/name(.|\n)*hf download"):
        models.resolve("owner/name#layers=0")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: str(Path(__file__).parent))
    assert models.folder("owner/name") == Path(__file__).parent
