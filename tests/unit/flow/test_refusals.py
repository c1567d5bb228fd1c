"""A disk that refuses is one message; what a stopped run leaves goes when a run ends."""

from __future__ import annotations

import errno
import os

import pytest

from w2s.config.schema import Runtime
from w2s.data import disk
from w2s.errors import UserError
from w2s.flow import runner
from w2s.flow.step import Step
from w2s.flow.store import Store


def numbers(context):
    context.output.write_text(str(context.params["n"]))
    return {}


def fails(context):
    (context.scratch / "partial").write_text("1")
    raise UserError("bad gold")


def step(n: int) -> Step:
    return Step("numbers", numbers, {"n": n}, output="data/numbers.txt")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG])
def test_a_disk_that_refuses_is_the_user_s_error_and_names_the_folder(tmp_path, monkeypatch, number):
    """A write that fails names no file."""

    def refuse(path, text, **_):
        raise OSError(number, os.strerror(number))

    runner.run([step(4)], tmp_path, Runtime())
    monkeypatch.setattr(disk, "write", refuse)
    with pytest.raises(UserError, match=rf"{tmp_path}: cannot be used \({os.strerror(number)}\)\n  hint: "):
        runner.run([step(9)], tmp_path, Runtime())
    monkeypatch.undo()
    runner.run([step(9)], tmp_path, Runtime())
    assert (tmp_path / "data" / "numbers.txt").read_text() == "9"


def test_partial_work_of_steps_that_a_run_no_longer_has_goes_at_its_end(tmp_path):
    (tmp_path / ".work" / ".removed-x").mkdir(parents=True)
    gone = Step("gone", numbers, {"n": 1}, output="data/gone.txt")
    _, scratch = Store(tmp_path).open(gone)
    (scratch / "partial").write_text("1")
    with pytest.raises(UserError, match="bad gold"):
        runner.run([Step("fails", fails), step(4)], tmp_path, Runtime())
    assert Store(tmp_path).partial(gone) and not (tmp_path / ".work" / ".removed-x").exists()
    runner.run([step(4)], tmp_path, Runtime())
    assert not (tmp_path / ".work").exists()
