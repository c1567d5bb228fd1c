"""What enters the identity of a step."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from w2s.config import load
from w2s.errors import UserError
from w2s.flow.step import Step
from w2s.recipe import weak_to_strong
from w2s.steps.graph import Graph

SMALL = ["task.train_1=4", "task.train_2=6", "task.test=4", "baselines=[]", "stage1_variants=false"]


def steps(*overrides: str) -> dict[str, Step]:
    graph = Graph(load.load("tiny", [*SMALL, *overrides]), planning=True)
    weak_to_strong.weak_to_strong(graph, weak_to_strong.supervise(graph))
    return {step.name: step for step in graph.steps}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's module, in the folder that the command runs in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # an earlier test's folder is on the path too
    file = tmp_path / "own_losses_of_a_run.py"
    file.write_text("def hinge(chosen, rejected, before_chosen, before_rejected, config):\n    return rejected\n")
    yield file
    sys.modules.pop(file.stem, None)


def test_an_edit_of_a_user_s_loss_reruns_its_step_and_no_other(own: Path) -> None:
    before = steps(f"preference.losses=[dpo, {own.stem}:hinge]")
    own.write_text(own.read_text() + "# edited\n")
    after = steps(f"preference.losses=[dpo, {own.stem}:hinge]")
    assert {name for name in before if before[name].fingerprint != after[name].fingerprint} == {
        "m_pro_hinge", "test_m_pro_hinge", "evaluate_m_pro_hinge",
    }  # fmt: skip
    assert "source" not in before["m_pro_dpo"].payload["params"]
    assert len(before["m_pro_hinge"].payload["params"]["source"]) == 64


def test_a_loss_that_cannot_be_imported_is_refused_before_anything_is_computed(own: Path) -> None:
    with pytest.raises(
        UserError, match=r"\[preference\.losses\]: no function of own_losses_of_a_run is called 'absent'"
    ):
        steps(f"preference.losses={own.stem}:absent")


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("hinge.normalisation = 'median'", r"normalisation='median'\n  expected: sum or mean"),
        ("hinge.needs_reference = 'no'", r"needs_reference='no'\n  expected: True or False"),
        ("def hinge(c): ...", r"does not fit .*\n  expected: function\(policy_chosen, "),
        ("from operator import attrgetter as hinge", "no signature found"),
    ],
)
def test_what_is_no_loss_is_refused_before_anything_is_computed(own: Path, added: str, message: str) -> None:
    own.write_text(f"{own.read_text()}\n{added}\n")
    with pytest.raises(UserError, match=rf"(?s)\[preference\.losses\]: .*{message}"):
        steps(f"preference.losses={own.stem}:hinge")


def test_without_a_loss_there_is_no_stage_two() -> None:
    names = set(steps("preference.losses=[]"))
    assert "m_plus" in names and not names & {"m_plus_samples", "stage2_pairs"}
    assert not any("m_pro" in name for name in names)


def test_settings_of_simpo_change_no_other_step() -> None:
    before, after = (steps("preference.losses=[dpo, simpo]", f"preference.simpo.gamma={gamma}") for gamma in (1, 0.5))
    changed = {name for name in before if before[name].fingerprint != after[name].fingerprint}
    assert changed == {"m_pro_simpo", "test_m_pro_simpo", "evaluate_m_pro_simpo"}


def test_an_unknown_source_is_refused_before_anything_is_computed() -> None:
    graph = Graph(load.load("tiny", SMALL), planning=True)
    start = weak_to_strong.supervise(graph)
    kept = graph.agree("kept", start.weak, start.icl)
    with pytest.raises(UserError, match="no source of own_ft is called 'strong'\\n  expected: weak, icl, both"):
        graph.fine_tune("own_ft", graph.recipe.strong, kept, "strong")


def test_an_unknown_loss_of_a_strategy_is_refused_before_anything_is_computed() -> None:
    graph = Graph(load.load("tiny", SMALL), planning=True)
    start = weak_to_strong.supervise(graph)
    with pytest.raises(UserError, match=r"\[preference\.losses\]: no loss is called 'dpoo' \(did you mean 'dpo'\?\)"):
        graph.prefer("own", graph.recipe.strong, graph.pairs("own_pairs", start.weak, start.icl), "dpoo")


def test_a_step_that_would_read_gold_cannot_be_built() -> None:
    """No method of the graph returns a graded step; whoever digs one out is refused."""
    graph = Graph(load.load("tiny", SMALL), planning=True)
    start = weak_to_strong.supervise(graph)
    graph.evaluate("weak_floor", start.weak_model)
    graded = next(step for step in graph.steps if step.name == "evaluate_weak_floor")
    with pytest.raises(ValueError, match="own would read evaluate_weak_floor, whose rows have gold"):
        graph.agree("own", start.weak, graded)
