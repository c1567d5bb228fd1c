from __future__ import annotations

import asyncio
import concurrent.futures
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("openai")

import openai_server
from openai_server import DECODING, PROBES, REQUESTS, check, connected, expected, once, running

from w2s import seeds
from w2s.config.schema import Runtime
from w2s.engines import journal, openai
from w2s.engines.base import Decoding, Loading, Request
from w2s.engines.openai import NEUTRAL, OpenAIEngine, load
from w2s.engines.retry import RetryPolicy
from w2s.engines.server import Server
from w2s.errors import UserError


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def join_requests(before: set[threading.Thread]) -> None:
    """Wait for the threads of requests that were started since `before`."""
    for thread in set(threading.enumerate()) - before:
        if thread.name == "w2s-openai":
            thread.join(60)
            assert not thread.is_alive()


def test_a_request_says_all_that_decides_a_text() -> None:
    with running() as server, connected(server.url) as engine:
        check(journal.generate(engine, REQUESTS, DECODING))
        bodies = server.asked[PROBES:]
    assert Counter(body["seed"] for body in bodies) == Counter(seeds.derive(7, r.id, r.sample) for r in REQUESTS)
    assert {(b["model"], b["max_tokens"], b["temperature"], b["top_p"]) for b in bodies} == {("loopback", 12, 1, 1)}
    assert all(b["stop"] == ["Question:"] and not NEUTRAL.keys() & b.keys() for b in bodies)


def test_the_defaults_of_a_models_folder_are_switched_off_where_a_server_would_take_them() -> None:
    with running(owner="vllm") as server, connected(server.url) as engine:
        engine.run(REQUESTS[:1], DECODING)
        assert NEUTRAL.items() <= server.asked[-1].items()


def test_greedy_texts_do_not_depend_on_the_seed() -> None:
    with running() as server, connected(server.url) as engine:
        texts = {c.text for seed in range(3) for c in engine.run(REQUESTS[:3], Decoding(12, seed=seed))}
    assert texts == {expected(REQUESTS[0], Decoding(12))[0]}


def test_requests_under_way_reach_the_bound_and_never_pass_it() -> None:
    for bound in (1, 5):
        reached = threading.Event()

        def fault(number: int, body: dict, bound: int = bound, reached: threading.Event = reached) -> None:
            if server.now >= bound:
                reached.set()
            if number >= PROBES:
                reached.wait(10)

        with running(delay=0.01) as server, connected(server.url, concurrency=bound) as engine:
            server.fault = fault
            check(journal.generate(engine, REQUESTS, DECODING))
            assert server.most == bound


def test_batches_end_in_any_order_and_come_back_in_theirs(tmp_path: Path) -> None:
    with running() as server, connected(server.url) as engine:
        plan = engine.plan(REQUESTS, DECODING)
        assert [len(batch) for batch in plan] == [1] * 36
        first = plan[0][0].prompt
        slow = threading.Event()

        def fault(number: int, body: dict) -> None:
            if number >= PROBES and body["prompt"] == first:
                slow.wait(5)

        server.fault = fault
        places = []
        for place, completions in engine.run_many(plan, DECODING):
            places.append(place)
            assert [(c.id, c.sample) for c in completions] == [(r.id, r.sample) for r in plan[place]]
            slow.set()
        assert sorted(places) == list(range(36)) and places[0] != 0


def test_a_prompt_too_long_for_the_context_is_named_and_the_first_to_be_asked() -> None:
    asked = [Request("short", 0, "a"), Request("long", 0, "a " * 995)]
    with running() as server, connected(server.url, concurrency=1) as engine:
        with pytest.raises(UserError, match=r"question 'long' .*maximum context length is 1000(.|\n)*max_new_tokens"):
            journal.generate(engine, asked, DECODING)
        assert server.asked[PROBES]["prompt"] == asked[1].prompt


def test_an_empty_prompt_and_a_request_asked_twice_are_refused() -> None:
    with connected("http://127.0.0.1:9/v1") as engine:
        with pytest.raises(UserError, match="'e' is empty"):
            engine.plan([*REQUESTS, Request("e", 0, "")], DECODING)
        with pytest.raises(UserError, match="requested twice"):
            engine.plan(REQUESTS[:1] * 2, DECODING)
        assert engine.plan([], DECODING) == [] and journal.generate(engine, [], DECODING) == []  # no server needed


def test_odd_replies_are_read_with_care(caplog: pytest.LogCaptureFixture) -> None:
    with running() as server, connected(server.url) as engine:
        server.fault = once("two", *range(999))
        check(journal.generate(engine, REQUESTS, DECODING))
        server.fault = once("ignore-stop", *range(999))
        done = journal.generate(engine, REQUESTS, DECODING)
        assert [c.text for c in done] == [expected(r)[0] for r in REQUESTS]
        assert not caplog.records
        server.fault = once("surrogate", *range(999))
        (done,) = engine.run(REQUESTS[:1], DECODING)
        assert done.text == "half ? of a pair"
        for reason in ("eos", "eos_token", "stop_sequence", ""):
            server.fault = once(f"finish:{reason}", *range(999))
            assert {c.finish for c in journal.generate(engine, REQUESTS, DECODING)} == {"stop"}
        server.fault = once("finish:content_filter", *range(999))
        (done,) = engine.run(REQUESTS[:1], DECODING)
        assert done.finish == "length" and "content filter cut 1 completions" in caplog.text
        server.fault = once("no-usage", *range(999))
        done = journal.generate(engine, REQUESTS, DECODING)
    assert [(c.text, c.finish) for c in done] == [expected(r)[::2] for r in REQUESTS]
    assert all(c.tokens == 12 if c.finish == "length" else 1 <= c.tokens <= 12 for c in done)
    assert caplog.text.count("usage") == 1


@pytest.mark.parametrize("number", [1, 40])
def test_empty_completions_alone_are_refused_and_kept_nowhere(number: int, tmp_path: Path) -> None:
    """After 16 of them, or at the end where there are fewer; 4 more may be under way."""
    asked = [Request(f"q{i}", 0, f"Question: {i}\nAnswer:") for i in range(number)]
    with running(fault=lambda number, body: "empty") as server:
        with (
            connected(server.url, concurrency=4) as engine,
            pytest.raises(UserError, match=rf"empty completions alone \({min(number, 16)} of"),
        ):
            journal.generate(engine, asked, DECODING, tmp_path / "journal")
        assert len(server.asked) <= PROBES + min(number, 16 + 4)
        assert not (tmp_path / "journal").exists()


def test_some_empty_completions_are_kept() -> None:
    """20 empty ones first: the probe had a text, so the server can write."""
    with running(fault=once("empty", *range(20))) as server, connected(server.url) as engine:
        done = journal.generate(engine, REQUESTS, DECODING)
    assert sum(not c.text for c in done) == 20


def lines(file: Path) -> list[bytes]:
    return sorted(file.read_bytes().splitlines())


def spawn(port: int, delay: float) -> tuple[subprocess.Popen[str], str]:
    """A server in a process of its own, and its address; port 0: any."""
    command = [sys.executable, openai_server.__file__, str(port), str(delay)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_a_server_killed_in_the_middle_and_started_again_costs_nothing(tmp_path: Path) -> None:
    first, url = spawn(0, 0.05)
    servers = [first]
    port = int(url.removesuffix("/v1").rpartition(":")[2])
    killed: list[int] = []

    def on_progress(done: int, of: int, tokens: int) -> None:
        if done >= 12 and not killed:
            killed.append(done)
            servers[0].kill()
            servers[0].wait()
            threading.Timer(0.5, lambda: servers.append(spawn(port, 0)[0])).start()

    file = tmp_path / "journal"
    try:
        with connected(url, policy=RetryPolicy(60, first=0.05, longest=0.2)) as engine:
            check(journal.generate(engine, REQUESTS, DECODING, file, on_progress))
            assert killed and killed[0] < len(REQUESTS) and len(servers) == 2
            whole = file.read_bytes()
            assert whole.count(b"\n") == len(set(whole.splitlines())) == 36
            check(journal.generate(engine, REQUESTS, DECODING, file))
            assert file.read_bytes() == whole
    finally:
        for server in servers:
            server.kill()
            server.wait()


OURS = """
import sys
sys.path.append({folder!r})
from pathlib import Path
from openai_server import DECODING, REQUESTS, connected
from w2s.engines import journal
with connected({url!r}) as engine:
    journal.generate(engine, REQUESTS, DECODING, Path({file!r}))
"""


def test_our_process_killed_and_started_again_asks_for_the_rest_only(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    killed = threading.Event()

    def fault(number: int, body: dict) -> None:
        if number >= PROBES + 12:  # not answered before it is killed
            killed.wait(300)

    with running(fault=fault) as server:
        folder = str(Path(openai_server.__file__).parent)
        process = subprocess.Popen([sys.executable, "-c", OURS.format(folder=folder, url=server.url, file=str(file))])
        while not (file.exists() and file.read_bytes().count(b"\n") >= 8):
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kept = file.read_bytes().count(b"\n")
        assert 8 <= kept <= 12
        killed.set()
        while server.now:  # what the killed process had asked for comes to its end
            time.sleep(0.01)
        server.asked.clear()
        with connected(server.url) as engine:
            check(journal.generate(engine, REQUESTS, DECODING, file))
        assert len(server.asked) == PROBES + 36 - kept
    assert file.read_bytes().count(b"\n") == len(set(lines(file))) == 36


def test_what_is_under_way_is_journaled_before_a_refusal_is_raised(tmp_path: Path) -> None:
    """Four at once, the second is refused while three are under way: 3 replies are kept, 36 - 3 = 33 are left."""
    file = tmp_path / "journal"
    refused, asked = threading.Event(), threading.Event()

    def fault(number: int, body: dict) -> str | None:
        if number == PROBES + 1:
            asked.wait(10)
            refused.set()
            return "status:400"
        if number >= PROBES:
            if number == PROBES + 3:
                asked.set()
            refused.wait(10)
            time.sleep(1)  # until the refusal has been read
        return None

    with running() as server, connected(server.url, concurrency=4) as engine:
        server.fault = fault
        with pytest.raises(UserError, match="is refused"):
            journal.generate(engine, REQUESTS, DECODING, file)
        assert file.read_bytes().count(b"\n") == 3 and len(server.asked) == PROBES + 4
        server.fault = once("")
        server.asked.clear()
        check(journal.generate(engine, REQUESTS, DECODING, file))
        assert len(server.asked) == 33


def test_a_reply_that_does_not_come_is_not_waited_for_once_another_request_has_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(openai, "LAST_REPLIES", 0.3)

    def fault(number: int, body: dict) -> str | None:
        return {PROBES: "hang:300", PROBES + 1: "status:400"}.get(number)

    with running() as server, connected(server.url) as engine:
        server.fault = fault
        began = time.monotonic()
        with pytest.raises(UserError, match="is refused"):
            journal.generate(engine, REQUESTS, DECODING, tmp_path / "journal")
        assert time.monotonic() - began < 200


def test_it_works_inside_an_event_loop() -> None:
    async def notebook() -> list:
        with running() as server, connected(server.url) as engine:
            return journal.generate(engine, REQUESTS, DECODING)

    check(asyncio.run(notebook()))


def test_closing_gives_up_what_is_under_way_and_may_be_done_twice() -> None:
    with running(fault=once("hang:30", *range(999))) as server:
        engine = OpenAIEngine(Server(openai_server.MODEL, server.url, None, 60))
        before = set(threading.enumerate())
        ended: list[BaseException] = []

        def call() -> None:
            try:
                engine.run(REQUESTS[:2], DECODING)
            except concurrent.futures.CancelledError as error:
                ended.append(error)

        caller = threading.Thread(target=call)
        caller.start()
        while len(server.asked) < PROBES + 2:
            time.sleep(0.01)
        engine.close()
        engine.close()
        caller.join(60)
        assert ended
        join_requests(before)


def test_a_connection_that_is_made_after_hanging_up_is_broken_off_too() -> None:
    with running(fault=once("hang:600", *range(9))) as server:
        remote, cancelled = Server(openai_server.MODEL, server.url, None, 600), threading.Event()

        def attempt() -> object:
            cancelled.set()
            remote.hang_up()
            return remote.client.completions.create(model="any", prompt="any")

        with pytest.raises(concurrent.futures.CancelledError):
            remote.call(attempt, RetryPolicy(600), cancelled)
        remote.close()


INTERRUPTED = """
import sys
sys.path.append({folder!r})
from pathlib import Path
from openai_server import DECODING, REQUESTS, connected
from w2s.engines import journal
with connected({url!r}, timeout=600) as engine:
    journal.generate(engine, REQUESTS, DECODING, Path({file!r}))
"""


def test_an_interrupt_ends_the_process_at_once_and_keeps_what_has_come(tmp_path: Path) -> None:
    """Replies 3 and later come after 120 s; the process is given 60."""
    file = tmp_path / "journal"
    with running(fault=lambda number, body: "hang:120" if number >= PROBES + 3 else None) as server:
        folder = str(Path(openai_server.__file__).parent)
        code = INTERRUPTED.format(folder=folder, url=server.url, file=str(file))
        process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
        while not (server.now == 4 and file.exists() and file.read_bytes().count(b"\n") == 3):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        assert "KeyboardInterrupt" in error and process.returncode != 0
    assert file.read_bytes().count(b"\n") == 3


def test_what_is_given_up_is_broken_off_at_the_server_too() -> None:
    """Its thread here ends, and so does the connection, so that the server need not finish the reply."""
    with running() as server, connected(server.url) as engine:
        server.fault = lambda number, body: "hang:120" if number > PROBES else None
        before = set(threading.enumerate())
        ended = engine.run_many([[request] for request in REQUESTS[:4]], DECODING)
        next(ended)
        while server.now < 3:
            time.sleep(0.01)
        assert sum(thread.name == "w2s-openai" for thread in set(threading.enumerate()) - before) == 3
        ended.close()
        join_requests(before)


@pytest.mark.parametrize("model", ["openai:", "openai-chat:", "w2s:tiny-strong", "/a/folder"])
def test_other_references_are_refused(model: str) -> None:
    with pytest.raises(UserError, match="openai:NAME"):
        load(model, Loading("openai", runtime=Runtime(server="http://localhost:8000")))


def test_tokens_are_estimated() -> None:
    with connected("http://127.0.0.1:9/v1") as engine:
        assert [engine.count_tokens(text) for text in ("", "one", "one two three")] == [0, 2, 4]
