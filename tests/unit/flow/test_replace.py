"""Finished work of other settings is replaced only where the user says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from w2s.config.schema import Runtime
from w2s.errors import BranchEnds, UserError
from w2s.flow import runner
from w2s.flow.decisions import plan, replaced
from w2s.flow.step import Context, Step


def make(context: Context) -> dict[str, int]:
    if context.params.get("ends"):
        raise BranchEnds("nothing agrees")
    context.output.write_text(str(context.params))
    return {}


def graph(seed: int = 0, words: str = "") -> list[Step]:
    data = Step("agreed", make, {"words": words}, output="data/agreed.jsonl", kind="select")
    trained = Step("m_plus", make, {"seed": seed}, {"data": data}, output="models/m_plus", kind="train")
    answers = Step("test_m_plus", make, {}, {"model": trained}, output="data/answers.jsonl", kind="generate")
    return [
        Step("recipe", make, {"seed": seed}, output="recipe.yaml", kind="data"),
        Step("evaluate_m_plus", make, {}, {"answers": answers}, output="data/test_m_plus.jsonl", kind="evaluate"),
    ]


def content(folder: Path) -> dict[str, bytes]:
    names = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in names}


def test_another_seed_is_refused_before_anything_is_touched(tmp_path):
    runner.run(graph(), tmp_path, Runtime())
    before = content(tmp_path)
    assert replaced(graph(1), tmp_path) == {
        "models": ["m_plus"], "generations": ["test_m_plus"], "evaluations": ["evaluate_m_plus"],
    }  # fmt: skip
    with pytest.raises(UserError) as error:
        runner.run(graph(1), tmp_path, Runtime())
    text = str(error.value)
    assert all(name in text for name in ("m_plus", "test_m_plus", "evaluate_m_plus", "--replace", "--out NEW"))
    assert "recipe" not in text.partition("hint")[0] and content(tmp_path) == before
    runner.run(graph(1), tmp_path, Runtime(), replace=True)
    assert content(tmp_path) != before and replaced(graph(1), tmp_path) == {}


def test_what_is_only_derived_is_made_again_without_a_word(tmp_path):
    """A recipe file and a selection that no finished model comes from."""
    runner.run(graph(words="a")[:1], tmp_path, Runtime())
    runner.run([graph(words="a")[1].inputs["answers"].inputs["model"].inputs["data"]], tmp_path, Runtime())
    assert replaced(graph(1, words="b"), tmp_path) == {}
    runner.run(graph(1, words="b"), tmp_path, Runtime())


def test_what_would_be_skipped_would_be_removed(tmp_path):
    """A skipped step leaves nothing of another identity in its place."""
    runner.run(graph(), tmp_path, Runtime())
    ended = Step("agreed", make, {"ends": True}, output="data/agreed.jsonl", kind="select")
    trained = Step("m_plus", make, {"seed": 0}, {"data": ended}, output="models/m_plus", kind="train")
    with pytest.raises(UserError, match=r"models \(1\): m_plus"):
        runner.run([trained], tmp_path, Runtime())
    runner.run([trained], tmp_path, Runtime(), replace=True)
    assert not (tmp_path / "models" / "m_plus").exists()


def test_steps_that_are_no_longer_wanted_and_ended_branches_are_no_loss(tmp_path):
    ended = Step("precision", make, {"ends": True}, output="data/p", kind="evaluate")
    runner.run([*graph(), ended], tmp_path, Runtime())
    assert replaced(graph()[:1], tmp_path) == {}
    assert replaced([Step("precision", make, {"ends": False}, output="data/p", kind="evaluate")], tmp_path) == {}


def test_a_run_that_was_allowed_to_replace_and_was_killed_goes_on(tmp_path):
    """What it has replaced is its own; the rest is still the other run's."""
    runner.run(graph(), tmp_path, Runtime())
    runner.run([graph(1)[1].inputs["answers"].inputs["model"]], tmp_path, Runtime(), replace=True)
    assert replaced(graph(1), tmp_path) == {"generations": ["test_m_plus"], "evaluations": ["evaluate_m_plus"]}


def marked(result) -> str | None:
    return None if "marked" in result else "its rows are of an earlier version"


def test_an_output_of_an_earlier_version_that_does_not_do_is_made_again_on_request(tmp_path):
    """Its fingerprint is the same; what is made of it is kept where its content stays."""
    old = Step("test", make, {}, output="data/answers.jsonl", kind="generate")
    after = {"graded": Step("graded", make, {}, {"answers": old}, output="data/graded.jsonl")}
    runner.run([*after.values()], tmp_path, Runtime())
    new = Step("test", make, {}, output="data/answers.jsonl", kind="generate", outdated=marked)
    steps = [Step("graded", make, {}, {"answers": new}, output="data/graded.jsonl")]
    assert new.fingerprint == old.fingerprint
    assert [(step.name, step.decision, step.reason) for step in plan(steps, tmp_path)] == [
        ("test", "rerun", "its rows are of an earlier version"), ("graded", "reuse", "unchanged"),
    ]  # fmt: skip
    assert replaced(steps, tmp_path) == {"generations": ["test"]}
    with pytest.raises(UserError, match="--replace"):
        runner.run(steps, tmp_path, Runtime())
    outcomes = runner.run(steps, tmp_path, Runtime(), replace=True)
    assert (outcomes["test"].reused, outcomes["graded"].reused) == (False, True)
