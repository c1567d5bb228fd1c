"""Commands of w2s in processes that end at a chosen place, or after a chosen time of the processor.

A server imports what takes seconds, then forks a process per command; it may live in namespaces of its own.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SRC = str(Path(__file__).resolve().parents[2] / "src")
STOPPED = "w2s: stopped; the same command goes on\n"
TERM, INT, KILL = signal.SIGTERM, signal.SIGINT, signal.SIGKILL
CODES = {KILL: -KILL, TERM: 128 + TERM, INT: 128 + INT}
PID_NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
MOUNT_NAMESPACE = ("unshare", "--mount")

RECIPE = (
    "run",
    "dtype=float32",
    "baselines=[weak_floor]",
    "task.train_1=48",
    "task.train_2=24",
    "task.test=4",
    "weak_training.epochs=6",
    "weak_training.learning_rate=2e-3",
    "weak_training.batch_size=8",
    "training.epochs=1",
    "training.batch_size=8",
    "sampling.n=3",
    "max_new_tokens=80",
    "few_shot.k=1",
    "stage1_variants=false",
    "preference.losses=[dpo]",
    "preference.epochs=1",
    "evaluation.samples=0",
    "selection.confidence=0.25",
    "selection.reject_confidence=0.25",
    "runtime.progress=false",
    "runtime.save_minutes=0.01",
)
"""Each kind of step at least once."""

BEFORE = ("w2s.cli.verbs", "w2s.recipe.weak_to_strong", "w2s.verbs")
BEFORE_TORCH = (
    "bitsandbytes",
    "peft",
    "transformers.models.llama.modeling_llama",
    "w2s.engines.transformers",
    "w2s.training.preference",
    "w2s.training.sft",
)
"""What takes seconds to import."""


def namespace(*command: str) -> tuple[str, ...] | None:
    """The command that makes a namespace here, with a user's one where this is not root; None if it is forbidden."""
    for rights in ((), ("--map-root-user",)):
        whole = (command[0], *rights, *command[1:])
        with contextlib.suppress(FileNotFoundError):
            if subprocess.run([*whole, "true"], capture_output=True).returncode == 0:
                return whole
    return None


@dataclass(frozen=True)
class Stop:
    """When a command gets a signal.

    Args:
        number: SIGKILL, SIGTERM or SIGINT.
        place: "module:function", before its call.
        after: after the call.
        call: of those that count, from 1.
        step: calls count while this step runs.
        text: calls count that have it in an argument.
        events: changes of files in `text`, a folder; before the last of them.
        seconds: of the processor.
        wait: a pipe; the command waits for it there instead of the signal, and goes on when it is closed.
        shell: a command that is run there instead of the signal.
    """

    number: int = KILL
    place: str = ""
    after: bool = False
    call: int = 1
    step: str = ""
    text: str = ""
    events: int = 0
    seconds: float = 0.0
    wait: str = ""
    shell: str = ""


@dataclass(frozen=True)
class Ended:
    """How a command ended; `seconds` of the processor."""

    code: int
    said: str
    seconds: float

    def by(self, stop: Stop) -> bool:
        """Whether it ended by this signal, as it must: False if it came to its end before."""
        assert self.code in (0, CODES[stop.number]), (stop, self.code, self.said)
        if stop.number != KILL and self.code:
            assert self.said.endswith(STOPPED) and self.said.count(STOPPED) == 1, self.said
            assert "Traceback" not in self.said and "Exception ignored" not in self.said, self.said
        return self.code != 0


class Commands:
    """Runs commands, one at a time.

    Args:
        folder: where commands run.
        prefix: of the server's command line, such as a namespace.
        torch: import it before the commands.

    A dead run in another container counts as dead after a second, not after a minute.
    """

    def __init__(self, folder: Path, *prefix: str, torch: bool = False) -> None:
        self.folder = folder
        self._server = subprocess.Popen(
            [*prefix, sys.executable, __file__, *(["torch"] if torch else [])],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": SRC, "W2S_CACHE": str(folder / "cache")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Commands:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """With it go its namespace and all that runs there."""
        self._server.kill()
        self._server.communicate()

    def run(self, *arguments: str, stop: Stop | None = None, largest: int | None = None) -> Ended:
        """Run `w2s ARGUMENTS...`; `largest`: bytes of a file it may write."""
        self.start(*arguments, stop=stop, largest=largest)
        return self.end()

    def start(self, *arguments: str, stop: Stop | None = None, largest: int | None = None) -> None:
        self._say({"arguments": arguments, "stop": None if stop is None else asdict(stop), "largest": largest})

    def end(self) -> Ended:
        return Ended(**self._hear())

    def shell(self, command: str) -> None:
        """Run a command of the shell beside the server, in its namespaces."""
        self._say({"shell": command})
        reply = self._hear()
        assert reply["code"] == 0, (command, reply)

    def _say(self, request: dict[str, Any]) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, "the server has ended"
        return dict(json.loads(line))


def content(folder: Path, *parts: str) -> dict[str, bytes]:
    """Every file of some sub-folders, or of all."""
    places = [folder / part for part in parts] or [folder]
    files = (path for place in places for path in sorted(place.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def names(folder: Path) -> list[str]:
    """Every file and folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def _arm(stop: Stop) -> None:
    """Let this process end as `stop` says; `seconds` is the server's."""
    left = stop.events or stop.call
    step = ""

    def die() -> None:
        nonlocal left
        left -= 1
        if left == 0 and stop.wait:
            Path(stop.wait).read_bytes()
        elif left == 0 and stop.shell:
            subprocess.run(["sh", "-c", stop.shell], check=True)
        elif left == 0:
            os.kill(os.getpid(), stop.number)

    if stop.events:
        sys.addaudithook(lambda event, values: die() if stop.text in _changed(event, values) else None)
    if not stop.place:
        return
    module, _, name = stop.place.partition(":")
    holder: Any = importlib.import_module(module)
    *outer, name = name.split(".")
    for part in outer:
        holder = getattr(holder, part)
    function = getattr(holder, name)

    def stopping(*values: Any, **named: Any) -> Any:
        counts = stop.step in ("", step) and (not stop.text or any(stop.text in str(value) for value in values))
        if counts and not stop.after:
            die()
        result = function(*values, **named)
        if counts and stop.after:
            die()
        return result

    setattr(holder, name, stopping)
    if stop.step:
        from w2s.flow import runner

        taken = runner._Run.take

        def take(self: Any, each: Any) -> None:
            nonlocal step
            step = each.name
            taken(self, each)

        runner._Run.take = take  # type: ignore[method-assign]


def _changed(event: str, values: tuple[Any, ...]) -> str:
    """The path of a file or folder that is about to change, else nothing."""
    if event == "open":
        flags = values[2] if isinstance(values[2], int) else 0
        writes = flags & (os.O_WRONLY | os.O_RDWR)
        return os.path.abspath(values[0]) if writes and isinstance(values[0], str) else ""
    if event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link"):
        return " ".join(os.path.abspath(value) for value in values if isinstance(value, str | os.PathLike))
    return ""


def _child(request: dict[str, Any], said: int) -> None:
    """One command; never returns."""
    from w2s import cli

    empty = os.open(os.devnull, os.O_RDWR)
    for descriptor, number in ((empty, 0), (empty, 1), (said, 2)):
        os.dup2(descriptor, number)
    if request["stop"] is not None:
        _arm(Stop(**request["stop"]))
    if request["largest"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["largest"],) * 2)
    code = cli.main(request["arguments"])
    sys.stderr.flush()
    os._exit(code)


def _serve(request: dict[str, Any]) -> dict[str, Any]:
    if "shell" in request:
        done = subprocess.run(["sh", "-c", request["shell"]], capture_output=True, text=True)
        return {"code": done.returncode, "said": done.stderr}
    said = os.memfd_create("said")
    pid = os.fork()
    if pid == 0:
        try:
            _child(request, said)
        finally:
            os._exit(99)
    seconds = (request["stop"] or {}).get("seconds")
    ended, status, usage = os.wait4(pid, os.WNOHANG if seconds else 0)
    while not ended:
        if seconds and _processor_seconds(pid) >= seconds:
            os.kill(pid, request["stop"]["number"])
            seconds = None
        time.sleep(0.005)
        ended, status, usage = os.wait4(pid, os.WNOHANG if seconds else 0)
    text = os.pread(said, 2**20, 0).decode(errors="replace")
    os.close(said)
    return {"code": os.waitstatus_to_exitcode(status), "said": text, "seconds": usage.ru_utime + usage.ru_stime}


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _requests() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        yield json.loads(line)


def main() -> None:
    """The server: a request per line of standard input, a reply per line of standard output."""
    for name in (*BEFORE, *(BEFORE_TORCH if "torch" in sys.argv else ())):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    from w2s.flow.lock import Lock

    Lock.__init__.__kwdefaults__.update(expiry=1.0, beat=0.1)
    for request in _requests():
        print(json.dumps(_serve(request)), flush=True)


if __name__ == "__main__":
    main()
