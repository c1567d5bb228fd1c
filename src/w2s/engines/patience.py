"""How long a server's failures are borne: back-off with jitter, `Retry-After`, and what is never tried again (ours)."""

from __future__ import annotations

import asyncio
import email.utils
import itertools
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import openai

Reply = TypeVar("Reply")

PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
"""HTTP statuses that may be gone at the next try: time-outs, rate limits, a server or its proxy in trouble."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Bounds on trying one request again.

    `seconds` counts from its first failure: ten minutes let a server load a large model again. A reply of HTTP 500
    or one that cannot be read is tried again `broken` times only: it may come from the prompt itself. Pauses double
    from `first` to `longest` seconds; each is drawn between half and all of that, so that requests that failed
    together do not return together.
    """

    seconds: float = 600.0
    broken: int = 6
    first: float = 0.5
    longest: float = 15.0


class Unusable(Exception):
    """The server's reply is not what was asked for; a caller's own check may raise it."""


class GaveUp(Exception):
    """The patience is used up. The message is the last failure in a few words."""


async def insist(call: Callable[[], Awaitable[Reply]], patience: Patience, on_failure: Callable[[str], None]) -> Reply:
    """Await `call()` until it succeeds.

    Args:
        call: one attempt; it must be harmless to make twice.
        patience: the bounds.
        on_failure: told each failure that is tried again, in a few words.

    Raises:
        GaveUp: the bounds are reached, or the server asks for a longer pause than they allow.
        openai.APIStatusError: a status that no further try would change.
    """
    began: float | None = None
    broken, pause = 0, patience.first
    for tries in itertools.count(1):
        asked = 0.0
        try:
            return await call()
        except openai.APIStatusError as error:
            if error.status_code not in PASSING or error.code == "insufficient_quota":
                raise
            broken += error.status_code == 500
            asked = retry_after(error.response.headers.get("retry-after"))
            failure = f"HTTP {error.status_code}"
        except openai.APITimeoutError:
            failure = "no reply in time"
        except openai.APIConnectionError as error:
            failure = f"connection failed ({type(error.__cause__ or error).__name__})"
        except (Unusable, ValueError, RecursionError) as error:  # the last two: a body that is no JSON
            broken += 1
            failure = f"a reply that cannot be used ({error if isinstance(error, Unusable) else 'no JSON'})"
        now = time.monotonic()
        began = now if began is None else began
        wait = max(asked, pause * random.uniform(0.5, 1))
        if broken > patience.broken or now + wait > began + patience.seconds:
            asks = f", asks to wait {asked:.0f} s" if asked > 0 else ""
            raise GaveUp(f"{failure}{asks}, after {tries} tries in {now - began:.0f} s")
        on_failure(failure)
        await asyncio.sleep(wait)
        pause = min(2 * pause, patience.longest)
    raise AssertionError("counting does not end")


def retry_after(header: str | None) -> float:
    """Seconds to wait from a `Retry-After` header, in either of its forms (RFC 9110, 10.2.3); 0 where it has none."""
    try:
        return max(0.0, float(header or 0))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header or "").timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0
