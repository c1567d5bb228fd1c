"""Rows of data sets of the Hugging Face hub: hub:OWNER/NAME[:CONFIG]/SPLIT. Nothing else asks the network."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies

from w2s.data.tables import plain
from w2s.errors import UserError

PREFIX = "hub:"
_PART = r"\w[\w.-]*"
_REFERENCE = re.compile(rf"hub:(?P<name>{_PART}/{_PART})(?::(?P<config>{_PART}))?/(?P<split>[\w.\-\[\]:%+]+)")


KNOCK_SECONDS = 5.0
"""For one connection to the hub (ours)."""


class Reference(NamedTuple):
    """A split of a data set."""

    name: str
    config: str | None
    split: str


def is_hub(path: str | Path) -> bool:
    """Whether it names a data set of the hub."""
    return str(path).startswith(PREFIX)


def reference(path: str | Path) -> Reference:
    """Parts of hub:OWNER/NAME[:CONFIG]/SPLIT.

    Raises:
        UserError: it is written otherwise.
    """
    found = _REFERENCE.fullmatch(str(path))
    if found is None:
        raise UserError(
            "does not name a split of a data set",
            file=path,
            expected="hub:OWNER/NAME[:CONFIG]/SPLIT, such as hub:openai/gsm8k:main/test",
        )
    return Reference(found["name"], found["config"], found["split"])


def rows(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row from 1, fields) of a split, fetched through `datasets`.

    Raises:
        UserError: no `datasets`, no such data, or no connection.
    """
    name, config, split = reference(path)
    for number, fields in enumerate(fetched(name, config, split, str(path)), 1):
        yield number, plain(fields)


def fetched(name: str, config: str | None, split: str, place: str) -> Any:
    """The split as `datasets` loads it. UserError: as `rows`, with `place` as its file."""
    try:
        import datasets
    except ImportError as error:
        raise UserError(
            "needs the package `datasets`", file=place, hint="pip install datasets, or give a local file"
        ) from error
    try:
        return load(datasets, name, config, split)
    except Exception as error:  # the hub's client raises dozens of unrelated types when it has no network
        raise UserError(
            f"cannot be fetched ({type(error).__name__}: {str(error)[:200]})",
            file=place,
            hint="check name, configuration, split and connection; or give a local file",
        ) from error


_answers: ContextVar[Callable[[Any], bool]] = ContextVar("_answers", default=lambda datasets: True)


@contextlib.contextmanager
def without_retries() -> Iterator[None]:
    """For a plan: where the hub takes no connection, its client is not left to try again for 23 seconds."""
    before = _answers.set(cache(_knock))
    try:
        yield
    finally:
        _answers.reset(before)


def load(datasets: Any, name: str, config: str | None, split: str) -> Any:
    """`datasets.load_dataset`; `without_retries`, where the hub takes no connection, from the cache alone.

    Raises:
        Exception: whatever the hub's client raises; ConnectionError: no connection, and not in the cache.
    """
    if _answers.get()(datasets):
        return datasets.load_dataset(name, config, split=split)
    datasets.config.HF_HUB_OFFLINE = True
    try:
        return datasets.load_dataset(name, config, split=split)
    except Exception as error:
        raise ConnectionError(f"{datasets.config.HF_ENDPOINT} takes no connection") from error
    finally:
        datasets.config.HF_HUB_OFFLINE = False


def _knock(datasets: Any) -> bool:
    """Whether the hub takes a connection. Not tried where the client makes none, or makes it through a proxy."""
    address, proxies = urlsplit(datasets.config.HF_ENDPOINT), getproxies()
    if datasets.config.HF_HUB_OFFLINE or proxies.get(address.scheme) or proxies.get("all"):
        return True
    try:
        port = address.port or {"http": 80}.get(address.scheme, 443)
        socket.create_connection((address.hostname or "", port), KNOCK_SECONDS).close()
    except (OSError, ValueError):  # ValueError: no port, or no name of a host
        return False
    return True
