from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError

import pytest

pytest.importorskip("openai")

import openai

from w2s.engines import retry
from w2s.engines.retry import GaveUp, RetryPolicy, UnusableReply, retry_after, with_retries

AT_ONCE = RetryPolicy(first=0)


class Response:
    """What an error reads of a response."""

    request = None

    def __init__(self, code: int, headers: dict[str, str]) -> None:
        self.status_code, self.headers = code, headers


def status(code: int, pause: str | None = None) -> Exception:
    return openai.APIStatusError("no", response=Response(code, {"retry-after": pause} if pause else {}), body=None)


def attempts(*outcomes: object) -> Callable[[], object]:
    """Each call raises or returns the next outcome."""
    rest = iter(outcomes)

    def attempt() -> object:
        outcome = next(rest)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return attempt


def call(*outcomes: object, policy: RetryPolicy = AT_ONCE, cancelled: threading.Event | None = None) -> list[object]:
    """The failures that were tried again, and the result."""
    failures: list[object] = []
    result = with_retries(attempts(*outcomes), policy, cancelled or threading.Event(), failures.append)
    return [*failures, result]


def test_what_may_pass_is_tried_again_and_named() -> None:
    connection = openai.APIConnectionError(request=None)
    connection.__cause__ = ConnectionRefusedError()
    failures = (status(503), openai.APITimeoutError(None), connection, UnusableReply("no text"), ValueError())
    assert call(*failures, "text") == [
        "HTTP 503",
        "no reply in time",
        "connection failed (ConnectionRefusedError)",
        "a reply that cannot be used (no text)",
        "a reply that cannot be used (no JSON)",
        "text",
    ]


@pytest.mark.parametrize("error", [status(400), status(404), KeyboardInterrupt(), TypeError("a defect")])
def test_what_cannot_pass_is_raised_as_it_is(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        call(error, "text")
    assert caught.value is error


def test_broken_replies_are_counted_apart() -> None:
    """Two are allowed: 500, unusable and then the third one ends it; 503 does not count."""
    policy = RetryPolicy(broken=2, first=0)
    assert call(*[status(503)] * 20, status(500), UnusableReply(), "text", policy=policy)[-1] == "text"
    with pytest.raises(GaveUp, match=r"^HTTP 500, after 4 tries in 0 s$"):
        call(status(503), status(500), UnusableReply("x"), status(500), "text", policy=policy)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses, which do not take time but move `time.monotonic` of the module."""
    pauses: list[float] = []

    class Sleep:
        def __init__(self, event: threading.Event) -> None: ...

        def __call__(self, seconds: float) -> None:
            pauses.append(seconds)

    class Clock:
        time = staticmethod(time.time)

        @staticmethod
        def monotonic() -> float:
            return 1000 + sum(pauses)

    monkeypatch.setattr(retry.tenacity, "sleep_using_event", Sleep)
    monkeypatch.setattr(retry, "time", Clock)
    return pauses


def test_pauses_grow_to_a_bound_and_differ(clock: list[float]) -> None:
    call(*[status(503)] * 400, "text", policy=RetryPolicy(seconds=10**6, first=0.5, longest=4))
    assert all(pause <= bound for pause, bound in zip(clock, (0.5, 1, 2, *[4] * 397), strict=True))
    # A uniform pause is above three quarters of its bound in 1 of 4 cases: in none of 397 with probability 10^-49.
    assert max(clock) > 3 and min(clock[3:]) < 1


def test_the_server_s_pause_is_kept(clock: list[float]) -> None:
    call(status(429, "7"), status(429, "0"), "text", policy=RetryPolicy(first=0.5))
    assert clock[0] == 7 and clock[1] <= 1


def test_seconds_count_from_the_first_failure(clock: list[float]) -> None:
    """Pauses of 7 s in 20 s: tries at 0, 7 and 14 s; the fourth would come at 21 s."""
    policy = RetryPolicy(seconds=20, first=0)
    with pytest.raises(GaveUp, match=r"^HTTP 429, asks to wait 7 s, after 3 tries in 14 s$"):
        call(*[status(429, "7")] * 4, policy=policy)
    with pytest.raises(GaveUp, match=r"^HTTP 429, asks to wait 3600 s, after 1 tries in 0 s$"):
        call(status(429, "3600"), "text", policy=policy)


def test_cancelling_ends_a_pause_and_forbids_another_try() -> None:
    cancelled = threading.Event()
    tries = 0

    def attempt() -> str:
        nonlocal tries
        tries += 1
        threading.Timer(0.05, cancelled.set).start()
        raise status(429, "300")

    with pytest.raises(CancelledError):
        with_retries(attempt, RetryPolicy(), cancelled, lambda failure: None)
    assert tries == 1
    with pytest.raises(CancelledError):
        call("text", cancelled=cancelled)


def test_both_forms_of_retry_after_are_read() -> None:
    assert retry_after("2.5") == 2.5
    assert 50 < retry_after(email.utils.formatdate(time.time() + 60, usegmt=True)) <= 60
    for nothing in (None, "", "soon", "-3", "nan", email.utils.formatdate(0)):
        assert retry_after(nothing) == 0
