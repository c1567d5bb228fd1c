"""All verbs on a terminal of 80 columns: no figure is cut, no word broken off, and nothing but ours is printed."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import termios
import time
from pathlib import Path

import pytest

from w2s.data import jsonl

FAST = (
    "task.train_1=24", "task.train_2=24", "task.test=8", "weak_training.epochs=1", "training.epochs=1",
    "stage1_iterations=1", "stage1_variants=false", "preference.losses=[dpo]", "evaluation.samples=0", "sampling.n=2",
    "baselines=[weak_floor, weak_icl]",
)  # fmt: skip
NOISE = re.compile(r"gemm_4bit|Failed to load|FutureWarning|UserWarning|DeprecationWarning|pip install kernels")


def on_terminal(*arguments: str, columns: int = 80) -> tuple[str, int, list[float]]:
    """What `w2s` writes to a terminal, its exit code, and the seconds between two pieces."""
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.environ |= {"TERM": "xterm-256color", "PYTHONUNBUFFERED": "1"}
        os.environ.pop("COLUMNS", None)
        os.execv(sys.executable, [sys.executable, "-m", "w2s", *arguments])
    pieces, gaps, last = [], [], time.monotonic()
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the child has ended
            break
        if not piece:
            break
        gaps.append(time.monotonic() - last)
        last = time.monotonic()
        pieces.append(piece)
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return b"".join(pieces).decode(), os.waitstatus_to_exitcode(status), gaps


def lines(text: str) -> list[str]:
    """Without colours and movements of the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n").split("\n")


def check(text: str) -> None:
    assert "…" not in text and "Traceback" not in text and not NOISE.search(text), text
    for line in lines(text):  # wider: one word that is, as a path, or the value of a setting
        assert len(line) <= 80 or max(map(len, line.split())) > 40, line


def test_verbs_that_read_a_run(finished: Path) -> None:
    for verb in ("report", "check", "status"):
        text, code, _ = on_terminal(verb, str(finished))
        assert code == 0
        check(text)
    text, code, _ = on_terminal("plan", "tiny", "--out", str(finished.parent / "none"))
    assert code == 0 and "--steps shows each" in text and "control_m_plus_samples" not in text
    check(text)
    text, code, _ = on_terminal("plan", "tiny", "--steps", "--out", str(finished.parent / "none"))
    assert code == 0 and "control_m_plus_samples" in text
    check(text)


def test_verbs_that_list(tmp_path: Path) -> None:
    for verb in ("presets", "tasks", "doctor"):
        text, code, _ = on_terminal(verb)
        assert code == 0
        check(text)
    assert "presets that can run here" in text and "tiny" in text.partition("presets that can run here")[2]


def test_compare(tmp_path: Path) -> None:
    for name, right in (("a", range(9)), ("b", range(3)), ("c", range(5, 9))):
        rows = [{"id": n, "verdict": "correct" if n in right else "wrong"} for n in range(1200)]
        jsonl.write(tmp_path / f"{name}.jsonl", rows)
    text, code, _ = on_terminal("compare", *(str(tmp_path / f"{name}.jsonl") for name in "abc"))
    assert code == 0 and "A vs B" in text and "Holm" in text
    check(text)


@pytest.mark.slow
def test_a_run_moves_and_ends_in_tables_that_fit(tmp_path: Path) -> None:
    """The screen is drawn four times per second, whatever the machine does: there are more pieces than half seconds."""
    began = time.monotonic()
    text, code, gaps = on_terminal("run", *FAST, "--out", str(tmp_path / "run"))
    assert code == 0, text
    check(text)
    moved = [line for line in lines(text) if re.match(r"step \d+ of \d+  ", line)]
    assert len(moved) > 20 and len(gaps) > (time.monotonic() - began) / 2
    assert any(re.search(r"test_weak_icl  \d+ of 8", line) for line in lines(text))
    assert any("left" in line for line in moved)
