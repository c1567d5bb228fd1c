"""When a request to a server is tried again."""

from __future__ import annotations

import email.utils
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import NoReturn, TypeVar

import openai
import tenacity
from tenacity import RetryCallState

Reply = TypeVar("Reply")

TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
"""HTTP statuses of passing failures."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds on trying one request again.

    Args:
        seconds: since its first failure; ten minutes load a large model.
        broken: retries after HTTP 500 or unreadable replies, perhaps the prompt's fault.
        first: seconds; bound of the first random pause, then doubled.
        longest: seconds.
    """

    seconds: float = 600.0
    broken: int = 6
    first: float = 0.5
    longest: float = 15.0


class UnusableReply(Exception):
    """The reply lacks what was requested."""


class GaveUp(Exception):
    """Bounds are reached; the message is the last failure."""


def with_retries(
    attempt: Callable[[], Reply], policy: RetryPolicy, cancelled: threading.Event, on_failure: Callable[[str], None]
) -> Reply:
    """Call `attempt`, harmless to repeat, until it succeeds.

    Raises:
        GaveUp: the bounds are reached, or the server asks for more.
        CancelledError: `cancelled` was set.
        openai.APIStatusError: no retry would help.
    """
    broken, since = 0, math.inf
    backoff = tenacity.wait_random_exponential(multiplier=policy.first, max=policy.longest)

    def check(_: RetryCallState) -> None:
        if cancelled.is_set():
            raise CancelledError

    def count(state: RetryCallState) -> None:
        nonlocal broken, since
        broken += _is_broken(_error(state))
        since = min(since, time.monotonic())

    def stop(state: RetryCallState) -> bool:
        check(state)
        return broken > policy.broken or time.monotonic() + state.upcoming_sleep > since + policy.seconds

    def give_up(state: RetryCallState) -> NoReturn:
        pause = _requested_pause(_error(state))
        asks = f", asks to wait {pause:.0f} s" if pause > 0 else ""
        tries, seconds = state.attempt_number, time.monotonic() - since
        raise GaveUp(f"{_describe(_error(state))}{asks}, after {tries} tries in {seconds:.0f} s")

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_is_transient),
        wait=lambda state: max(backoff(state), _requested_pause(_error(state))),
        stop=stop,
        before=check,
        after=count,
        before_sleep=lambda state: on_failure(_describe(_error(state))),
        sleep=tenacity.sleep_using_event(cancelled),
        retry_error_callback=give_up,
    )
    return retrying(attempt)


def retry_after(header: str | None) -> float:
    """Seconds in the header (RFC 9110, 10.2.3), else 0."""
    try:
        return max(0.0, float(header or 0))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header or "").timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, openai.APIStatusError):
        return error.status_code in TRANSIENT and error.code != "insufficient_quota"
    return isinstance(error, (openai.APIConnectionError, TimeoutError)) or _is_broken(error)


def _is_broken(error: BaseException | None) -> bool:
    if isinstance(error, openai.APIStatusError):
        return error.status_code == 500
    return isinstance(error, (UnusableReply, ValueError, RecursionError))  # the last two: a body that is no JSON


def _requested_pause(error: BaseException | None) -> float:
    return retry_after(error.response.headers.get("retry-after")) if isinstance(error, openai.APIStatusError) else 0.0


def _describe(error: BaseException | None) -> str:
    match error:
        case openai.APIStatusError():
            return f"HTTP {error.status_code}"
        case openai.APITimeoutError() | TimeoutError():
            return "no reply in time"
        case openai.APIConnectionError():
            return f"connection failed ({type(error.__cause__ or error).__name__})"
        case UnusableReply():
            return f"a reply that cannot be used ({error})"
    return "a reply that cannot be used (no JSON)"
