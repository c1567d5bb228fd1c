"""SIGINT and SIGTERM: one line, the exit code of the signal, no traceback; and errors of the system."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from w2s import cli, verbs
from w2s.errors import UserError, system_error

LINE = "w2s: stopped; the same command goes on\n"
STOPS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.mark.parametrize(("number", "code"), STOPS)
def test_a_verb_that_reads_is_stopped_with_one_line(tmp_path: Path, number: int, code: int) -> None:
    responses, out = tmp_path / "r.jsonl", tmp_path / "graded.jsonl"
    (tmp_path / "gold.jsonl").write_text('{"id": 1, "answer": "7"}\n')
    os.mkfifo(responses)
    arguments = ["grade", "--task", "arith", "--gold", "gold.jsonl", "--responses", "r.jsonl", "--out", str(out)]
    verb = subprocess.Popen([sys.executable, "-m", "w2s", *arguments], stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    with open(responses, "wb"):  # it opens once the verb reads
        verb.send_signal(number)
        _, said = verb.communicate()
    assert (verb.returncode, said) == (code, LINE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gold.jsonl", "r.jsonl"]


@pytest.mark.parametrize(("number", "code"), STOPS)
def test_so_is_one_that_is_still_importing(number: int, code: int) -> None:
    script = f"""
import os, sys
from w2s import cli
class Stops:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            os.kill(os.getpid(), {int(number)})
sys.meta_path.insert(0, Stops())
sys.exit(cli.main(["tasks"]))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "", LINE)


def test_a_failure_that_a_signal_caused_is_a_stop(monkeypatch, capsys) -> None:
    def fail(*arguments: object, **options: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            raise RuntimeError("a library's own error") from None

    monkeypatch.setattr(verbs, "grade", fail)
    before = signal.getsignal(signal.SIGTERM)
    assert cli.main(["grade", "--task", "arith", "--gold", "g", "--responses", "r"]) == 143
    assert capsys.readouterr().err.endswith(LINE)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_that_comes_after_the_end_changes_nothing(monkeypatch, capsys) -> None:
    class Late(cli._Signals):
        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            if (name, value) == ("ended", True):
                os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(cli, "_Signals", Late)
    assert cli.main(["tasks"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_of_either_kind_kills(second: int) -> None:
    script = f"""
import os, signal, sys
from w2s import cli, verbs
def grade(*arguments, **options):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        os.kill(os.getpid(), {int(second)})
verbs.grade = grade
sys.exit(cli.main(["grade", "--task", "arith", "--gold", "g", "--responses", "r"]))
"""
    assert subprocess.run([sys.executable, "-c", script], capture_output=True).returncode == -second


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "w.bin"), "w.bin: cannot be used (No space left on device)"),
        (OSError(errno.EROFS, "Read-only file system", "d/x"), "d/x: cannot be used (Read-only file system)"),
        (PermissionError(errno.EACCES, "Permission denied", "d/x"), "d/x: cannot be used (Permission denied)"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "I/O error: No space left on device"),
        (RuntimeError("PytorchStreamWriter: No space left on device"), "PytorchStreamWriter: No space left on device"),
        (RuntimeError("I/O error: File too large (os error 27)"), "I/O error: File too large"),
    ],
)
def test_what_the_system_refuses_is_one_message(error: Exception, message: str, monkeypatch, capsys) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(verbs, "grade", fail)
    assert cli.main(["grade", "--task", "arith", "--gold", "g", "--responses", "r"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"w2s: {message}") and "hint: " in said and "Traceback" not in said


def test_any_other_error_stays_a_failure_of_ours() -> None:
    assert system_error(OSError(errno.EBADF, "Bad file descriptor")) is None
    assert system_error(ValueError("no")) is None
    assert isinstance(system_error(OSError(errno.EACCES, "Permission denied")), UserError)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "w.jsonl").write_text('{"id": 1, "question": "q", "response": "#### 7"}\n')
    (tmp_path / "s.jsonl").write_text('{"id": 1, "question": "q", "response": "It is #### 7"}\n')
    arguments = ["agree", "--task", "arith", "--weak", "w.jsonl", "--strong", "s.jsonl", "--out", "-"]
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "w2s", *arguments], stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path
        )
    assert ended.returncode == 2 and "No space left on device" in ended.stderr and "Traceback" not in ended.stderr
