"""An OpenAI-compatible server: its address, the client, and its troubles in words that never hold the key."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit

import openai

from w2s.engines.base import Request
from w2s.engines.patience import GaveUp, Patience, insist
from w2s.errors import UserError

Reply = TypeVar("Reply")

_log = logging.getLogger(__name__)


class Server:
    """One model on one server.

    Args:
        model: its name, as the server lists it.
        url: the base URL, up to and including "/v1".
        key: the key, if the server wants one. Only the client keeps it.
        timeout: seconds a reply may take.
    """

    def __init__(self, model: str, url: str, key: str | None, timeout: float) -> None:
        self.model, self.url = model, url
        self.client = openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=url,
            max_retries=0,  # `insist` tries again, with more patience than the client has
            timeout=openai.Timeout(timeout, connect=min(timeout, 10.0)),
        )
        self._has_key = key is not None
        self._told: set[str] = set()

    async def ask(
        self, call: Callable[[], Awaitable[Reply]], patience: Patience, request: Request | None = None
    ) -> Reply:
        """Await `call()`, with patience.

        Raises:
            UserError: it is refused (named by `request`, if given), or the server stays away.
        """
        try:
            return await insist(
                call, patience, lambda failure: self.tell(f"{failure}; trying again for up to {patience.seconds:g} s")
            )
        except openai.APIStatusError as error:
            raise self._refused(error, request) from None  # the cause would hold the request's headers
        except GaveUp as error:
            raise UserError(
                f"the server at {self.url} cannot be used: {self.clean(str(error))}",
                field="runtime.server",
                mend="start it, correct the address, or lower runtime.concurrency; the same command then goes on",
            ) from None

    def tell(self, trouble: str) -> None:
        """Log a warning, each one once."""
        if trouble not in self._told:
            self._told.add(trouble)
            _log.warning("server %s: %s", self.url, self.clean(trouble))

    def clean(self, text: str) -> str:
        """A server's words, fit to be shown: one line, bounded, without control characters and without the key."""
        hidden = text.replace(self.client.api_key, "***") if self._has_key else text
        line = "".join(c if c.isprintable() else " " for c in hidden)
        return line if len(line) <= 300 else line[:300] + " ..."

    def _refused(self, error: openai.APIStatusError, request: Request | None) -> UserError:
        if error.status_code in (401, 403):  # without the server's words: some repeat the key
            return UserError(
                f"the server at {self.url} refuses {'the key' if self._has_key else 'requests without a key'} "
                f"(HTTP {error.status_code})",
                field="OPENAI_API_KEY",
                mend="set the environment variable OPENAI_API_KEY to a key that this server takes for this model",
            )
        status = f"HTTP {error.status_code}: {self._said(error)}"
        if error.status_code in (404, 405, 501):
            return UserError(
                f"the server at {self.url} cannot complete texts with the model {self.model!r} ({status})",
                field="model",
                expected="a model that the server lists, and a server with /completions (not chat alone)",
                mend=f"see what {self.url}/models lists; use a server that has /completions (vLLM does)",
            )
        if request is not None:
            return UserError(
                f"question {request.id!r} is refused by the server ({status})",
                mend="if it does not fit the context: lower max_new_tokens, use fewer demonstrations, or leave it out",
            )
        return UserError(
            f"the server at {self.url} refuses a request of the kind this run needs ({status})",
            field="runtime.server",
            expected="/completions with prompt, max_tokens, temperature, top_p, stop and seed",
            mend="use a server that takes these (vLLM does)",
        )

    def _said(self, error: openai.APIStatusError) -> str:
        body = error.body
        if isinstance(body, dict):
            body = body.get("message") or body.get("detail") or body
        return self.clean(str(body or error.response.reason_phrase))


def base_url(server: str | None) -> str:
    """The address to ask: `server`, else the environment's OPENAI_BASE_URL; "/v1" is added to a bare host.

    Raises:
        UserError: there is none, it is no http(s) address, or it carries a password or a query.
    """
    given = (server or os.environ.get("OPENAI_BASE_URL", "")).strip()
    if not given:
        raise UserError(
            "no server is given",
            field="runtime.server",
            expected="a base URL like http://localhost:8000/v1",
            mend="set runtime.server, or the environment variable OPENAI_BASE_URL",
        )
    try:
        parts = urlsplit(given)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or "@" in parts.netloc or parts.query or parts.fragment:
        raise UserError(  # the address is not repeated: it may hold a password
            "the server's address cannot be used",
            field="runtime.server",
            expected="http://HOST:PORT/v1, without user, password and query",
            mend="a key goes into the environment variable OPENAI_API_KEY",
        )
    return given.rstrip("/") if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}/v1"


def api_key() -> str | None:
    """The environment's OPENAI_API_KEY, None where it is not set.

    Raises:
        UserError: it cannot be a key (the message does not show it).
    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise UserError(
            "holds characters that no key has", field="OPENAI_API_KEY", mend="set it again (it is not shown here)"
        )
    return key or None
