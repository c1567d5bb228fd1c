"""Models of the Hugging Face hub: what is asked of it, and what is fetched."""

from __future__ import annotations

import contextlib
from pathlib import Path

from w2s import disk
from w2s.errors import UserError
from w2s.models import files


def find(name: str, revision: str | None, offline: bool) -> str:
    """The commit of a model. Fetches nothing; offline it is that of the copy on this machine.

    The hub is not asked for a whole commit whose copy is here: it cannot have changed, and the hub may be out of reach.

    Raises:
        UserError: the hub has no such model or gives it to others only, cannot be asked, or the model has no
            configuration, tokenizer or safetensors weights.
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
                mend="fetch it once without offline, or give a folder",
            )
        files.check_folder(snapshot, place)
        return snapshot.name
    hub = huggingface_hub.HfApi()
    try:
        info = hub.model_info(name, revision=revision)
        if getattr(info, "gated", False):  # everybody sees what is in it, and few may have it
            hub.auth_check(name)
    except GatedRepoError as error:
        raise UserError(
            f"the model {name} is gated, and the hub does not give it to you",
            field="model",
            mend=f"accept its terms at https://huggingface.co/{name}, then run `hf auth login`",
        ) from error
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
    files.check({sibling.rfilename for sibling in info.siblings or []}, place)
    commit = str(info.sha)
    _asked[name, commit] = revision or "main"
    here = cached(name, commit)
    _keep(name, commit, only_new=here is None or not files.whole(here))
    return commit


def fetch(name: str, commit: str, offline: bool) -> Path:
    """The folder with a model's configuration, tokenizer and weights, fetched if need be.

    Raises:
        UserError: the hub does not give it.
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
            mend=f"fetch it by hand: hf download {name} --local-dir FOLDER, and give FOLDER",
        ) from error
    _keep(name, commit)
    return Path(folder)


def file(name: str, revision: str | None, wanted: str, offline: bool) -> Path | None:
    """One file of a model, fetched if need be; None where the model has no such file.

    Raises:
        UserError: the hub does not give it.
    """
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    offline = offline or constants.HF_HUB_OFFLINE
    try:
        return Path(huggingface_hub.hf_hub_download(name, wanted, revision=revision, local_files_only=offline))
    except Exception as error:  # as above
        unreachable = isinstance(error, LocalEntryNotFoundError) and not offline
        if isinstance(error, EntryNotFoundError) and not unreachable:
            return None
        raise UserError(
            f"the hub could not give {wanted} of {name} ({type(error).__name__})",
            field="model",
            mend=f"fetch it by hand: hf download {name} --local-dir FOLDER, and give FOLDER",
        ) from error


def cached(name: str, revision: str | None) -> Path | None:
    """The snapshot on this machine, as far as it was fetched; None if there is none."""
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError

    try:
        found = huggingface_hub.try_to_load_from_cache(name, "config.json", revision=revision)
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


_asked: dict[tuple[str, str], str] = {}
"""The branch or tag that a model's commit was found under in this process."""


def _keep(name: str, commit: str, *, only_new: bool = False) -> None:
    """Note in the hub's cache which commit a branch or tag is, so that the copy is found by that name offline.

    The hub's client does so for what it fetches by such a name; here everything is fetched by its commit. A name that
    stands for an older copy keeps it until the newer one is here (`only_new`).
    """
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    revision = _asked.get((name, commit), commit)
    if revision == commit:
        return
    file = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="model") / "refs" / revision
    with contextlib.suppress(OSError):  # a cache that others fill, and this user may only read
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_file() or (not only_new and file.read_text(encoding="utf-8") != commit):
            disk.write(file, commit)
