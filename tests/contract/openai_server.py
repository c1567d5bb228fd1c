"""A small OpenAI-compatible server on loopback, from the standard library, with faults on demand; requests to try it.

`serve` for tests in this process, `python openai_server.py PORT` for a server that can be killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2s import seeds
from w2s.engines.base import Completion, Decoding, Request

if TYPE_CHECKING:
    from w2s.engines.openai import OpenAIEngine
    from w2s.engines.retry import RetryPolicy

MODEL = "loopback"
CONTEXT = 1000
"""Words of prompt and completion together."""

REQUESTS = [Request(f"q{i}", sample, f"Question: {'ab ' * i}\nAnswer:") for i in range(12) for sample in range(3)]
DECODING = Decoding(12, temperature=1.0, seed=7)
PROBES = 2
"""Completion requests that the engine makes before the first of a run."""

Fault = Callable[[int, dict[str, Any]], "str | None"]
"""(number of the completion request from 0, its body) -> the name of a fault (see `_Handler.complete`), or None."""


def text(prompt: str, seed: int, temperature: float) -> str:
    """What this model says: 1 to 24 words, then another question. Greedy where the temperature is 0."""
    digest = hashlib.sha256(f"{seed if temperature > 0 else 'greedy'} {prompt}".encode()).digest()
    source = random.Random(digest)
    words = " ".join(source.choice(("so", "then", "é", "7", "is", "#### 12")) for _ in range(source.randint(1, 24)))
    return f" {words}\nQuestion: next"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *_: object) -> None:
        pass

    def reply(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status: int, message: str, headers: dict[str, str] | None = None, code: object = None) -> None:
        self.reply(status, {"error": {"message": message, "type": "error", "code": code or status}}, headers)

    def permitted(self) -> bool:
        self.server.authorizations.add(self.headers.get("Authorization", ""))
        if self.server.key is None or self.headers.get("Authorization") == f"Bearer {self.server.key}":
            return True
        self.refuse(401, f"Incorrect API key provided: {self.headers.get('Authorization')}")
        return False

    def do_GET(self) -> None:
        if not self.permitted():
            return
        if self.path == "/v1/models" and self.server.lists:
            row = {"id": MODEL, "object": "model", "created": 1, "owned_by": self.server.owner, "root": "/models/it"}
            self.reply(200, {"object": "list", "data": [row]})
        else:
            self.reply(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.permitted():
            return
        chat = self.path == "/v1/chat/completions" and self.server.chats
        if not chat and (self.path != "/v1/completions" or self.server.chat_only):
            self.reply(404, {"detail": "Not Found"})
            return
        with self.server.lock:
            number = len(self.server.asked)
            self.server.asked.append(body)
            self.server.now += 1
            self.server.most = max(self.server.most, self.server.now)
        try:
            time.sleep(self.server.delay)
            self.complete(body, self.server.fault(number, body))
        except OSError:
            pass  # the client went away, or this server was stopped
        finally:
            with self.server.lock:
                self.server.now -= 1

    def complete(self, body: dict[str, Any], fault: str | None) -> None:
        if body["model"] != MODEL:
            return self.refuse(404, f"The model `{body['model']}` does not exist.")
        for name in self.server.unknown:
            if name in body:
                other = ". Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
                return self.refuse(400, f"Unsupported parameter: '{name}'{other}")
        chat = "messages" in body
        prompt = json.dumps(body["messages"], ensure_ascii=False) if chat else body["prompt"]
        most = body.get("max_tokens") or body["max_completion_tokens"]
        length = len(prompt.split())
        if length + most > CONTEXT:
            return self.refuse(400, f"maximum context length is {CONTEXT} tokens, the prompt has {length}")
        kind, _, value = (fault or "").partition(":")
        if kind == "status":  # status:CODE[:Retry-After]
            status, _, wait = value.partition(":")
            headers = {"Retry-After": wait} if wait else None
            return self.refuse(int(status), f"trouble with {self.headers.get('Authorization')}", headers)
        if kind == "quota":
            return self.refuse(429, "You exceeded your current quota", code="insufficient_quota")
        if kind == "hang":
            self.server.stopped.wait(float(value))
            self.close_connection = True
            return None
        if kind == "garbage":
            return self.reply(200, value or '{"choices": [{"te')
        if kind == "redirect":
            return self.reply(307, {}, {"Location": value})
        if kind == "endless":  # body, or head: a byte every 20 ms
            return self.drip(value == "head")
        if kind == "huge":
            return self.reply(int(value), {"error": {"message": "x" * 300_000}})
        seed = random.getrandbits(40) if kind == "ignore-seed" else body.get("seed", 0)
        said = "" if kind == "empty" else text(prompt, seed, body["temperature"])
        stops = ["Question:"] if chat else body["stop"] or ()
        if kind != "ignore-stop":
            said = said[: min((said.find(stop) for stop in stops if stop in said), default=len(said))]
        words = said.split()
        cut = len(words) > most
        if cut:
            said = " " + " ".join(words[:most])
        choice = {"index": 0, "text": said, "logprobs": None, "finish_reason": "length" if cut else "stop"}
        choice |= {"finish_reason": value or None} if kind == "finish" else {}
        choice |= {"text": f"it is {value}"} if kind == "text" else {}
        choice |= {"text": "half \ud83d of a pair"} if kind == "surrogate" else {}
        row: dict[str, Any] = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": MODEL}
        row |= {"model": value or None} if kind == "model" else {}
        row["choices"] = [{**choice, "index": 1, "text": "a second"}, choice] if kind == "two" else [choice]
        if chat:
            for each in row["choices"]:
                each["message"] = {"role": "assistant", "content": each.pop("text").strip()}
        if kind != "no-usage":
            tokens = min(len(words) + 1, most)
            row["usage"] = {"prompt_tokens": length, "completion_tokens": tokens, "total_tokens": length + tokens}
        if kind == "drop":  # in the middle of the body
            data = json.dumps(row).encode()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            self.wfile.write(b"Content-Length: %d\r\n\r\n" % len(data) + data[: len(data) // 2])
            self.close_connection = True
            return None
        return self.reply(200, row)

    def drip(self, head: bool) -> None:
        """A reply whose head or body never ends, as long as the client reads it."""
        self.close_connection = True
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        self.wfile.write(b"X-Slow: " if head else b"Content-Length: 1000000\r\n\r\n")
        while not self.server.stopped.wait(0.02):
            self.wfile.write(b" ")


class Server(ThreadingHTTPServer):
    """The server and what it saw: `asked` (bodies of completion requests), `most` (at once), `authorizations`."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int = 0, **settings: Any) -> None:
        self.connections: set[socket.socket] = set()
        self.authorizations: set[str] = set()
        self.asked: list[dict[str, Any]] = []
        self.now = self.most = 0
        self.lock, self.stopped = threading.Lock(), threading.Event()
        self.fault: Fault = lambda number, body: None
        self.key: str | None = None
        self.owner, self.delay = "someone", 0.0
        self.lists, self.chat_only, self.chats = True, False, False
        self.unknown: tuple[str, ...] = ()
        for name, value in settings.items():
            setattr(self, name, value)
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, *_: object) -> None:
        pass  # connections that break are meant to

    def stop(self) -> None:
        """End at once: replies under way are torn off and the port is free."""
        self.stopped.set()
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def running(port: int = 0, **settings: Any) -> Iterator[Server]:
    """A `Server` at work; settings are its attributes."""
    server = Server(port, **settings)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()


@contextlib.contextmanager
def connected(
    url: str, key: str | None = None, *, model: str = MODEL, timeout: float = 30, concurrency: int = 4,
    policy: RetryPolicy | None = None, chat: bool = False, body: int = 2**20,
) -> Iterator[OpenAIEngine]:  # fmt: skip
    """An engine with short pauses between retries on the server at `url`."""
    from w2s.engines.openai import OpenAIEngine
    from w2s.engines.retry import RetryPolicy
    from w2s.engines.server import Server as Remote

    remote = Remote(model, url, key, timeout, chat, body)
    engine = OpenAIEngine(remote, concurrency, policy or RetryPolicy(30, first=0.01, longest=0.05))
    try:
        yield engine
    finally:
        engine.close()


def expected(request: Request, decoding: Decoding = DECODING) -> tuple[str, int, str]:
    """Text, tokens and finish of a request at this server."""
    seed = seeds.derive(decoding.seed, request.id, request.sample)
    words = text(request.prompt, seed, decoding.temperature).split("Question:")[0].split()
    limit = decoding.max_new_tokens
    return " ".join(words[:limit]), min(len(words) + 1, limit), "length" if len(words) > limit else "stop"


def check(done: list[Completion]) -> None:
    """These are the right completions of REQUESTS, in order."""
    assert [(c.id, c.sample) for c in done] == [(r.id, r.sample) for r in REQUESTS]
    assert [(c.text, c.tokens, c.finish) for c in done] == [expected(r) for r in REQUESTS]


def once(name: str, *numbers: int) -> Fault:
    """The fault at the given numbers of run requests (the probe not counted)."""
    return lambda number, body: name if number - PROBES in numbers else None


@contextlib.contextmanager
def serve(folder: Path | None = None) -> Iterator[str]:
    """The base URL of a server without faults; `folder` is not needed."""
    with running() as server:
        yield server.url


if __name__ == "__main__":
    with running(int(sys.argv[1]), delay=float(sys.argv[2])) as main:
        print(main.url, flush=True)
        threading.Event().wait()
