"""What `w2s export` sends to the Hugging Face hub: the only requests of this package that send anything of a user's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from w2s.errors import UserError, first_line


def check(name: str, kind: str) -> None:
    """Whether a new repository `name` of this kind ("model", "dataset") can be made. Sends nothing but the token.

    Raises:
        UserError: the hub's client is missing, the hub may not be asked or refuses, or it has the repository.
    """
    api = _client(name)
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined] # public, yet without `as`

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        problem = f"{name!r:.120} is no name of the hub ({error!s:.200})"
        raise UserError(problem, field="--to", expected="hub:ORG/NAME") from error
    try:
        api.whoami()
        exists = api.repo_exists(name, repo_type=kind)
    except Exception as error:  # the transport errors of the hub's client have no stable base class
        raise UserError(
            f"the hub does not say who you are ({_reason(error)})",
            field="--to",
            hint="run `hf auth login` or set HF_TOKEN, with a token that may write; and check the connection",
        ) from error
    if exists:
        raise UserError(
            f"the {kind} {name} exists on the hub",
            field="--to",
            hint="give a new name; an upload over it would leave files of two models side by side",
        )


def upload(folder: Path, name: str, kind: str, *, public: bool) -> str:
    """Make the repository `name` of this kind, send the folder as one commit, return its address.

    Raises:
        UserError: the hub refuses.
    """
    api = _client(name)
    try:
        api.create_repo(name, repo_type=kind, private=not public)
        api.upload_folder(repo_id=name, repo_type=kind, folder_path=str(folder), commit_message="w2s export")
    except Exception as error:  # as above
        raise UserError(
            f"{name} could not be written on the hub ({_reason(error)})",
            field="--to",
            hint="run `hf auth login` with a token that may write; the organisation must be yours; what was begun "
            f"there is not removed: see https://huggingface.co/{name}",
        ) from error
    return (
        f"https://huggingface.co/{'datasets/' if kind == 'dataset' else ''}{name} ({'public' if public else 'private'})"
    )


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)[:300]}"


def _client(name: str) -> Any:
    try:
        import huggingface_hub
        from huggingface_hub import constants
    except ImportError as error:
        raise UserError(
            f"hub:{name} needs the package huggingface_hub",
            field="--to",
            hint="pip install huggingface_hub, or a folder",
        ) from error
    if constants.HF_HUB_OFFLINE:
        raise UserError("the hub may not be asked (HF_HUB_OFFLINE)", field="--to", hint="give a folder")
    return huggingface_hub.HfApi()
