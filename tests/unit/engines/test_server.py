from __future__ import annotations

import logging
import socket
import time
from pathlib import Path

import pytest

pytest.importorskip("openai")

import openai_server
from openai_server import DECODING, PROBES, REQUESTS, check, connected, once, running

from w2s.config.schema import Runtime
from w2s.engines import journal
from w2s.engines import openai as engine_module
from w2s.engines.base import Loading
from w2s.engines.openai import load
from w2s.engines.retry import RetryPolicy
from w2s.engines.server import base_url
from w2s.errors import UserError

KEY = "sk-this-must-stay-secret"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "fault",
    ["status:429:0", "status:429", "status:500", "status:503", "drop", "garbage", "garbage:[]", "garbage:{}",
     'garbage:{"choices": []}', "garbage:" + "[" * 100_000, "finish:abort", "hang:3"],
)  # fmt: skip
def test_what_may_pass_is_tried_again(fault: str) -> None:
    timeout = 0.5 if fault.startswith("hang") else 30
    with running(fault=once(fault, 0, 7, 8)) as server, connected(server.url, timeout=timeout) as engine:
        check(journal.generate(engine, REQUESTS, DECODING))
        tries = len(server.asked) - PROBES - len(REQUESTS)
    assert tries == 3 or (timeout < 1 and tries > 3)  # a busy machine may be late by itself


def test_retry_after_is_honoured() -> None:
    times: list[float] = []

    def fault(number: int, body: dict) -> str | None:
        times.append(time.monotonic())
        return once("status:429:1", 0)(number, body)

    with running(fault=fault) as server, connected(server.url) as engine:
        engine.run(REQUESTS[:1], DECODING)
    assert len(times) == PROBES + 2 and times[-1] - times[-2] >= 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("status:500", r"HTTP 500, after 4 tries"),
        ("garbage", r"cannot be used \(no JSON\), after 4 tries"),
        ("garbage:{}", r"no choices\[0\]\.text"),
        ("finish:abort", r"finish_reason 'abort'\), after 4 tries"),
        ("huge:200", r"a body of more than 200,000 bytes\), after 4 tries"),
        ("huge:404", r"a body of more than 200,000 bytes\), after 4 tries"),
        ("status:429:3600", r"HTTP 429, asks to wait 3600 s, after 1 tries"),
    ],
)
def test_retries_end(fault: str, message: str) -> None:
    policy = RetryPolicy(seconds=60, broken=3, first=0.01, longest=0.02)
    with (
        running(fault=once(fault, *range(999))) as server,
        connected(server.url, policy=policy, body=200_000) as engine,
        pytest.raises(UserError, match=message),
    ):
        engine.run(REQUESTS[:1], DECODING)


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_reply_that_never_ends_has_its_time(part: str) -> None:
    """Each byte comes in time, the reply does not."""
    policy = RetryPolicy(seconds=0.5, first=0.01, longest=0.02)
    with (
        running(fault=once(f"endless:{part}", *range(999))) as server,
        connected(server.url, policy=policy, timeout=1) as engine,
        pytest.raises(UserError, match=r"no reply in time, after \d tries"),
    ):
        engine.run(REQUESTS[:1], DECODING)


@pytest.mark.parametrize("probed", [True, False])
def test_redirects_are_refused_and_named(probed: bool) -> None:
    with running() as elsewhere, running() as server, connected(server.url, KEY) as engine:
        target = f"redirect:{elsewhere.url}/completions?key={KEY}"
        server.fault = once(target, 0) if probed else lambda number, body: target
        with pytest.raises(UserError, match=rf"points to {elsewhere.url}/completions \(HTTP 307\)") as caught:
            engine.run(REQUESTS[:1], DECODING)
        assert not elsewhere.asked and not elsewhere.authorizations
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("name", ["", "/models/it", "C:\\models\\it.gguf", "it.Q4_1.gguf", "owner/Loopback"])
def test_a_reply_may_name_no_model_or_its_path(name: str) -> None:
    with running(fault=once(f"model:{name}", *range(999))) as server, connected(server.url) as engine:
        check(journal.generate(engine, REQUESTS, DECODING))


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("no part of it", "no part of it"),
        (f"key {KEY} is bad", "key *** is bad"),
        ("key sk-this-mu*** is bad", "key *** is bad"),
        ("key sk-t****cret is bad", "key *** is bad"),
        ("key ...must-stay... is bad", "key *** is bad"),
        (f"{KEY} " * 2000, "*** " * 75 + " ..."),
        ("x" * 9990 + KEY, " ..."),
        ("x " * 4995 + KEY, "x " * 150 + " ..."),
    ],
)
def test_no_part_of_the_key_is_shown(words: str, shown: str) -> None:
    with connected("http://127.0.0.1:9/v1", KEY) as engine:
        assert engine._server.clean(words) == shown


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("status:400", "question 'q11' is refused .*trouble"),
        ("status:422", "question 'q11' is refused"),
        ("status:401", "refuses requests without a key"),
        ("status:403", "OPENAI_API_KEY"),
        ("status:404", "cannot complete prompts with the model 'loopback'"),
        ("quota", "HTTP 429: You exceeded"),
        ("finish:odd", "finish_reason 'odd'"),
        ("model:another", "answered with the model 'another', not with 'loopback'"),
        ("text:" + KEY, "repeats the key"),
    ],
)
def test_what_cannot_pass_fails_at_once(fault: str, message: str) -> None:
    key = KEY if KEY in fault else None
    with running(fault=once(fault, 0)) as server, connected(server.url, key, concurrency=1) as engine:
        with pytest.raises(UserError, match=message):
            journal.generate(engine, REQUESTS, DECODING)
        time.sleep(0.1)  # what was under way is given up
        assert len(server.asked) <= PROBES + 2


def test_the_probe_comes_once_and_tells_what_the_server_lacks(caplog: pytest.LogCaptureFixture) -> None:
    with running() as server:
        with connected(server.url, model="other") as engine:
            with pytest.raises(UserError, match=r"no model 'other'\n.*expected: openai:loopback"):
                engine.run(REQUESTS[:1], DECODING)
            assert not server.asked
        server.chat_only = True
        with (
            connected(server.url) as engine,
            pytest.raises(UserError, match=r"HTTP 404: Not Found(.|\n)*not chat alone"),
        ):
            engine.run(REQUESTS[:1], DECODING)
        server.chat_only, server.lists = False, False
        with connected(server.url, model="other") as engine, pytest.raises(UserError, match="`other` does not exist"):
            engine.run(REQUESTS[:1], DECODING)
        server.fault = lambda number, body: "status:400"
        with connected(server.url) as engine, pytest.raises(UserError, match=r"top_p, stop and seed"):
            engine.run(REQUESTS[:1], DECODING)
        server.fault = lambda number, body: None
        server.asked.clear()
        with connected(server.url) as engine:
            for _ in range(2):
                engine.run(REQUESTS[:1], DECODING)
        assert len(server.asked) == PROBES + 2
        assert not caplog.records
        server.fault = lambda number, body: "ignore-seed"
        with connected(server.url) as engine:
            engine.run(REQUESTS[:1], DECODING)
    assert "ignores seed" in caplog.text


def deaf(taken: socket.socket) -> str:
    """The address of a port that is taken and refuses every connection."""
    taken.bind(("127.0.0.1", 0))
    return f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


def test_a_server_that_was_never_there_is_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "FIRST_CONTACT", 0.2)
    with (
        socket.socket() as taken,
        connected(deaf(taken), policy=RetryPolicy(first=0.01)) as engine,
        pytest.raises(UserError, match=r"connection failed \(\w+\), after \d+ tries(.|\n)*start it"),
    ):
        engine.run(REQUESTS[:1], DECODING)


def test_the_key_is_sent_and_shown_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    shown: list[object] = []
    with running(key=KEY) as server:
        engine = load(f"openai:{openai_server.MODEL}", Loading("openai", runtime=Runtime(server=server.url)))
        check(journal.generate(engine, REQUESTS, DECODING, tmp_path / "journal"))
        engine.close()
        assert server.authorizations == {f"Bearer {KEY}"}
        shown += [repr(engine), repr(vars(engine)), repr(engine._server), repr(vars(engine._server))]
        for fault in ("status:400", "status:401", "status:404", "status:418", "status:429:99", "status:500", KEY):
            for faulty in (once(fault, 0), lambda number, body, fault=fault: fault):  # in the run, in the probe
                server.asked.clear()
                server.fault = faulty if fault != KEY else lambda number, body: f"finish:{KEY}"
                with (
                    connected(server.url, KEY, policy=RetryPolicy(5, broken=0, first=0.01)) as engine,
                    pytest.raises(UserError) as caught,
                ):
                    engine.run(REQUESTS[:1], DECODING)
                shown += [str(caught.value), repr(caught.value), caught.value.__cause__]
        server.fault = once("status:500", 0)
        server.asked.clear()
        with connected(server.url, KEY) as engine:
            engine.run(REQUESTS[:1], DECODING)
        server.key = "another"
        with connected(server.url, KEY) as engine, pytest.raises(UserError, match="refuses the key") as caught:
            engine.run(REQUESTS[:1], DECODING)
        shown += [str(caught.value)]
    shown += [caplog.text, *capfd.readouterr(), *(path.read_text() for path in tmp_path.rglob("*") if path.is_file())]
    assert "***" in str(shown) and "trying again" in caplog.text
    assert KEY not in str(shown)


@pytest.mark.parametrize("key", ["sk with space", "sk-ключ", "sk-\x07"])
def test_a_key_that_can_be_none_is_refused_without_being_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UserError, match="OPENAI_API_KEY") as caught:
        load("openai:m", Loading("openai", runtime=Runtime(server="http://localhost:8000")))
    assert key not in str(caught.value)


def test_the_address_comes_from_the_runtime_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="no server is given"):
        base_url(None)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://host/api/v1/")
    assert base_url(None) == "https://host/api/v1"
    assert base_url("http://localhost:8000") == base_url("http://localhost:8000/") == "http://localhost:8000/v1"
    for wrong in ("localhost:8000", "ftp://h/v1", "http://", "http://h:x", "http://[::1", "http://h/v1?key=hush",
                  "http://me:hush@h/v1"):  # fmt: skip
        with pytest.raises(UserError, match="cannot be used") as caught:
            base_url(wrong)
        assert "hush" not in str(caught.value)
