"""From what a recipe calls a model to files on disk and an identity that is safe to fingerprint."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from pathlib import Path

from w2s import adapters
from w2s.errors import UserError

ASSETS = Path(__file__).parent / "assets"
"""The shipped models, one folder each."""

_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
_IDENTITY = ("*.json", "*.model", "*.txt", "*.jinja", "*.safetensors")


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model that can be loaded.

    `path_or_id` is a folder or a hub id, `revision` the hub commit (None for folders). `identity` is equal for
    equal models: the digest of the folder's weights, configuration and tokenizer, or the hub commit. That of a PEFT
    adapter's folder is of its files and of its base.
    """

    path_or_id: str
    revision: str | None
    identity: str


def resolve(reference: str | Path, offline: bool = False) -> ResolvedModel:
    """Find a model by reference.

    "w2s:NAME" (shipped), a folder, "owner/name[@revision]" (hub), "openai:NAME" (on a server, which is not asked: the
    name is the identity, so other weights need another name), "scripted:module:function".

    Raises:
        UserError: there is no such model, it has no configuration, tokenizer or safetensors weights, or the hub
            cannot be asked.
    """
    text = str(reference)
    if text.startswith(("openai:", "scripted:")):
        return ResolvedModel(text, None, text)
    local = _local(text)
    if local is not None:
        base, adapter = adapters.split(local)
        return _folder(local) if adapter is None else _adapter(adapter, resolve(base, offline))
    name, _, revision = text.partition("@")
    if isinstance(reference, Path) or text.startswith((".", "/", "~")) or name.count("/") != 1:
        raise UserError(
            f"there is no model {text!r}",
            field="model",
            expected=f"a shipped model ({', '.join(shipped())}), a folder, or a hub id like owner/name@revision",
            mend="check the path; it is relative to where you are",
        )
    return _hub(name, revision or None, offline)


def folder(reference: str | Path, offline: bool = False) -> Path:
    """The folder of a model that can be trained; one of the hub is fetched whole first.

    Raises:
        UserError: as `resolve`; or the model has no folder at all, being on a server or a script.
    """
    found = resolve(reference, offline)
    if found.path_or_id.startswith(("openai:", "scripted:")):
        raise UserError(
            f"{found.path_or_id!r} has no weights here", field="model", expected="a model that can be trained"
        )
    if found.revision is None:
        return Path(found.path_or_id)
    import huggingface_hub

    try:
        return Path(
            huggingface_hub.snapshot_download(
                found.path_or_id, revision=found.revision, local_files_only=offline, allow_patterns=list(_IDENTITY)
            )
        )
    except Exception as error:  # the transport errors of the hub's client have no stable base class
        raise UserError(
            f"the hub could not give {found.path_or_id} ({type(error).__name__})",
            field="model",
            mend=f"fetch it by hand: hf download {found.path_or_id} --local-dir FOLDER, and give FOLDER",
        ) from error


def pinned(reference: str, offline: bool = False) -> str:
    """The reference with the hub's commit in it; a folder's stays as it is. Weights are not looked at.

    Raises:
        UserError: as `resolve`.
    """
    if _local(reference) is not None:
        return reference
    found = resolve(reference, offline)
    return f"{found.path_or_id}@{found.revision}" if found.revision else found.path_or_id


def file(reference: str, name: str, offline: bool = False) -> Path | None:
    """One file of a model, None where it has no such file; of a hub model that file alone is fetched.

    Raises:
        UserError: the hub could not give it.
    """
    folder = _local(reference)
    if folder is not None:
        return folder / name if (folder / name).is_file() else None
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    repository, _, revision = reference.partition("@")
    try:
        return Path(
            huggingface_hub.hf_hub_download(repository, name, revision=revision or None, local_files_only=offline)
        )
    except Exception as error:  # the transport errors of the hub's client have no stable base class
        unreachable = isinstance(error, LocalEntryNotFoundError) and not offline
        if isinstance(error, EntryNotFoundError) and not unreachable:
            return None
        raise UserError(
            f"the hub could not give {name} of {repository} ({type(error).__name__})",
            field="model",
            mend=f"fetch it by hand: hf download {repository} --local-dir FOLDER, and give FOLDER",
        ) from error


def shipped() -> list[str]:
    """References of the models in the package."""
    return sorted(f"w2s:{folder.parent.name}" for folder in ASSETS.glob("*/config.json"))


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


def _local(reference: str) -> Path | None:
    if reference.startswith("w2s:"):
        return _shipped(reference)
    return Path(reference) if Path(reference).is_dir() else None


def _folder(folder: Path) -> ResolvedModel:
    names = {path.name for path in folder.iterdir()}
    _check(names, str(folder))
    return ResolvedModel(str(folder), None, f"sha256:{_digest(folder)}")


def _adapter(folder: Path, base: ResolvedModel) -> ResolvedModel:
    digest = hashlib.sha256(f"{_digest(folder)} on {base.identity}".encode()).hexdigest()
    return ResolvedModel(str(folder), None, f"sha256:{digest}")


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted({path for pattern in _IDENTITY for path in folder.glob(pattern)}):
        with open(path, "rb") as file:
            digest.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def _check(names: set[str], place: str) -> None:
    """Refuse a model by the names of its files, before anything is read or fetched."""
    if "config.json" not in names:
        raise UserError("is not a model: it has no config.json", file=place, mend="give the folder of a saved model")
    if not names.intersection(_TOKENIZERS):
        raise UserError(
            "has no tokenizer",
            file=place,
            expected=" or ".join(_TOKENIZERS),
            mend="save the tokenizer beside the model",
        )
    if not any(name.endswith(".safetensors") for name in names):
        pickled = any(name.endswith((".bin", ".pt", ".pth")) for name in names)
        raise UserError(
            "has only pickled weights, which can run code when loaded" if pickled else "has no weights",
            file=place,
            expected="*.safetensors",
            mend="save the model again with save_pretrained (it writes safetensors)",
        )


def _hub(name: str, revision: str | None, offline: bool) -> ResolvedModel:
    import huggingface_hub
    from huggingface_hub import constants  # not an attribute before somebody imports it
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    place = name if revision is None else f"{name}@{revision}"
    if offline or constants.HF_HUB_OFFLINE:
        cached = huggingface_hub.try_to_load_from_cache(name, "config.json", revision=revision)
        if not isinstance(cached, str):
            raise UserError(
                f"the model {place} is not on this machine, and the hub may not be asked (offline)",
                field="model",
                mend="fetch it once without offline, or give a folder",
            )
        snapshot = Path(cached).parent
        _check({path.name for path in snapshot.iterdir()}, place)
        return ResolvedModel(name, snapshot.name, f"hub:{name}@{snapshot.name}")
    try:
        info = huggingface_hub.HfApi().model_info(name, revision=revision)
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise UserError(
            f"the hub has no model {place}, or it is gated and you are not logged in",
            field="model",
            mend="check the name and revision (there is no such folder either); for a gated model run `hf auth login`",
        ) from error
    except Exception as error:  # the transport errors of the hub's client have no stable base class
        raise UserError(
            f"the hub could not be asked for {place} ({type(error).__name__})",
            field="model",
            mend="check the connection, or use runtime.offline=true with a model fetched before; "
            f"if {name} was meant to be a folder, there is none",
        ) from error
    _check({sibling.rfilename for sibling in info.siblings or []}, place)
    return ResolvedModel(name, info.sha, f"hub:{name}@{info.sha}")
