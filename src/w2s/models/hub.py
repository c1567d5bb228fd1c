"""Requests to and downloads from the Hugging Face hub."""

from __future__ import annotations

import contextlib
import fnmatch
from pathlib import Path

from w2s.data import disk
from w2s.errors import UserError
from w2s.models import files


def find(name: str, revision: str | None, offline: bool) -> str:
    """The commit of a model. A complete local commit needs no request.

    Raises:
        UserError: no such model, access or connection, or an incomplete model.
    """
    import huggingface_hub
    from huggingface_hub import constants  # not an attribute before somebody imports it
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    place = name if revision is None else f"{name}@{revision}"
    snapshot = cached(name, revision)
    if snapshot is not None and revision == snapshot.name and files.whole(snapshot):
        return revision
    if offline or constants.HF_HUB_OFFLINE:
        if snapshot is None:
            raise UserError(
                f"the model {place} is not on this machine, and the hub may not be asked (offline)",
                field="model",
                hint="fetch it once without offline, or give a folder",
            )
        files.check_folder(snapshot, place)
        return snapshot.name
    hub = huggingface_hub.HfApi()
    try:
        info = hub.model_info(name, revision=revision, files_metadata=True)
        if getattr(info, "gated", False):  # its list of files is public, the files are not
            hub.auth_check(name)
    except GatedRepoError as error:
        raise UserError(
            f"the model {name} is gated, and you have no access to it",
            field="model",
            hint=f"accept its terms at https://huggingface.co/{name}, then run `hf auth login`",
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise UserError(
            f"the hub has no model {place}, or it is gated and you are not logged in",
            field="model",
            hint="check the name and revision (there is no such folder either); for a gated model run `hf auth login`",
        ) from error
    except Exception as error:  # the transport errors of the hub's client have no stable base class
        raise UserError(
            f"the hub could not be asked for {place} ({type(error).__name__})",
            field="model",
            hint="check the connection, or use runtime.offline=true with a model fetched before; "
            f"if {name} was meant to be a folder, there is none",
        ) from error
    files.check({sibling.rfilename for sibling in info.siblings or []}, place)
    commit = str(info.sha)
    _branches[name, commit] = revision or "main"
    sizes = {file.rfilename: getattr(file, "size", None) for file in info.siblings or [] if _is_used(file.rfilename)}
    _sizes[name, commit] = None if None in sizes.values() else sum(filter(None, sizes.values()))
    here = cached(name, commit)
    _keep(name, commit, only_new=here is None or not files.whole(here))
    return commit


def fetch(name: str, commit: str, offline: bool) -> Path:
    """The model's folder, downloaded if needed.

    Raises:
        UserError: the download fails.
    """
    import huggingface_hub

    try:
        folder = huggingface_hub.snapshot_download(
            name, revision=commit, local_files_only=offline, allow_patterns=list(files.IDENTITY)
        )
    except Exception as error:  # as above
        raise UserError(
            f"the hub could not give {name} ({type(error).__name__})",
            field="model",
            hint=f"fetch it by hand: hf download {name} --local-dir FOLDER, and give FOLDER",
        ) from error
    _keep(name, commit)
    return Path(folder)


def file(name: str, revision: str | None, filename: str, offline: bool) -> Path | None:
    """One file, downloaded if needed; None: no such file.

    Raises:
        UserError: the download fails.
    """
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    offline = offline or constants.HF_HUB_OFFLINE
    try:
        return Path(huggingface_hub.hf_hub_download(name, filename, revision=revision, local_files_only=offline))
    except Exception as error:  # as above
        unreachable = isinstance(error, LocalEntryNotFoundError) and not offline
        if isinstance(error, EntryNotFoundError) and not unreachable:
            return None
        raise UserError(
            f"the hub could not give {filename} of {name} ({type(error).__name__})",
            field="model",
            hint=f"fetch it by hand: hf download {name} --local-dir FOLDER, and give FOLDER",
        ) from error


def cached(name: str, revision: str | None) -> Path | None:
    """The local snapshot, maybe incomplete, or None."""
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError

    try:
        config = huggingface_hub.try_to_load_from_cache(name, "config.json", revision=revision)
    except HFValidationError:
        return None
    return Path(config).parent if isinstance(config, str) else None


def size(name: str, commit: str | None) -> int | None:
    """Bytes of the files that `fetch` downloads, if the hub was asked."""
    return _sizes.get((name, commit or ""))


def cache() -> Path:
    """The folder of the hub's client."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _is_used(file: str) -> bool:
    return any(fnmatch.fnmatch(file, pattern) for pattern in files.IDENTITY)


_sizes: dict[tuple[str, str], int | None] = {}

_branches: dict[tuple[str, str], str] = {}


def _keep(name: str, commit: str, *, only_new: bool = False) -> None:
    """Note a branch's commit in the hub's cache, for offline use."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    revision = _branches.get((name, commit), commit)
    if revision == commit:
        return
    file = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="model") / "refs" / revision
    with contextlib.suppress(OSError):  # the cache may be another user's, and read-only
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_file() or (not only_new and file.read_text(encoding="utf-8") != commit):
            disk.write(file, commit)
