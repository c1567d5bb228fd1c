"""Partial work: whose it is, and when it goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from w2s.config.schema import Runtime
from w2s.errors import UserError
from w2s.flow import runner
from w2s.flow.step import Step
from w2s.flow.store import Store


def run(steps: list[Step], folder: Path) -> Any:
    return runner.run(steps, folder, Runtime())


def numbers(context):
    context.output.write_text("".join(f"{n}\n" for n in range(context.params["n"])))
    return {}


def fails(context):
    (context.scratch / "partial").write_text("1")
    raise (context.params["error"] and UserError("bad gold")) or KeyboardInterrupt()


def test_scratch_survives_under_its_identity_only_and_goes_when_done(tmp_path):
    step = Step("bad", fails, {"error": True}, output="data/bad")
    with pytest.raises(UserError):
        run([step], tmp_path)
    store = Store(tmp_path)
    assert store.partial(step) and not store.partial(Step("bad", fails, {"error": False}))
    run([Step("bad", numbers, {"n": 1}, output="data/bad")], tmp_path)
    assert not (tmp_path / ".work").exists()


def test_partial_work_of_other_settings_goes_when_a_step_begins(tmp_path):
    """A training's state may have 100 GB."""
    old, new = (Step("bad", fails, {"error": True, "n": n}, output="data/bad") for n in (1, 2))
    for step in (old, new):
        with pytest.raises(UserError):
            run([step], tmp_path)
    assert not Store(tmp_path).partial(old) and Store(tmp_path).partial(new)


def test_partial_work_on_an_input_that_came_out_different_goes(tmp_path, caplog):
    """A sample journal of one M_plus must not go on with the texts of another, of the same identity."""
    seen = []
    base = Step("base", numbers, {"n": 2}, output="data/base")
    step = Step("works", fails, {"error": True}, {"base": base}, output="data/works")
    assert step.fingerprint  # cached before its function changes

    def works(context):
        seen.append(sorted(path.name for path in context.scratch.iterdir()))
        return fails(context)

    object.__setattr__(step, "run", works)
    for _ in range(2):
        with pytest.raises(UserError):
            run([step], tmp_path)
    assert seen == [[], ["partial"]]
    (tmp_path / "records" / "base.json").unlink()
    object.__setattr__(base, "run", lambda context: context.output.write_text("9\n") and {})
    with pytest.raises(UserError):
        run([step], tmp_path)
    assert seen[2:] == [[]] and "works begins anew" in caplog.text


def test_tidying_one_step_leaves_another_whose_name_begins_alike(tmp_path):
    other = Step("a-b", fails, {"error": True}, output="data/ab")
    with pytest.raises(UserError):
        run([other], tmp_path)
    Store(tmp_path).tidy(Step("a", numbers, {"n": 1}, output="data/a"))
    assert Store(tmp_path).partial(other)
