"""The engine for servers against a real one, `vllm serve`, which is killed in the middle and comes back."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from w2s import models, prompting, tasks
from w2s.config.schema import ArithTask, Runtime
from w2s.engines import isolated, journal
from w2s.engines.base import Decoding, Engine, Loading, Request

pytestmark = pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed")

MODEL = "tiny-strong"
KEY = "a-key-for-this-test"
STARTS = 240  # seconds a start may take on a busy machine


class Server:
    """`vllm serve` on one port, started and killed at will."""

    def __init__(self, log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.log = log

    def start(self) -> None:
        """Returns once it answers."""
        folder = str(models.resolve(f"w2s:{MODEL}").path_or_id)
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", folder]
        command += ["--served-model-name", MODEL, "--port", str(self.port), "--host", "127.0.0.1", "--api-key", KEY]
        command += [
            "--dtype",
            "float32",
            "--generation-config",
            "vllm",
            "--enforce-eager",
            "--no-enable-chunked-prefill",
        ]
        quiet = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, **quiet, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"},
            )  # fmt: skip
        end = time.monotonic() + STARTS
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2).close()
                return
            time.sleep(0.5)
        raise AssertionError(self.log.read_text()[-3000:])

    def kill(self) -> None:
        """At once, with its workers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server") / "log")
    started.start()
    yield started
    started.kill()


def _engine(server: Server, monkeypatch: pytest.MonkeyPatch) -> Engine:
    from w2s import engines

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return engines.load(f"openai:{MODEL}", Loading("openai", runtime=Runtime(server=server.url, concurrency=16)))


def _requests(count: int, n: int = 1) -> list[Request]:
    questions = tasks.load(ArithTask(train_1=1, train_2=1, test=count)).questions("test")
    return [Request(q.id, k, prompting.prompt(q.question, [])) for q in questions for k in range(n)]


@pytest.mark.timeout(900)
def test_greedy_texts_are_those_of_the_model(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    requests, decoding = _requests(40), Decoding(64)
    engine = _engine(server, monkeypatch)
    served = journal.generate(engine, requests, decoding)
    engine.close()
    loading = Loading(runtime=Runtime(offline=True, device="cpu", threads=1))
    local = isolated.load("w2s.engines.transformers:load", f"w2s:{MODEL}", loading)
    expected = journal.generate(local, requests, decoding)
    local.close()
    assert sum(a.text == b.text for a, b in zip(served, expected, strict=True)) >= 38
    assert [c.tokens for c in served if c.finish == "length"] == [64] * sum(c.finish == "length" for c in served)


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_a_killed_server_costs_no_question_and_repeats_none(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    requests, decoding, kept = _requests(60, n=4), Decoding(64, temperature=1.0, seed=3), tmp_path / "journal"
    killed = []

    def kill_once(done: int, total: int, tokens: int) -> None:
        if done >= total // 3 and not killed:
            killed.append(done)
            server.kill()
            server.start()

    engine = _engine(server, monkeypatch)
    completions = journal.generate(engine, requests, decoding, kept, kill_once)
    engine.close()
    assert killed and [(c.id, c.sample) for c in completions] == [(r.id, r.sample) for r in requests]
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    times = Counter((id, sample) for line in lines for id, sample, *_ in line["completions"])
    assert set(times.values()) == {1} and len(times) == len(requests)
    assert KEY not in kept.read_text()
    assert len({c.text for c in completions}) > len(requests) // 2, "samples of one question must differ"
