from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from w2s.errors import UserError
from w2s.models import cache


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("W2S_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _never(out: Path) -> None:
    raise AssertionError("made again")


def _fill(out: Path) -> None:
    (out / "a").write_text("12345")


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    assert cache.root() == own
    monkeypatch.delenv("W2S_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache.root() == Path("/x/w2s")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.root() == Path.home() / ".cache" / "w2s"


def test_a_folder_is_made_once(own: Path) -> None:
    assert cache.find("m") is None
    assert cache.make("m", _fill) == own / "m" == cache.find("m") == cache.make("m", _never)


@pytest.mark.parametrize("tear", ["cut", "gone", "unsealed", "nonsense"])
def test_a_torn_folder_is_made_again(own: Path, tear: str) -> None:
    cache.make("m", _fill)
    if tear == "cut":
        (own / "m" / "a").write_text("1234")
    elif tear == "nonsense":
        (own / "m" / "made").write_text("[]")
    else:
        (own / "m" / {"gone": "a", "unsealed": "made"}[tear]).unlink()
    assert cache.find("m") is None
    assert (cache.make("m", _fill) / "a").read_text() == "12345"
    assert sorted(path.name for path in own.iterdir()) == ["m", "m.lock"]


def test_what_fails_leaves_nothing(own: Path) -> None:
    def fails(out: Path) -> None:
        _fill(out)
        raise UserError("no")

    with pytest.raises(UserError, match="no"):
        cache.make("m", fails)
    assert [path.name for path in own.iterdir()] == ["m.lock"]
    (own / ".m-left-by-a-kill").mkdir()
    cache.make("m", _fill)
    assert sorted(path.name for path in own.iterdir()) == ["m", "m.lock"]


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("W2S_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match=r"cannot be written(.|\n)*W2S_CACHE"):
        cache.make("m", _fill)


def test_too_little_memory_is_one_message_and_leaves_nothing(own: Path) -> None:
    def fill(out: Path) -> None:
        (out / "a").write_text("1")
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 400 bytes.")

    with pytest.raises(
        UserError, match=r"too little memory(.|\n)*400 bytes(.|\n)*more memory that has the same W2S_CACHE"
    ):
        cache.make("m", fill)
    assert [path.name for path in own.iterdir()] == ["m.lock"]


def test_two_processes_make_it_once_between_them(own: Path) -> None:
    """Each writes its number to `log` when it makes the folder, which takes a second: one line in all."""
    program = """
import sys, time
from pathlib import Path
from w2s.models import cache
def fill(out):
    with open(cache.root().parent / "log", "a") as log:
        log.write("made\\n")
    (out / "a").write_text("1")
    time.sleep(1)
    (out / "b").write_text("2")
found = cache.make("m", fill)
sys.exit(0 if (found / "a").read_text() + (found / "b").read_text() == "12" else 3)
"""
    own.mkdir()
    both = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert (own.parent / "log").read_text() == "made\n"
    assert json.loads((own / "m" / "made").read_text()) == {"a": 1, "b": 1}


def test_of_a_killed_process_nothing_is_waited_for_and_nothing_stays(own: Path) -> None:
    """It is killed while it makes the folder; the next one makes it whole and removes the half."""
    program = """
import sys, time
from w2s.models import cache
def fill(out):
    (out / "a").write_text("1")
    print("half", flush=True)
    time.sleep(1000)
cache.make("m", fill)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "half\n"
    process.kill()
    process.wait()
    assert (cache.make("m", _fill) / "a").read_text() == "12345"
    assert sorted(path.name for path in own.iterdir()) == ["m", "m.lock"]
