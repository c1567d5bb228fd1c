"""A model, from its reference to an identity and a folder."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from w2s.config import references
from w2s.config.references import Reference
from w2s.errors import UserError
from w2s.models import adapters, cache, cut, files, pypi
from w2s.models.kinds import Folder, Gguf, Hub, Kind, Missing, Package, Served, ServedChat

ASSETS = Path(__file__).parent.parent / "assets"
"""Shipped models, one folder each."""


@dataclass(frozen=True)
class Model:
    """A model; `str` is its reference.

    Args:
        kind: where it comes from.
        layers: decoder layers kept; None: all.
        quantize: "4bit" or None.
        offline: never ask a hub.

    Raises:
        UserError: from its methods, as `Kind`; or a layer is missing.
    """

    kind: Kind
    layers: tuple[int, ...] | None = None
    quantize: str | None = None
    offline: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return str(Reference(self.kind.text, self.layers, self.quantize))

    @cached_property
    def identity(self) -> str:
        """Equal for equal models. Fetches nothing."""
        self._check_layers()
        return str(Reference(self.kind.identity(self.offline), self.layers, self.quantize))

    def pinned(self) -> Model:
        """At the hub's commit."""
        return replace(self, kind=self.kind.pinned(self.offline))

    def folder(self) -> Path:
        """Fetched or made if needed, then kept (`w2s.models.cache`)."""
        if self.layers is None or isinstance(self.kind, Served):
            return self.kind.folder(self.offline)
        self._check_layers()
        layers, key = self.layers, str(Reference(self.kind.identity(self.offline), self.layers))
        return cache.make(_cache_name("cut", key), lambda out: cut.keep(self.kind.folder(self.offline), layers, out))

    def location(self) -> tuple[str, str | None]:
        """(folder or hub id, hub commit). Fetches no whole hub model."""
        kind = self.kind.pinned(self.offline)
        if isinstance(kind, Hub) and self.layers is None:
            return kind.name, kind.commit
        return (kind.text if isinstance(kind, Served) else str(self.folder())), None

    def local(self) -> Path | None:
        """The folder here with all layers, or None."""
        return self.kind.local()

    def file(self, name: str) -> Path | None:
        """One tokenizer file, or None. Fetches nothing else."""
        return self.kind.file(name, self.offline)

    @property
    def adapter(self) -> Path | None:
        """The PEFT adapter's folder, if it stays unmerged."""
        return self.kind.path if isinstance(self.kind, Adapter) and self.layers is None else None

    def _check_layers(self) -> None:
        whole = None if self.layers is None else self.local()
        if self.layers is not None and whole is not None and (whole / "config.json").is_file():
            cut.config(files.read_json(whole / "config.json"), self.layers, self.kind.text)


@dataclass(frozen=True)
class Adapter(Kind):
    """A PEFT adapter; `folder` merges it."""

    path: Path

    def base(self, offline: bool) -> Model:
        """The adapter's base.

        Raises:
            UserError: as `adapters.split` and `find`.
        """
        return find(adapters.split(self.path)[0], offline)

    def identity(self, offline: bool) -> str:
        base = self.base(offline)
        return f"adapter:{adapters.digest(self.path)} on {base.identity}"

    def local(self) -> Path | None:
        try:
            return self.base(offline=True).local()
        except UserError:  # nothing can be read; loading the model says why
            return None

    def folder(self, offline: bool) -> Path:
        name = _cache_name("merged", self.identity(offline))
        return cache.make(name, lambda out: adapters.save_merged(self.base(offline).folder(), self.path, out))

    def file(self, name: str, offline: bool) -> Path | None:
        if not (self.path / "tokenizer_config.json").is_file():  # then its tokenizer is the base's
            return self.base(offline).file(name)
        return self.path / name if (self.path / name).is_file() else None


def find(reference: str | Path, offline: bool = False, *, may_be_missing: bool = False) -> Model:
    """The model of a reference; a `Path` is always a file or folder. Asks no hub.

    A reference is "w2s:NAME", a folder, "FILE.gguf", "pypi:NAME", "owner/name[@revision]" (hub), "openai:NAME",
    "openai-chat:NAME" or "scripted:module:function", with options (`w2s.config.references`).
    With `may_be_missing` it raises when used.

    Raises:
        UserError: no such model, or a wrong option.
    """
    parsed = _parse(reference)
    kind: Kind
    try:
        kind = _kind(parsed.source, local=isinstance(reference, Path))
    except UserError as error:
        if not may_be_missing:
            raise
        kind = Missing(parsed.source, error)
    return Model(kind, parsed.layers, parsed.quantize, offline)


def shipped() -> list[str]:
    """References of the shipped models."""
    return sorted(f"w2s:{config.parent.name}" for config in ASSETS.glob("*/config.json"))


def _parse(reference: str | Path) -> Reference:
    if isinstance(reference, Path):
        return Reference(str(reference))
    try:
        return references.parse(reference)
    except ValueError as error:
        raise UserError(
            str(error), field="model", expected="SOURCE, SOURCE#layers=0-9,28 or SOURCE#quantize=4bit (joined by &)"
        ) from error


def _kind(source: str, local: bool) -> Kind:
    path = Path(source)
    if source.startswith("openai-chat:"):
        return ServedChat(source)
    if source.startswith(("openai:", "scripted:")):
        return Served(source)
    if source.startswith("w2s:"):
        return Folder(source, _shipped(source))
    if source.startswith("pypi:"):
        pypi.find(source)
        return Package(source)
    if path.is_dir():
        return (Adapter if adapters.is_adapter(path) else Folder)(source, path)
    if source.casefold().endswith(".gguf"):
        if path.is_file():
            return Gguf(source, path)
        raise UserError("there is no such file", file=source, hint="check the path; it is relative to where you are")
    if local or source.startswith((".", "/", "~")) or source.partition("@")[0].count("/") != 1:
        raise UserError(
            f"there is no model {source!r}",
            field="model",
            expected=f"a shipped model ({', '.join(shipped())}), a package ({', '.join(pypi.names())}), a folder, "
            "a .gguf file, or a hub id like owner/name@revision",
            hint="check the path; it is relative to where you are",
        )
    return Hub(source)


def _shipped(reference: str) -> Path:
    if reference in shipped():
        return ASSETS / reference.removeprefix("w2s:")
    close = difflib.get_close_matches(reference, shipped(), n=1)
    raise UserError(
        f"there is no shipped model {reference!r}",
        field="model",
        expected=", ".join(shipped()) or "(this installation has none)",
        hint=f"did you mean {close[0]}?" if close else None,
    )


def _cache_name(kind: str, key: str) -> str:
    return f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:32]}"
