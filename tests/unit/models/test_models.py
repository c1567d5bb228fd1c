from __future__ import annotations

from pathlib import Path

import pytest

from w2s import models
from w2s.errors import UserError
from w2s.models import model


def _folder(place: Path, *, weights: str = "model.safetensors", content: bytes = b"w") -> Path:
    place.mkdir(parents=True)
    (place / "config.json").write_text("{}")
    (place / "tokenizer.json").write_text("{}")
    (place / weights).write_bytes(content)
    return place


def test_identity_of_a_folder_is_its_content(tmp_path: Path) -> None:
    first = models.resolve(str(_folder(tmp_path / "a")))
    same = models.resolve(_folder(tmp_path / "b"))
    assert first.path_or_id == str(tmp_path / "a") and first.revision is None
    assert first.identity == same.identity
    assert first.identity != models.resolve(_folder(tmp_path / "c", content=b"v")).identity
    (tmp_path / "b" / "README.md").write_text("notes do not count")
    assert models.resolve(tmp_path / "b").identity == first.identity
    (tmp_path / "b" / "tokenizer.json").write_text("{ }")
    assert models.resolve(tmp_path / "b").identity != first.identity


@pytest.mark.parametrize(
    ("missing", "message"),
    [("config.json", "no config.json"), ("tokenizer.json", "no tokenizer"), ("model.safetensors", "no weights")],
)
def test_an_incomplete_folder_is_refused(tmp_path: Path, missing: str, message: str) -> None:
    (_folder(tmp_path / "m") / missing).unlink()
    with pytest.raises(UserError, match=message):
        models.resolve(tmp_path / "m")


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="pickled"):
        models.resolve(_folder(tmp_path / "m", weights="pytorch_model.bin"))


def test_shipped_models_are_found_and_misspellings_mended(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(model, "ASSETS", tmp_path)
    _folder(tmp_path / "tiny-weak")
    _folder(tmp_path / "tiny-strong")
    assert models.shipped() == ["w2s:tiny-strong", "w2s:tiny-weak"]
    assert models.resolve("w2s:tiny-weak").path_or_id == str(tmp_path / "tiny-weak")
    with pytest.raises(UserError, match="did you mean w2s:tiny-weak"):
        models.resolve("w2s:tiny-waek")


@pytest.mark.parametrize("reference", ["./nothing", "/no/folder", "just-a-name", Path("a/b")])
def test_what_is_no_hub_id_never_reaches_the_hub(reference: str | Path) -> None:
    with pytest.raises(UserError, match="there is no model"):
        models.resolve(reference)


def test_scripted_references_are_their_own_identity() -> None:
    assert models.resolve("scripted:a:b").identity == "scripted:a:b"


def test_one_file_of_a_folder_or_none(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "m")
    found = models.find(str(folder))
    assert found.pinned() == found and str(found) == str(folder)
    assert found.file("config.json") == folder / "config.json"
    assert found.file("chat_template.jinja") is None


def test_of_a_hub_model_only_the_file_is_fetched_at_one_commit(tmp_path: Path, monkeypatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    asked = []

    def download(name, file, *, revision, local_files_only):
        asked.append((name, file, revision, local_files_only))
        if file == "gone":
            raise EntryNotFoundError.__new__(EntryNotFoundError)
        if file == "unreachable":
            raise LocalEntryNotFoundError("no connection")
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(models.hub, "find", lambda *_: "abc")
    assert str(models.find("owner/name#layers=0-2").pinned()) == "owner/name@abc#layers=0-2"
    pinned = models.find("owner/name").pinned()
    assert str(pinned) == "owner/name@abc" and pinned.identity == "hub:owner/name@abc"
    assert pinned.file("config.json") == tmp_path / "config.json"
    assert pinned.file("gone") is None
    offline = models.find("owner/name@abc", offline=True)
    assert offline.file("unreachable") is None  # a file that was not fetched before is one that the model lacks
    with pytest.raises(UserError, match="the hub could not give unreachable of owner/name"):
        pinned.file("unreachable")
    assert asked[0] == ("owner/name", "config.json", "abc", False) and asked[2][3] is True


@pytest.mark.parametrize("call", [models.identify, models.resolve, models.folder, models.find])
def test_bad_options_are_told(tmp_path: Path, call) -> None:
    with pytest.raises(UserError, match=r"did you mean 'layers'(.|\n)*SOURCE#layers=0-9,28"):
        call(f"{_folder(tmp_path / 'm')}#layer=1")


def test_a_path_is_taken_as_it_is_and_a_text_has_options(tmp_path: Path) -> None:
    odd = _folder(tmp_path / "m#quantize=4bit")
    assert models.resolve(odd).quantize is None and models.resolve(odd).path_or_id == str(odd)
    found = models.resolve(f"{_folder(tmp_path / 'm')}#quantize=4bit")
    assert (found.path_or_id, found.quantize) == (str(tmp_path / "m"), "4bit")
    assert (
        found.identity == models.identify(tmp_path / "m") + "#quantize=4bit" == models.identify(odd) + "#quantize=4bit"
    )
    assert models.folder(f"{tmp_path / 'm'}#quantize=4bit") == tmp_path / "m"


def test_what_is_not_here_has_no_weights() -> None:
    model = models.find("openai:name")
    assert (model.local(), model.identity, model.file("config.json")) == (None, "openai:name", None)
    with pytest.raises(UserError, match="has no weights here"):
        models.folder("scripted:a:b")


def test_a_model_is_one_value(tmp_path: Path) -> None:
    text = f"{_folder(tmp_path / 'm')}#layers=0,1&quantize=4bit"
    (tmp_path / "m" / "config.json").write_text('{"num_hidden_layers": 2}')
    found = models.find(text)
    assert (str(found), found.layers, found.quantize, found.adapter) == (text, (0, 1), "4bit", None)
    assert found.local() == tmp_path / "m" and found == models.find(text, offline=True)
    with pytest.raises(UserError, match="has no layer 2: it has 2"):
        _ = models.find(f"{tmp_path / 'm'}#layers=2").identity


def test_an_identity_is_of_the_files_as_they_were_first_read(tmp_path: Path) -> None:
    found = models.find(str(_folder(tmp_path / "m")))
    first = found.identity
    (tmp_path / "m" / "model.safetensors").write_bytes(b"other")
    assert found.identity == first != models.find(str(tmp_path / "m")).identity


def test_a_plan_can_do_without_the_model() -> None:
    missing = models.find("no-such-name#quantize=4bit", may_be_missing=True)
    assert str(missing) == "no-such-name#quantize=4bit" and missing.local() is None
    for use in (missing.folder, lambda: missing.identity, lambda: missing.file("config.json")):
        with pytest.raises(UserError, match="there is no model 'no-such-name'"):
            use()
