"""An OpenAI-compatible server; no failure's words hold the key."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import openai

from w2s.engines.base import Request
from w2s.engines.bounds import BODY, Bounded, in_thread
from w2s.engines.retry import GaveUp, RetryPolicy, UnusableReply, with_retries
from w2s.errors import UserError

Reply = TypeVar("Reply")

WORDS = 10_000
"""Characters read of a server's words."""

SHOWN = 300
"""Characters shown of them."""

_log = logging.getLogger(__name__)


class Server:
    """One model on one server; methods are thread-safe.

    Args:
        url: up to "/v1".
        key: only the client keeps it.
        timeout: seconds per whole reply.
        chat: use /chat/completions.
        body: most bytes per reply.
    """

    def __init__(
        self, model: str, url: str, key: str | None, timeout: float, chat: bool = False, body: int = BODY
    ) -> None:
        self.model, self.url, self.chat = model, url, chat
        self._timeout, self._body = timeout, body
        self._sockets = weakref.WeakSet[socket.socket]()
        self._thread = threading.local()
        self.client = openai.OpenAI(
            api_key=key or "none",
            base_url=url,
            max_retries=0,  # `with_retries` tries for longer than the client does
            timeout=openai.Timeout(timeout, connect=min(timeout, 10.0)),
            default_headers={"Accept-Encoding": "identity"},  # so that the bytes that come bound the body
            http_client=openai.DefaultHttpxClient(
                event_hooks={"request": [self._trace], "response": [self._bound]},
                follow_redirects=False,  # prompts and key go to the address that the user gave
            ),
        )
        self._has_key = key is not None
        self._warned: set[str] = set()

    def call(
        self,
        attempt: Callable[[], Reply],
        policy: RetryPolicy,
        cancelled: threading.Event,
        request: Request | None = None,
    ) -> Reply:
        """The reply of `attempt`, with retries.

        Raises:
            UserError: it is refused, or the server stays away.
            CancelledError: `cancelled` was set.
        """
        try:
            return with_retries(
                lambda: self._in_time(attempt, cancelled),
                policy,
                cancelled,
                lambda failure: self.warn(f"{failure}; trying again for up to {policy.seconds:g} s"),
            )
        except openai.APIStatusError as error:
            raise self._refused(error, request) from None  # the cause would hold the request's headers
        except GaveUp as error:
            raise UserError(
                f"the server at {self.url} cannot be used: {self.clean(str(error))}",
                field="runtime.server",
                hint="start it, correct the address, or lower runtime.concurrency; the same command then goes on",
            ) from None

    def _in_time(self, attempt: Callable[[], Reply], cancelled: threading.Event) -> Reply:
        """The whole reply in time; the client's time-outs are per read."""

        def call() -> Reply:
            self._thread.cancelled = cancelled
            return attempt()

        try:
            return in_thread(call, "w2s-reply").result(self._timeout)
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, (UnusableReply, TimeoutError)):
                raise error.__cause__ from None
            raise

    def hang_up(self) -> None:
        """Break connections; closing a socket would not wake its reader."""
        for connection in list(self._sockets):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.hang_up()
        self.client.close()

    def warn(self, trouble: str) -> None:
        if trouble not in self._warned:
            self._warned.add(trouble)
            _log.warning("server %s: %s", self.url, self.clean(trouble))

    def _trace(self, request: Any) -> None:
        def on_event(name: str, info: Mapping[str, Any]) -> None:
            if name in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
                connection = info["return_value"].get_extra_info("socket")
                self._sockets.add(connection)
                if self._thread.cancelled.is_set():  # `hang_up` may have come before the connection
                    connection.shutdown(socket.SHUT_RDWR)

        request.extensions["trace"] = on_event

    def _bound(self, response: Any) -> None:
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding.strip().casefold() not in ("", "identity"):
            raise UnusableReply("a compressed body, which was not asked for")
        response.stream = Bounded(response.stream, self._body, self._timeout)

    def clean(self, text: str) -> str:
        """One bounded line, without control characters and words with a part of the key."""
        whole = len(text) <= WORDS
        line = "".join(c if c.isprintable() else " " for c in text[:WORDS])
        if not whole:  # the last word may be cut inside the key
            line = line.rpartition(" ")[0]
        if self._has_key:
            line = re.sub(r"\S+", lambda word: "***" if self._is_of_key(word[0]) else word[0], line)
        return line if whole and len(line) <= SHOWN else line[:SHOWN] + " ..."

    def repeats_key(self, text: str) -> bool:
        """Whether a text holds the key, of 16 characters or more."""
        return self._has_key and len(self.client.api_key) >= 16 and self.client.api_key in text

    def _is_of_key(self, word: str) -> bool:
        key = self.client.api_key
        parts = {key[:4], key[-4:], *(key[at : at + 6] for at in range(len(key) - 5))}
        return any(part in word for part in parts)

    def _refused(self, error: openai.APIStatusError, request: Request | None) -> UserError:
        if error.status_code in (401, 403):  # without the server's words: some repeat the key
            return UserError(
                f"the server at {self.url} refuses {'the key' if self._has_key else 'requests without a key'} "
                f"(HTTP {error.status_code})",
                field="OPENAI_API_KEY",
                hint="set the environment variable OPENAI_API_KEY to a key that this server takes for this model",
            )
        if 300 <= error.status_code < 400:
            target = self.clean(error.response.headers.get("Location", "no address").partition("?")[0])
            return UserError(
                f"the server at {self.url} points to {target} (HTTP {error.status_code}); redirects are not followed, "
                "so that prompts and key go nowhere else",
                field="runtime.server",
                hint="if you trust that address, set runtime.server to it, up to and including /v1",
            )
        status = f"HTTP {error.status_code}: {self._message(error)}"
        path = "/chat/completions" if self.chat else "/completions (not chat alone)"
        if error.status_code in (404, 405, 501):
            other = f"for /completions the model is openai:{self.model}"
            if not self.chat:
                other = f"for a server with chat alone the model is openai-chat:{self.model}"
            return UserError(
                f"the server at {self.url} cannot complete prompts with the model {self.model!r} ({status})",
                field="model",
                expected=f"a model that the server lists, and a server with {path}",
                hint=f"see what {self.url}/models lists; {other}",
            )
        if request is not None:
            return UserError(
                f"question {request.id!r} is refused by the server ({status})",
                hint="if it does not fit the context: lower max_new_tokens, use fewer demonstrations, or leave it out",
            )
        return UserError(
            f"the server at {self.url} refuses a request of the kind this run needs ({status})",
            field="runtime.server",
            expected="/chat/completions with messages, temperature and seed"
            if self.chat
            else "/completions with prompt, max_tokens, temperature, top_p, stop and seed",
            hint="use a server that takes these (vLLM does)",
        )

    def _message(self, error: openai.APIStatusError) -> str:
        body = error.body
        if isinstance(body, dict):
            body = body.get("message") or body.get("detail") or body
        return self.clean(str(body)[: WORDS + 1] if body else error.response.reason_phrase)


def base_url(server: str | None) -> str:
    """`server` or the environment's OPENAI_BASE_URL; adds "/v1" to a host.

    Raises:
        UserError: none, no http(s), or a password or query in it.
    """
    address = (server or os.environ.get("OPENAI_BASE_URL", "")).strip()
    if not address:
        raise UserError(
            "no server is given",
            field="runtime.server",
            expected="a base URL like http://localhost:8000/v1",
            hint="set runtime.server, or the environment variable OPENAI_BASE_URL",
        )
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or "@" in parts.netloc or parts.query or parts.fragment:
        raise UserError(  # the address is not repeated: it may hold a password
            "the server's address cannot be used",
            field="runtime.server",
            expected="http://HOST:PORT/v1, without user, password and query",
            hint="a key goes into the environment variable OPENAI_API_KEY",
        )
    return address.rstrip("/") if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}/v1"


def api_key() -> str | None:
    """The environment's OPENAI_API_KEY.

    Raises:
        UserError: it cannot be a key (never shown).
    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise UserError(
            "holds characters that no key has", field="OPENAI_API_KEY", hint="set it again (it is not shown here)"
        )
    return key or None
