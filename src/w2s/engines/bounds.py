"""Limits on the bytes and time of a server's reply."""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from w2s.engines.retry import UnusableReply

try:  # the library that the openai client is built on, by its version
    import httpx2 as http
except ModuleNotFoundError:
    import httpx as http  # type: ignore[no-redef, import-not-found, unused-ignore]

Result = TypeVar("Result")

BODY = 16 * 2**20
"""Bytes; a million tokens have 4 MB."""


class Bounded(http.SyncByteStream):
    """A reply's body, limited in bytes and seconds."""

    def __init__(self, stream: Any, size: int, seconds: float) -> None:
        self._stream, self._size, self._seconds = stream, size, seconds

    def __iter__(self) -> Iterator[bytes]:
        size, until = 0, time.monotonic() + self._seconds
        for chunk in self._stream:
            size += len(chunk)
            if size > self._size:
                raise UnusableReply(f"a body of more than {self._size:,} bytes")
            if time.monotonic() > until:
                raise TimeoutError
            yield chunk

    def close(self) -> None:
        self._stream.close()


def in_thread(call: Callable[[], Result], name: str) -> concurrent.futures.Future[Result]:
    """Call in a daemon thread, so that an interrupted process can end."""
    future = concurrent.futures.Future[Result]()

    def run() -> None:
        try:
            result = call()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
