"""Strategies by name, and what a recipe of one's own becomes: steps like those of the built-in one."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from w2s import recipe
from w2s.config import load
from w2s.config.choices import LOSSES
from w2s.errors import UserError
from w2s.flow.step import Step
from w2s.method.selector import Judged
from w2s.recipe import names, strategies
from w2s.records import Answered

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the example's recipe, under a module name that no other test has imported."""
    name = f"recipe_{abs(hash(tmp_path))}"
    shutil.copy(EXAMPLES / "custom_recipe.py", tmp_path / f"{name}.py")
    text = (EXAMPLES / "custom_recipe.yaml").read_text().replace("custom_recipe:", f"{name}:")
    (tmp_path / "own.yaml").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def built(folder: Path, *overrides: str) -> dict[str, Step]:
    sizes = ["task.train_1=5", "task.train_2=5", "task.test=5"]
    return {step.name: step for step in recipe.build(load.load(str(folder / "own.yaml"), [*sizes, *overrides]), True)}


def test_a_strategy_of_one_s_own_builds_on_the_same_supervision(folder: Path) -> None:
    steps = built(folder)
    first = {role: step.name for role, step in steps["two_teachers_iter1"].inputs.items()}
    assert first == {"weak": "weak_answers", "strong": "icl_answers", "second": "second_teacher_answers"}
    assert steps["two_teachers_plus"].inputs["data"].name == "two_teachers_iter3"
    assert steps["two_teachers_pro_hinge"].inputs["model"].name == "two_teachers_plus"
    catalog = steps["models"].params
    names = [model.name for model in catalog.models]  # type: ignore[union-attr]
    assert names.index("m_plus") < names.index("two_teachers_plus") < names.index("control_strong_only")
    assert [one.name for one in catalog.selections if one.name.startswith("two_")] == [  # type: ignore[union-attr]
        "two_teachers_iter1", "two_teachers_iter2", "two_teachers_iter3", "two_teachers_pairs",
    ]  # fmt: skip


def test_a_strategy_says_true_or_false_of_its_control(folder: Path) -> None:
    """ "no" would count as true, and cost a control."""
    (module,) = folder.glob("recipe_*.py")
    module.write_text(module.read_text().replace("two_teachers.control = False", "two_teachers.control = 'no'"))
    with pytest.raises(UserError, match=r"(?s)\[strategies\]: .*control='no'\n  expected: True or False"):
        built(folder)


def test_an_edit_of_a_function_reruns_what_it_decides_and_nothing_before_it(folder: Path) -> None:
    before = {name: step.fingerprint for name, step in built(folder).items()}
    (module,) = folder.glob("recipe_*.py")
    module.write_text(module.read_text() + "\n# another thought\n")
    after = {name: step.fingerprint for name, step in built(folder).items()}
    assert before["weak_answers"] == after["weak_answers"] and before["second_teacher"] == after["second_teacher"]
    assert before["stage1_iter1"] != after["stage1_iter1"]
    assert before["two_teachers_pro_hinge"] != after["two_teachers_pro_hinge"]


def test_two_strategies_cannot_give_one_name_to_different_steps(folder: Path) -> None:
    (module,) = folder.glob("recipe_*.py")
    module.write_text(
        module.read_text()
        + "\n\ndef clash(g, start):\n    return g.fine_tune('m_plus', g.recipe.weak, g.all_examples('x', start.icl))\n"
    )
    with pytest.raises(UserError, match=r"(?s)two different steps are named 'm_plus'.*another name"):
        built(folder, f"strategies=[weak_to_strong, {module.stem}:clash]")


def test_all_means_every_strategy_that_the_recipe_has_data_for() -> None:
    """Without further weak models there is no ensemble, and a note says so; by its name it is refused."""
    sizes = ["task.train_1=6", "task.train_2=5", "task.test=5"]
    steps = {step.name: step for step in recipe.build(load.load("tiny", [*sizes, "strategies=all"]), True)}
    catalog = steps["models"].params
    names = [each.name for each in catalog.strategies]  # type: ignore[union-attr]
    assert names == [name for name in strategies.STRATEGIES if name not in ("ensemble", "vote_reward")]
    (note,) = [str(each) for each in steps["overlap"].resources.findings if "ensemble" in str(each)]
    assert "all is without ensemble, which needs models" in note
    several = recipe.build(load.load("tiny", [*sizes, "strategies=all", "models.second=w2s:tiny-weak"]), True)
    assert "ensemble" in {step.name for step in several}
    with pytest.raises(UserError, match=r"(?s)\[models\]: ensemble needs several weak models.*models\.second"):
        recipe.build(load.load("tiny", [*sizes, "strategies=ensemble"]), True)


def test_without_train_1_weak_models_are_taken_as_they_come(tmp_path: Path) -> None:
    for split in ("train_2", "test"):
        rows = [{"id": f"{split}{n}", "question": f"{split}: {n} + {n}?", "answer": str(2 * n)} for n in range(4)]
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = ["task.name=jsonl", f"task.train_2={tmp_path}/train_2.jsonl", f"task.test={tmp_path}/test.jsonl"]
    base = tmp_path / "own.yaml"
    base.write_text("weak: w2s:tiny-weak\nstrong: w2s:tiny-strong\nmodels:\n  second: w2s:tiny-strong\n")
    steps = {step.name: step for step in recipe.build(load.load(str(base), [*task, "strategies=all"]), True)}
    assert "model" not in steps["ensemble_second_answers"].inputs
    assert not {"certified", "trust"} & set(steps) and "filter_recover" in steps
    for again, first in (("models.second=w2s:tiny-weak", "weak"), ("models.third=w2s:tiny-strong", "models.second")):
        with pytest.raises(UserError, match=rf"is the model of {first} again .*nothing trains them"):
            recipe.build(load.load(str(base), [*task, "strategies=ensemble", again]), True)


def test_a_rule_that_no_step_could_load_is_refused_at_once(folder: Path) -> None:
    (module,) = folder.glob("recipe_*.py")
    module.write_text(
        module.read_text()
        + "\n\ndef inner(g, start):\n    return g.keep('x', lambda question: None, weak=start.weak, strong=start.icl)\n"
    )
    with pytest.raises(UserError, match=r"(?s)<lambda> cannot be loaded by its name.*top of a module"):
        built(folder, f"strategies={module.stem}:inner")


def test_each_control_is_the_strategy_with_the_strong_model_as_its_own_supervisor() -> None:
    sizes = ["task.train_1=6", "task.train_2=5", "task.test=5", "strategies=[filter_recover, scpo, certified]"]
    steps = {step.name: step for step in recipe.build(load.load("tiny", sizes), True)}
    assert set(steps["judged_train_2"].params.learnt) == {  # type: ignore[union-attr]
        "filter_recover_samples", "control_filter_recover_samples", "scpo_1_samples", "scpo_2_samples",
    }  # fmt: skip
    controls = {each.name: each.control for each in steps["models"].params.strategies}  # type: ignore[union-attr]
    assert controls == {"filter_recover": "control_filter_recover", "scpo": None, "certified": "control_certified"}
    assert steps["weak_samples"].inputs["model"].name == "weak_floor"
    own = steps["control_weak_samples"]
    assert "model" not in own.inputs and own.inputs["demonstrations"].name == "demonstrations"
    roles = {"strong", "samples", "held_strong", "held_samples", "right"}
    assert set(steps["control_certified_first"].inputs) == roles
    assert set(steps["control_certified_kept"].inputs) == roles | {"again", "held_again"}
    assert set(steps["certified_kept"].inputs) == roles | {"weak", "held_weak", "again", "held_again"}
    assert steps["certified_kept"].inputs["held_samples"] is steps["control_certified_kept"].inputs["held_samples"]


def test_a_strategy_trains_with_the_settings_that_it_names() -> None:
    """The paper of `scpo` has a beta and a weight of its own; `restrain` takes the recipe's."""
    sizes = ["task.train_1=6", "task.train_2=5", "task.test=5", "strategies=[scpo, restrain]"]
    steps = {step.name: step for step in recipe.build(load.load("tiny", [*sizes, "preference.beta=0.3"]), True)}
    taken = {name: steps[name].params.training for name in ("scpo_1", "scpo", "restrain")}  # type: ignore[union-attr]
    assert {name: (each.beta, each.nll_weight) for name, each in taken.items()} == {
        "scpo_1": (0.5, 1.0), "scpo": (0.5, 1.0), "restrain": (0.3, 0.0),
    }  # fmt: skip


def test_a_strategy_that_returns_no_model_is_refused(folder: Path) -> None:
    (module,) = folder.glob("recipe_*.py")
    module.write_text(module.read_text() + "\n\ndef silent(g, start):\n    g.evaluate('x', g.recipe.strong)\n")
    with pytest.raises(UserError, match=r"(?s)silent returns NoneType.*return model"):
        built(folder, f"strategies=[weak_to_strong, {module.stem}:silent]")
    with pytest.raises(UserError, match=r"no strategy is called 'weak_to_stron' \(did you mean 'weak_to_strong'\?\)"):
        strategies.find("weak_to_stron")


@pytest.mark.parametrize(("code", "says"), [
    ("def mine(g):\n    return None", r"mine fails \(TypeError: mine\(\) takes 1 .*function\(g, start\)"),
    ("def mine(g, start):\n\n    return g.nothing()",
     r"\.py:\d+ \[strategies\]: .*mine fails at `return g\.nothing\(\)` \(Attrib"),
    ("def mine(g, start):\n    return g.evaluate('x', None)", r"\.py:\d+ \[strategies\]: None is no model"),
    ("def r(question, least=1):\n    return 'x'\n\n\ndef mine(g, start):\n"
     "    return g.keep('x', r, settings={'leest': 1}, weak=start.weak)",
     r":r does not fit .*'leest'.*hint: it takes \(question, least=1\)"),
    ("def r(question):\n    return 'x'\n\n\ndef mine(g, start):\n"
     "    return g.fine_tune('y', g.recipe.strong, g.keep('x', r, settings={'least': 1}, weak=start.weak))",
     r":r does not fit \(got an unexpected keyword argument 'least'\).*function\(question, least\)"),
    ("def r(question):\n    return 'x'\n\n\ndef mine(g, start):\n"
     "    return g.prefer('y', g.recipe.strong, g.contrast('x', r, weak=start.weak), 'dpo')",
     r":r does not fit .*'seed'"),
    ("def mine(g, start):\n    gold = g.gold_examples('train_2', g.recipe.strong)\n"
     "    model = g.fine_tune('y', g.recipe.strong, gold)\n    g.evaluate('y', model)\n    return model",
     r"mine returns y, which learns from the gold of train_2"),
    ("def mine(g, start):\n    return g.agree('x', start.weak, start.icl)", r"mine returns the step 'x'.*last model"),
    ("def mine(g, start):\n    return g.answer('x', start.weak)", r"the step 'weak_answers' is no model.*g\.fine_tune"),
    ("def mine(g, start):\n    return g.answer('x', 'strong')", r"'strong' is no model of the recipe"),
    ("def mine(g, start):\n    return g.recipe.models['third']", r"KeyError: 'third'.*as models\.third=MODEL"),
    ("def mine(g, start):\n    return g.recipe.stronger", r"/recipe_\d+\.py:\d+ \[strategies\]: .*g\.recipe\.stronger"),
    ("def mine(g, start):\n    return g.fine_tune('y', g.recipe.strong, start.weak)",
     r"y would learn from the step 'weak_answers', which has no examples"),
    ("def mine(g, start):\n    return g.prefer('y', g.recipe.strong, g.agree('x', start.weak, start.icl), 'dpo')",
     r"y would learn from the step 'x', which has no preference pairs"),
    ("def r(question):\n    return 'x'\n\n\ndef mine(g, start):\n    return g.keep('x', r, weak=start.weak_model)",
     r"weak of x is the step 'weak_floor', which has no answers"),
    ("def r(question):\n    return 'x'\n\n\ndef mine(g, start):\n"
     "    return g.keep('x', r, weak=g.own_samples(start.demonstrations))", r"several answers.*weak_samples"),
    ("def r(question, least):\n    return 'x'\n\n\ndef mine(g, start):\n"
     "    return g.keep('x', r, settings={'least': {1}}, weak=start.weak)", r"settings of .*:r are not JSON"),
    ("class Rule:\n    def __call__(self, question):\n        return 'x'\n\n\ndef mine(g, start):\n"
     "    return g.keep('x', Rule(), weak=start.weak)", r"Rule object.* cannot be loaded by its name"),
    ("def loss(chosen, rejected):\n    return chosen\n\n\ndef mine(g, start):\n"
     "    return g.prefer('y', g.recipe.strong, g.pairs('x', start.weak, start.icl), f'{__name__}:loss')",
     r":loss does not fit .*function\(policy_chosen, policy_rejected, reference_chosen, reference_rejected, config\)"),
])  # fmt: skip
def test_a_strategy_s_own_faults_are_named_before_anything_runs(folder: Path, code: str, says: str) -> None:
    (module,) = folder.glob("recipe_*.py")
    module.write_text(module.read_text() + f"\n\n{code}\n")
    with pytest.raises(UserError, match=rf"(?s){says}"):
        built(folder, f"strategies={module.stem}:mine")


MINE = (
    "\n\ndef mine(g, start):\n    model = g.fine_tune('y', g.recipe.strong, g.all_examples('x', start.icl))\n"
    "    g.evaluate('y', model, against={against})\n    return model\n"
)


@pytest.mark.parametrize(("against", "meant"), [("['weak_icl', 'm_plsu']", "m_plus"), ("['y_']", "y")])
def test_a_name_in_a_comparison_that_no_model_has_is_refused(folder: Path, against: str, meant: str) -> None:
    (module,) = folder.glob("recipe_*.py")
    module.write_text(module.read_text() + MINE.format(against=against))
    says = rf"(?s)\[strategies\]: no model to compare y with is called '\w+' \(did you mean '{meant}'\?\).*: weak_floor"
    with pytest.raises(UserError, match=says):
        built(folder, f"strategies={module.stem}:mine", "baselines=[weak_floor]")


def test_a_comparison_may_name_a_built_in_model_that_the_recipe_does_not_make(folder: Path) -> None:
    (module,) = folder.glob("recipe_*.py")
    absent = ["control_strong_only", "m_plus", "m_pro_simpo", "m_pro_hinge", "stage1_iter2_icl_ft", "scpo",
              "control_mine", "control_trust"]  # fmt: skip
    module.write_text(module.read_text() + MINE.format(against=absent))
    steps = built(folder, f"strategies={module.stem}:mine", "baselines=[weak_floor]")
    assert [model.name for model in steps["models"].params.models] == ["weak_floor", "y"]  # type: ignore[union-attr]


@pytest.mark.parametrize("trainer", ["w2s", "trl"])
def test_every_model_of_a_built_in_strategy_may_be_compared_with(trainer: str) -> None:
    """Those that are evaluated are among the names that stand for built-in models; TRL's trainers alone do online."""
    sizes = ["task.train_1=6", "task.train_2=5", "task.test=5", "strategies=all", "models.second=w2s:tiny-weak"]
    run = load.load("tiny", [*sizes, f"trainer={trainer}", "stage1_iterations=3", f"preference.losses={[*LOSSES]}"])
    steps = {step.name: step for step in recipe.build(run, True)}
    evaluated = {model.name for model in steps["models"].params.models}  # type: ignore[union-attr]
    assert evaluated <= {*names.built_in(run.recipe, {})} and len(evaluated) > 20


def test_the_guide_s_strategy_builds_and_its_rule_decides(folder: Path) -> None:
    """Votes 3 of 4 for 5. A weak text with a true step is kept with weight 0.75; others are dropped, for a reason."""
    guide = (Path(__file__).parents[3] / "docs/extending.md").read_text()
    (code,) = re.findall(r"```python\n(# my_rules\.py\n.*?)```", guide, flags=re.DOTALL)
    assert code.count("\n") <= 60
    names: dict[str, Any] = {}
    exec(code, names)
    (module,) = folder.glob("recipe_*.py")
    module.write_text(module.read_text() + "\n\n" + code)
    assert "sound_ft" in built(folder, f"strategies={module.stem}:sound_steps")

    def answered(text: str) -> Answered:
        return Answered("1", "?", text, text.rpartition(" ")[2], text.rpartition(" ")[2])

    votes = [answered(f"#### {number}") for number in (5, 5, 5, 6)]
    for text, least, outcome in (
        ("2 + 3 = 5. #### 5", 0.6, 0.75), ("2 + 2 = 5. #### 5", 0.6, "false_step"), ("#### 5", 0.8, "low_confidence"),
        ("3 + 3 = 6. #### 6", 0.6, "not_the_majority"),
    ):  # fmt: skip
        found = names["sound"](Judged({"weak": answered(text)}, votes), least)
        assert (found if isinstance(found, str) else found[0].weight) == outcome


def test_the_guide_s_test_of_a_rule_passes_and_its_rule_for_pairs_decides() -> None:
    """Votes 3 of 4 for 5: the weak text that says 5 is chosen, and the sample that says 6 rejected."""
    guide = (Path(__file__).parents[3] / "docs/extending.md").read_text()
    found = dict(re.findall(r"```python\n# (\w+)\.py\n(.*?)```", guide, flags=re.DOTALL))
    names: dict[str, Any] = {}
    exec(found["my_rules"] + found["test_my_rules"].replace("from my_rules import sound\n", ""), names)
    names["test_a_false_step_is_dropped"]()
    exec(found["pairs_rule"], names)
    samples, weak = [Answered("1", "?", f"#### {k}", k, k) for k in "5556"], Answered("1", "?", "It is 5.", "5", "5")
    (pair,) = names["against_rarest"](Judged({"weak": weak}, samples), seed=0)
    assert (pair.chosen, pair.rejected, pair.confidence) == ("It is 5.", "#### 6", 0.75)
    assert names["against_rarest"](Judged({"weak": weak}, samples[:3]), seed=0) == "all_samples_agree"


def test_every_built_in_strategy_has_a_row_in_the_guide() -> None:
    root = Path(__file__).parents[3]
    rows = re.findall(r"^\| `(\w+)` \|", (root / "docs/strategies.md").read_text(), flags=re.MULTILINE)
    assert sorted(rows) == sorted(strategies.STRATEGIES)
    assert len(rows) == 10 and "\nOf ten strategies nine run" in (root / "README.md").read_text()
