"""Models: `find` turns a reference into a `Model`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from w2s.models.model import ASSETS as ASSETS
from w2s.models.model import Model as Model
from w2s.models.model import find as find
from w2s.models.model import shipped as shipped


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """What an engine loads. `revision`: the hub commit."""

    path_or_id: str
    revision: str | None
    identity: str
    quantize: str | None = None


def resolve(reference: str | Path, offline: bool = False) -> ResolvedModel:
    """The pinned model of a reference, made if needed.

    Raises:
        UserError: as `find` and `Model.folder`.
    """
    model = find(reference, offline).pinned()
    identity = model.identity
    return ResolvedModel(*model.location(), identity, model.quantize)


def identify(reference: str | Path, offline: bool = False) -> str:
    """`Model.identity` of a reference.

    Raises:
        UserError: as `find` and `Model.identity`.
    """
    return find(reference, offline).identity


def folder(reference: str | Path, offline: bool = False) -> Path:
    """`Model.folder` of a reference.

    Raises:
        UserError: as `find` and `Model.folder`.
    """
    return find(reference, offline).folder()
