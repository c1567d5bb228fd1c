"""Where a model is: folder, package, GGUF file, hub, or server."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from w2s.errors import UserError
from w2s.models import files, gguf, hub, pypi


@dataclass(frozen=True)
class Kind:
    """A kind of model; `text` is the reference without options.

    Raises:
        UserError: from its methods, if the model is missing, incomplete, or cannot be made.
    """

    text: str

    def identity(self, offline: bool) -> str:
        """Equal for equal models. Fetches nothing."""
        raise NotImplementedError

    def pinned(self, offline: bool) -> Kind:
        """At the hub's commit."""
        return self

    def local(self) -> Path | None:
        """The folder here, or None; an adapter's base's."""
        raise NotImplementedError

    def folder(self, offline: bool) -> Path:
        """Fetched or made if needed."""
        raise NotImplementedError

    def file(self, name: str, offline: bool) -> Path | None:
        """One tokenizer or configuration file."""
        path = self.folder(offline) / name
        return path if path.is_file() else None

    def has_files(self) -> bool:
        """Whether `file` needs no whole model."""
        return True


@dataclass(frozen=True)
class Served(Kind):
    """A server or script. Its name is the identity: other weights need another."""

    def identity(self, offline: bool) -> str:
        return self.text

    def local(self) -> Path | None:
        return None

    def folder(self, offline: bool) -> Path:
        raise UserError(f"{self.text!r} has no weights here", field="model", expected="a model that can be trained")

    def file(self, name: str, offline: bool) -> Path | None:
        return None


@dataclass(frozen=True)
class ServedChat(Served):
    """A chat server, which has the template."""


@dataclass(frozen=True)
class Missing(Kind):
    """A reference to nothing here, for plans."""

    error: UserError = field(compare=False)

    def identity(self, offline: bool) -> str:
        raise self.error

    def local(self) -> Path | None:
        return None

    def folder(self, offline: bool) -> Path:
        raise self.error


@dataclass(frozen=True)
class Folder(Kind):
    """A whole model."""

    path: Path

    def identity(self, offline: bool) -> str:
        return f"sha256:{files.digest(self.folder(offline))}"

    def local(self) -> Path | None:
        return self.path

    def folder(self, offline: bool) -> Path:
        files.check_folder(self.path, str(self.path))
        return self.path

    def file(self, name: str, offline: bool) -> Path | None:
        path = self.path / name
        return path if path.is_file() else None


@dataclass(frozen=True)
class Gguf(Kind):
    """A GGUF file."""

    path: Path

    def identity(self, offline: bool) -> str:
        return gguf.identity(self.path)

    def local(self) -> Path | None:
        return gguf.cached(gguf.identity(self.path))

    def folder(self, offline: bool) -> Path:
        return gguf.folder(self.path, gguf.identity(self.path))

    def has_files(self) -> bool:
        return self.local() is not None


@dataclass(frozen=True)
class Package(Kind):
    """A GGUF file in a Python package."""

    def identity(self, offline: bool) -> str:
        return pypi.identity(self.text)

    def local(self) -> Path | None:
        return gguf.cached(pypi.identity(self.text))

    def folder(self, offline: bool) -> Path:
        return pypi.folder(self.text, offline)

    def has_files(self) -> bool:
        return self.local() is not None


@dataclass(frozen=True)
class Hub(Kind):
    """A hub model, "owner/name@revision"."""

    commit: str | None = None
    """Once the hub was asked."""

    @property
    def name(self) -> str:
        return self.text.partition("@")[0]

    @property
    def revision(self) -> str | None:
        return self.commit or self.text.partition("@")[2] or None

    def pinned(self, offline: bool) -> Hub:
        commit = self.commit or hub.find(self.name, self.revision, offline)
        return replace(self, text=f"{self.name}@{commit}", commit=commit)

    def identity(self, offline: bool) -> str:
        return f"hub:{self.pinned(offline).text}"

    def local(self) -> Path | None:
        return hub.cached(self.name, self.revision)

    def folder(self, offline: bool) -> Path:
        return hub.fetch(self.name, str(self.pinned(offline).commit), offline)

    def file(self, name: str, offline: bool) -> Path | None:
        return hub.file(self.name, self.revision, name, offline)
