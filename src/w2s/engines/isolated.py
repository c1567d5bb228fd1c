"""Any engine in a process of its own, so that all its memory is free again when the process ends.

The parent writes one JSON line a call to the child's standard input, [engine, method, arguments], and reads one line
back, ["value" | "user" | "failure", content]. The child leads a process group, which is killed as a whole: by the
parent when the last engine of the process is closed or a call is broken off, by the child when the parent is gone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from w2s.config import Dtype, Runtime
from w2s.engines.base import Completion, Decoding, Engine, Request
from w2s.errors import UserError

LOG_BYTES = 4000
"""The end of the child's output that an error shows."""


class Process:
    """A child that holds engines, each under a number."""

    def __init__(self) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this object
        self._lock = threading.Lock()
        path = os.pathsep.join(entry for entry in sys.path if entry)  # what can be imported here can be there
        self._child = subprocess.Popen(
            [sys.executable, "-m", "w2s.engines.isolated"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,
        )
        self.engines: set[int] = set()
        self.alive = True

    @property
    def pid(self) -> int:
        """Of the child, which is also its group."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether it can still be called."""
        return self.alive and self._child.poll() is None

    def call(self, engine: int, method: str, *arguments: Any) -> Any:
        """What `method` of the engine returns.

        Raises:
            UserError: raised by the engine, or the process died (too little memory is the usual cause).
            RuntimeError: any other exception of the engine, with its traceback.
        """
        assert self._child.stdin is not None and self._child.stdout is not None
        with self._lock:
            try:
                self._child.stdin.write(json.dumps([engine, method, arguments]).encode() + b"\n")
                self._child.stdin.flush()
                line = self._child.stdout.readline()
            except (BrokenPipeError, ValueError):  # ValueError: closed by `kill`
                line = b""
            except BaseException:  # an interrupted call leaves its answer in the pipe: nobody may read it
                self.kill()
                raise
        if not line.endswith(b"\n"):
            raise self._died()
        kind, content = json.loads(line)
        if kind == "user":
            raise UserError(content)
        if kind == "failure":
            raise RuntimeError(f"the engine failed in its process:\n{content}")
        return content

    def kill(self) -> None:
        """End the child and everything it started; may be called again."""
        if not self.alive:
            return
        self.alive = False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            with contextlib.suppress(OSError):
                assert pipe is not None
                pipe.close()

    def _died(self) -> UserError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(5)  # for the code of its own end, if it came to one, and not that of `kill`
        self.kill()
        code = self._child.returncode
        reason = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - LOG_BYTES))
        said = self._log.read().decode(errors="replace").strip() or "nothing"
        return UserError(
            f"the engine's process ended {reason}; the last it said:\n{said}",
            mend="if it ran out of memory, lower runtime.device_memory or use a smaller model",
        )


class IsolatedEngine:
    """An engine in a `Process`, which ends when the last one in it is closed."""

    def __init__(self, process: Process, number: int) -> None:
        self.process, self._number = process, number

    def plan(self, requests: Sequence[Request], decoding: Decoding) -> list[list[Request]]:
        asked = {(request.id, request.sample): request for request in requests}
        plan = self._call("plan", *_written(requests, decoding))
        return [[asked[name, sample] for name, sample in batch] for batch in plan]

    def run(self, batch: Sequence[Request], decoding: Decoding) -> list[Completion]:
        return [Completion(*row) for row in self._call("run", *_written(batch, decoding))]

    def count_tokens(self, text: str) -> int:
        return int(self._call("count_tokens", text))

    def close(self) -> None:
        """Close it; one that is `kept` is closed by `release`."""
        if _keeping and self.process in _shared.values():
            _parked.append(self)
        else:
            self.end()

    def end(self) -> None:
        """Close it, kept or not; may be called again."""
        if self._number not in self.process.engines:
            return
        self.process.engines.remove(self._number)
        try:
            if self.process.running:
                self._call("close")
        except UserError:
            if self.process.alive:
                raise  # else it died, and is closed all the same
        finally:
            if not self.process.engines:
                self.process.kill()

    def _call(self, method: str, *arguments: Any) -> Any:
        return self.process.call(self._number, method, *arguments)


_shared: dict[str, Process] = {}
_parked: list[IsolatedEngine] = []
_keeping = False


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Inside, shared engines stay open when they are closed, so that the next one in their process finds it loaded.

    They are closed when any other process is asked for, by `release`, and with this context.
    """
    global _keeping
    _keeping = True
    try:
        yield
    finally:
        _keeping = False
        release()


def release(but: Process | None = None) -> None:
    """Close what is `kept`, save in the process `but`: others need its memory."""
    for engine in _parked[:]:
        if engine.process is not but:
            _parked.remove(engine)
            engine.end()


def load(
    function: str,
    model: str | Path,
    *,
    dtype: Dtype = "float32",
    trust_remote_code: bool = False,
    runtime: Runtime | None = None,
    share: str | None = None,
) -> IsolatedEngine:
    """Call `function` ("module:name", an engine's `load`) in a process of its own or a shared one.

    Args:
        function: where the engine is loaded from.
        model: the reference.
        dtype: handed on, as the next two are.
        trust_remote_code: see `w2s.engines.load`.
        runtime: likewise.
        share: engines with one `share` that are open at the same time live in one process, and `kept` ones in turn.

    Raises:
        UserError: the engine cannot be loaded, or its process died.
    """
    found = _shared.get(share) if share is not None else None
    if found is not None and not found.running:
        found.kill()  # what it started may have outlived it
        found = None
    release(but=found)
    process = found or Process()
    if share is not None:
        _shared[share] = process
    number = max(process.engines, default=0) + 1
    options = {"dtype": dtype, "trust_remote_code": trust_remote_code}
    written = (runtime or Runtime()).model_dump(mode="json")
    try:
        process.call(number, "load", function, str(model), options, written)
    except BaseException as error:
        if not process.engines:
            process.kill()
        if isinstance(error, UserError) and found is not None and not found.alive:  # it had died before, or was dying
            return load(function, model, dtype=dtype, trust_remote_code=trust_remote_code, runtime=runtime, share=share)
        raise
    process.engines.add(number)
    return IsolatedEngine(process, number)


def _written(requests: Sequence[Request], decoding: Decoding) -> tuple[list[Any], dict[str, Any]]:
    return [dataclasses.astuple(request) for request in requests], dataclasses.asdict(decoding)


def _answer(engines: dict[int, Engine], number: int, method: str, arguments: list[Any]) -> Any:
    if method == "load":
        place, model, options, runtime = arguments
        module, name = place.split(":")
        function = getattr(importlib.import_module(module), name)
        engines[number] = function(model, **options, runtime=Runtime.model_validate(runtime))
        return None
    if method == "close":
        return engines.pop(number).close()
    engine = engines[number]
    if method == "count_tokens":
        return engine.count_tokens(*arguments)
    requests = [Request(*row) for row in arguments[0]]
    decoding = Decoding(**(arguments[1] | {"stop": tuple(arguments[1]["stop"])}))
    if method == "plan":
        return [[(r.id, r.sample) for r in batch] for batch in engine.plan(requests, decoding)]
    return [dataclasses.astuple(completion) for completion in engine.run(requests, decoding)]


def _listen(lines: queue.SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        lines.put(line)
    os.killpg(os.getpgrp(), signal.SIGKILL)  # the parent is gone: nobody wants the rest, nor the workers' memory


def main() -> None:
    """The child: answers calls until it is killed. Whatever libraries print goes to standard error."""
    assert os.getpgrp() == os.getpid(), "started by Process only: this process kills its group"
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    engines: dict[int, Engine] = {}
    while True:
        number, method, arguments = json.loads(lines.get())
        try:
            reply = ("value", _answer(engines, number, method, arguments))
        except UserError as error:
            reply = ("user", str(error))
        except Exception:
            reply = ("failure", traceback.format_exc())
        replies.write(json.dumps(reply).encode() + b"\n")
        replies.flush()


if __name__ == "__main__":
    main()
