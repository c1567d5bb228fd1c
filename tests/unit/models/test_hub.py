"""A hub that is not there, or says no: each case has one message, with what to do about it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import huggingface_hub.constants
import pytest
from huggingface_hub import errors

from w2s import models
from w2s.config.schema import Lora
from w2s.errors import UserError
from w2s.models import hub as models_hub
from w2s.preflight import trainings

FILES = ("config.json", "tokenizer.json", "model.safetensors")


class _Hub:
    """As much of the hub's client as is used; `refuse` maps a call to the error it raises."""

    def __init__(self, files=FILES, gated=False, refuse=None, sizes=None) -> None:
        self.files, self.gated, self.refuse, self.sizes = sizes or files, gated, refuse or {}, sizes or {}

    def model_info(self, name: str, revision: str | None = None, files_metadata: bool = False) -> SimpleNamespace:
        self._maybe("model_info")
        siblings = [SimpleNamespace(rfilename=file, size=self.sizes.get(file)) for file in self.files]
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
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the hub's client keeps models."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, cache: Path):
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
        ({"files": ("config.json", "tokenizer.json", "pytorch_model.bin", "values.safetensors")}, "has only pickled"),
        ({"files": ("config.json", "model.safetensors")}, "has no tokenizer"),
        ({"files": ("README.md",)}, "no config.json"),
    ],
    ids=["gated", "gated-at-once", "missing", "revision", "network", "pickled", "other", "tokenizer", "empty"],
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


def snapshot(cache: Path, commit: str, files: dict[str, str], **refs: str) -> Path:
    """Lay out a model in the hub's cache as its client does: snapshots/COMMIT/FILE, and refs/BRANCH with a commit."""
    folder = cache / "models--owner--name"
    (folder / "snapshots" / commit).mkdir(parents=True)
    for name, content in files.items():
        (folder / "snapshots" / commit / name).write_text(content)
    (folder / "refs").mkdir(exist_ok=True)
    for name, named in refs.items():
        (folder / "refs" / name).write_text(named)
    return folder / "snapshots" / commit


WHOLE = dict.fromkeys(FILES, "{}")
SHARDED = {
    "config.json": "{}",
    "tokenizer.json": "{}",
    "model.safetensors.index.json": '{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}',
    "model-1.safetensors": "",
}


@pytest.mark.parametrize("name", ["owner/name", "owner/name@main", "owner/name@v1.0", "owner/name@refs/pr/1"])
def test_what_was_fetched_once_is_found_offline_by_the_same_name(
    hub, cache: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As huggingface_hub 2.4: a download by commit makes a snapshot and no ref, since a commit needs none."""

    def fetch(name: str, *, revision: str, local_files_only: bool, allow_patterns: list[str]) -> str:
        assert (name, revision, local_files_only) == ("owner/name", "abc123", False)
        return str(snapshot(cache, "abc123", WHOLE))

    hub()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    with pytest.raises(UserError, match="not on this machine"):
        models.identify(name, offline=True)
    assert models.find(name).local() is None
    folder = models.folder(name)
    monkeypatch.setattr(huggingface_hub, "HfApi", None)  # whoever asks fails
    assert models.resolve(name, offline=True) == models.ResolvedModel("owner/name", "abc123", "hub:owner/name@abc123")
    assert models.find(name).local() == folder
    with pytest.raises(UserError, match="owner/name@other is not on this machine"):
        models.identify("owner/name@other", offline=True)


def test_a_branch_that_moved_is_found_where_it_is_now(hub, cache: Path) -> None:
    snapshot(cache, "old", WHOLE, main="old")
    snapshot(cache, "abc123", WHOLE)
    hub()
    assert models.identify("owner/name", offline=True) == "hub:owner/name@old"
    assert models.identify("owner/name") == "hub:owner/name@abc123"
    assert models.identify("owner/name", offline=True) == "hub:owner/name@abc123"


def test_a_branch_that_moved_stands_for_the_older_copy_until_the_newer_one_is_here(
    hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot(cache, "old", WHOLE, main="old")
    hub()
    assert models.identify("owner/name") == "hub:owner/name@abc123"
    assert models.identify("owner/name", offline=True) == "hub:owner/name@old"
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: str(snapshot(cache, "abc123", WHOLE)))
    models.folder("owner/name")
    assert models.identify("owner/name", offline=True) == "hub:owner/name@abc123"


def test_a_cache_that_cannot_be_written_stops_nothing(hub, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    hub()
    assert models.identify("owner/name") == "hub:owner/name@abc123"


@pytest.mark.parametrize("offline", [True, False])
def test_the_client_s_own_offline_switch_holds_for_single_files_too(
    hub, cache: Path, offline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is not in the cache offline is one that the model lacks, whoever set offline; the client is real."""
    snapshot(cache, "abc123", WHOLE, main="abc123")
    hub()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", not offline)
    assert models.find("owner/name", offline).file("chat_template.jinja") is None
    assert models.find("owner/name", offline).file("config.json") is not None


def test_a_training_from_a_cached_hub_model_is_looked_through_before_it_starts(hub, cache: Path) -> None:
    tiny = models.folder("w2s:tiny-weak")
    folder = snapshot(cache, "abc123", {}, main="abc123")
    for file in tiny.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    trainings.check(models.find("owner/name"), Lora())
    with pytest.raises(UserError, match="no layer that can be adapted: qkv"):
        trainings.check(models.find("owner/name"), Lora(targets=("qkv",)))
    (folder / "model.safetensors").unlink()  # half a download is left to training
    trainings.check(models.find("owner/name"), Lora(targets=("qkv",)))


@pytest.mark.parametrize("eos", ["</s>", None])
def test_a_hub_model_is_looked_at_before_its_weights_are_fetched(
    hub, cache: Path, eos: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"config.json": "{}", "tokenizer_config.json": json.dumps({"eos_token": eos})}
    place, asked = cache / "served", []
    place.mkdir(parents=True)

    def download(name: str, file: str, **options: object) -> str:
        asked.append(file)
        if file not in small:
            raise _http(errors.RemoteEntryNotFoundError)
        (place / file).write_text(small[file])
        return str(place / file)

    hub()
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    trainings.check(models.find("owner/name"), Lora())  # of a plan: nothing is fetched
    assert asked == []
    if eos:
        trainings.check(models.find("owner/name"), Lora(), fetching=True)
    else:
        with pytest.raises(UserError, match="no end-of-sequence token"):
            trainings.check(models.find("owner/name"), Lora(), fetching=True)
    assert asked and all(file.endswith(".json") for file in asked)


def test_what_would_be_fetched_is_what_the_hub_says(hub, cache: Path) -> None:
    """Weights and tokenizer are used, a README and pickled weights beside them are not: 5 + 7 + 1000 bytes."""
    hub(sizes={"config.json": 5, "tokenizer.json": 7, "model.safetensors": 1000, "README.md": 1, "old.bin": 9})
    models.find("owner/sized").pinned()
    assert models_hub.size("owner/sized", "abc123") == 1012 and models_hub.size("owner/other", "abc123") is None


def test_the_hub_is_not_asked_for_a_commit_that_is_here_whole(hub, cache: Path) -> None:
    commit = "c" * 40
    snapshot(cache, commit, WHOLE)
    hub(refuse={"model_info": ConnectionError("no route")})
    assert models.identify(f"owner/name@{commit}") == f"hub:owner/name@{commit}"
    with pytest.raises(UserError, match="could not be asked"):  # a branch may have moved
        models.identify("owner/name")


def test_half_a_download_is_not_taken_for_a_model(hub, cache: Path) -> None:
    commit = "c" * 40
    folder = snapshot(cache, commit, SHARDED, main=commit)
    hub(refuse={"model_info": ConnectionError("no route")})
    with pytest.raises(UserError, match="could not be asked"):
        models.identify(f"owner/name@{commit}")
    with pytest.raises(UserError, match=r"1 files that .*index.json names, the first is 'model-2.safetensors'"):
        models.identify("owner/name", offline=True)
    (folder / "model-2.safetensors").write_text("")
    assert models.identify("owner/name", offline=True) == f"hub:owner/name@{commit}"


def test_a_run_keeps_the_commit_it_began_with(hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The branch moves between two requests: from the first one on, steps are given the first one's commit."""
    from w2s import recipe
    from w2s.config import load

    commits = iter(["a" * 40, "b" * 40, "c" * 40])

    def model_info(name: str, revision: str | None = None, files_metadata: bool = False) -> SimpleNamespace:
        siblings = [SimpleNamespace(rfilename=file) for file in FILES]
        sha = revision if revision and len(revision) == 40 else next(commits)
        return SimpleNamespace(sha=sha, gated=False, siblings=siblings)

    hub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: SimpleNamespace(model_info=model_info))
    weak = models.folder("w2s:tiny-weak")  # what is looked at before the weights are fetched
    monkeypatch.setattr(models_hub, "file", lambda name, revision, file, offline: weak / file)
    asked = ["strong=owner/name#layers=0,1", "task.train_1=5", "task.train_2=5", "task.test=5"]
    steps = {step.name: step for step in recipe.build(load.load("tiny", asked))}
    for name in ("icl_answers", "m_plus", "strong_ceiling"):
        assert steps[name].params.model == f"hub:owner/name@{'a' * 40}#layers=0,1"
        assert str(steps[name].resources.model) == f"owner/name@{'a' * 40}#layers=0,1"
    assert str(steps["weak_floor"].resources.model) == "w2s:tiny-weak"
