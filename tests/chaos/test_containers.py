"""Commands in two containers that share a folder: process numbers are the same there, and mean different processes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chaos import KILL, PID_NAMESPACE, RECIPE, Commands, Stop, content, names, namespace

from w2s.data import jsonl

CONTAINER = namespace(*PID_NAMESPACE)
pytestmark = pytest.mark.skipif(CONTAINER is None, reason="the kernel forbids PID namespaces (unshare --pid)")

BEGINS = {"place": "w2s.flow.runner:_Run.begin"}
"""The lock is held, and nothing has been computed."""


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[list[Commands]]:
    os.mkfifo(tmp_path / "pipe")
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Commands(tmp_path, *(CONTAINER or ()))) for _ in range(2)]


def test_a_live_run_is_never_taken_over_and_a_killed_one_is(
    containers: list[Commands], tmp_path: Path, measured: Callable[..., None]
) -> None:
    """Both runs are the same process number in containers of one host name."""
    one, other = containers
    arguments = (*RECIPE, "--out", "run")
    one.start(*arguments, stop=Stop(wait="pipe", **BEGINS))
    with open(tmp_path / "pipe", "wb"):  # it opens once the run waits
        for _ in range(3):
            ended = other.run(*arguments)
            assert ended.code == 2 and "in use by process" in ended.said and "(in a container)" in ended.said, ended
        one.kill()
    took = Stop(KILL, **BEGINS)
    assert other.run(*arguments, stop=took).by(took)
    measured("a live run in another container", refused=3, taken_over=0)


def test_two_verbs_that_write_one_file_do_not_mix(containers: list[Commands], tmp_path: Path) -> None:
    """The first waits with its file written, but not named; the second writes the same file; the last one stays."""
    for name, number in (("weak", 1), ("other", 2)):
        rows = [{"id": n, "question": "What?", "response": f"#### {number}"} for n in range(9)]
        jsonl.write(tmp_path / f"{name}.jsonl", rows)
        jsonl.write(tmp_path / f"{name}-strong.jsonl", (row | {"by": "strong"} for row in rows))
    (tmp_path / "out").mkdir()

    def agree(name: str) -> list[str]:
        return ["agree", "--task", "gsm8k", f"--weak={name}.jsonl", f"--strong={name}-strong.jsonl"]

    expected = {}
    for name, commands in zip(("weak", "other"), containers, strict=True):
        assert commands.run(*agree(name), "--out", f"{name}-expected.jsonl").code == 0
        expected[name] = (tmp_path / f"{name}-expected.jsonl").read_bytes()
    one, other = containers
    one.start(*agree("weak"), "--out", "out/made.jsonl", stop=Stop(place="os:replace", text="made", wait="pipe"))
    with open(tmp_path / "pipe", "wb"):
        assert other.run(*agree("other"), "--out", "out/made.jsonl").code == 0
        assert (tmp_path / "out" / "made.jsonl").read_bytes() == expected["other"]
    assert one.end().code == 0
    assert content(tmp_path / "out") == {"made.jsonl": expected["weak"]}


@pytest.mark.slow
@pytest.mark.nightly
def test_a_run_that_is_killed_with_its_container_goes_on_in_another(
    tmp_path: Path, measured: Callable[..., None]
) -> None:
    """The container dies with all that runs in it, ten times, at other batches and training steps."""
    places = [
        Stop(place=place, call=call, wait="pipe")
        for place in ("w2s.training.loop:Trainer._backward", "w2s.engines.journal:_append")
        for call in (1, 2, 3, 1, 2)
    ]
    os.mkfifo(tmp_path / "pipe")
    for stop in places:
        with Commands(tmp_path, *(CONTAINER or ()), torch=True) as container:
            container.start(*RECIPE, "--out", "run", stop=stop)
            with open(tmp_path / "pipe", "wb"):
                container.kill()
    with Commands(tmp_path, *(CONTAINER or ()), torch=True) as container:
        for name in ("run", "unbroken"):
            assert container.run(*RECIPE, "--out", name).code == 0
    assert content(tmp_path / "run", "models", "data") == content(tmp_path / "unbroken", "models", "data")
    assert names(tmp_path / "run") == names(tmp_path / "unbroken")
    measured("runs killed with their container", stops=len(places))
