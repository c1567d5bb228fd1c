"""The graph of steps is the paper's: what starts from what, and what can see gold."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from w2s import models, recipe
from w2s.config import load
from w2s.errors import UserError
from w2s.flow.step import Step, ordered


@pytest.fixture(scope="module")
def steps() -> dict[str, Step]:
    run = load.load("tiny", ["task.train_1=5", "task.train_2=5", "task.test=5", "stage1_variants=true",
                                "preference.losses=[dpo, orpo]", "evaluation.samples=2"])  # fmt: skip
    return {step.name: step for step in recipe.build(run)}


def ancestors(step: Step) -> Iterator[Step]:
    for needed in step.inputs.values():
        yield needed
        yield from ancestors(needed)


def inputs(step: Step) -> dict[str, str]:
    return {role: needed.name for role, needed in step.inputs.items()}


def test_each_stage_1_model_starts_from_the_base_and_stage_2_from_m_plus(steps: dict[str, Step]) -> None:
    stage_1 = [name for name in steps if name.startswith("stage1_") and name.endswith("_ft")] + [
        "m_plus",
        "full_weak_ft",
    ]
    assert len(stage_1) == 7
    for name in stage_1:
        assert "model" not in steps[name].inputs and str(steps[name].resources.model) == "w2s:tiny-strong"
    assert str(steps["weak_floor"].resources.model) == "w2s:tiny-weak"
    for loss in ("dpo", "orpo"):
        assert inputs(steps[f"m_pro_{loss}"]) == {"model": "m_plus", "data": "stage2_pairs"}


def test_the_two_stages_are_wired_as_in_the_paper(steps: dict[str, Step]) -> None:
    assert inputs(steps["stage1_iter1"]) == {"weak": "weak_answers", "strong": "icl_answers"}
    assert inputs(steps["stage1_iter2"]) == {"weak": "iter1_weak_ft_answers", "strong": "iter1_icl_ft_answers"}
    assert inputs(steps["icl_answers"])["demonstrations"] == "demonstrations"
    assert inputs(steps["demonstrations"]) == {"weak": "weak_answers"}
    assert "demonstrations" not in steps["iter1_weak_ft_answers"].inputs
    assert inputs(steps["stage2_pairs"]) == {"weak": "weak_answers", "samples": "m_plus_samples"}
    assert (steps["m_plus_samples"].params.n, steps["m_plus_samples"].params.temperature) == (10, 1.0)
    assert steps["m_plus"].params.source == "both"
    assert steps["stage1_iter1_weak_ft"].params.source == "weak"


def test_adaptive_sampling_is_another_step_and_leaves_the_others_as_they_are(steps: dict[str, Step]) -> None:
    small = ["task.train_1=5", "task.train_2=5", "task.test=5"]
    adaptive = {s.name: s for s in recipe.build(load.load("tiny", [*small, "sampling.adaptive=true"]))}
    plain = {s.name: s for s in recipe.build(load.load("tiny", small))}
    assert adaptive["m_plus"].fingerprint == plain["m_plus"].fingerprint
    for name, against in (("m_plus_samples", "weak_answers"), ("control_m_plus_samples", "control_answers")):
        assert inputs(adaptive[name])["weak"] == against and "weak" not in plain[name].inputs
        assert adaptive[name].params.seed == plain[name].params.seed
        assert adaptive[name].params.confidence == 0.6 and not hasattr(plain[name].params, "confidence")
    assert "weak" not in adaptive["control_samples"].inputs
    assert (adaptive["stage2_pairs"].params.n, plain["stage2_pairs"].params.n) == (10, None)


def test_what_the_guard_of_splits_found_is_a_step_that_nothing_needs(steps: dict[str, Step]) -> None:
    assert steps["overlap"].params["given"] == {"train_1": 5, "train_2": 5, "test": 5}
    assert not any(steps["overlap"] in step.inputs.values() for step in steps.values())


def test_the_control_differs_in_the_weak_answers_only(steps: dict[str, Step]) -> None:
    assert inputs(steps["control_stage1_iter1"]) == {"weak": "control_answers", "strong": "icl_answers"}
    assert inputs(steps["control_stage2_pairs"]) == {"weak": "control_answers", "samples": "control_m_plus_samples"}
    assert inputs(steps["control_answers"]) == {"samples": "control_samples"}
    assert inputs(steps["control_samples"])["demonstrations"] == "demonstrations"


def test_nothing_of_the_method_descends_from_gold_of_train_2_or_from_test(steps: dict[str, Step]) -> None:
    trained = ("m_plus", "m_pro_dpo", "m_pro_orpo", "full_weak_ft", "control_m_pro_dpo")
    for name in trained:
        names = {step.name for step in ancestors(steps[name])}
        assert "gold_train_1" in names  # through the weak model, as it must be
        assert not names & {"gold_train_2", "questions_test", "strong_ceiling"}
        assert not any(step.startswith(("evaluate_", "precision_", "test_")) for step in names)
    assert "gold_train_2" in {step.name for step in ancestors(steps["strong_ceiling"])}


def test_models_are_named_as_the_contract_has_them_and_every_place_is_one_steps_own(steps: dict[str, Step]) -> None:
    assert steps["m_plus"].output == "models/m_plus" and steps["m_pro_dpo"].output == "models/m_pro_dpo"
    for name in ("stage1_iter1", "stage1_iter2", "stage2_pairs"):
        assert steps[name].output == f"data/{name}.jsonl"
    assert len(ordered(steps.values())) == len(steps)


def test_baselines_that_are_not_asked_for_are_not_computed() -> None:
    run = load.load("tiny", ["task.train_1=5", "task.train_2=5", "task.test=5", "baselines=[weak_floor]"])
    names = {step.name for step in recipe.build(run)}
    assert "evaluate_weak_floor" in names and "m_plus" in names
    assert not names & {"full_weak_ft", "strong_ceiling", "control_samples", "evaluate_weak_icl"}


def test_the_order_of_the_runs_seed_reaches_every_draw_but_no_question(steps: dict[str, Step]) -> None:
    small = ["task.train_1=5", "task.train_2=5", "task.test=5"]
    other = {step.name: step for step in recipe.build(load.load("tiny", [*small, "seed=1"]))}
    same = {step.name: step for step in recipe.build(load.load("tiny", small))}
    assert other["questions_train_2"].fingerprint == same["questions_train_2"].fingerprint
    for name in ("weak_floor", "m_plus", "m_plus_samples", "stage2_pairs", "demonstrations"):
        assert other[name].fingerprint != same[name].fingerprint


SMALL = ["task.train_1=5", "task.train_2=5", "task.test=5"]


def built(*overrides: str) -> dict[str, Step]:
    return {step.name: step for step in recipe.build(load.load("tiny", [*SMALL, *overrides]))}


def test_an_augmented_set_is_trained_on_and_lies_where_the_agreement_did() -> None:
    steps = built("selection.augment_to=4")
    for mark, weak in (("", "weak_answers"), ("control_", "control_answers")):
        name = f"{mark}stage1_iter1"
        assert inputs(steps[f"{name}_agreed"]) == {"weak": weak, "strong": "icl_answers"}
        assert inputs(steps[f"{name}_samples_questions"]) == {"agreed": f"{name}_agreed", "weak": weak}
        drawn = steps[f"{name}_samples"]
        assert inputs(drawn) == {"demonstrations": "demonstrations", "questions": f"{name}_samples_questions"}
        assert (drawn.params.n, drawn.params.temperature) == (10, 1.0)
        assert str(drawn.resources.model) == "w2s:tiny-strong"
        assert inputs(steps[name]) == {"agreed": f"{name}_agreed", "weak": weak, "more": f"{name}_samples"}
        assert steps[name].output == f"data/{name}.jsonl"
        assert inputs(steps[f"{name}_weak_ft"]) == {"data": name}
        assert inputs(steps[f"precision_{name}"]) == {"selection": name, "questions": "questions_train_2"}
        assert f"precision_{name}_agreed" not in steps
        assert inputs(steps[f"{mark}stage1_iter2"])["weak"] == f"{mark}iter1_weak_ft_answers"
    assert len(ordered(steps.values())) == len(steps)


def test_disagreeing_answers_are_there_and_nothing_is_drawn_for_them() -> None:
    steps = built("selection.augment_to=4", "selection.augment=disagreeing")
    assert inputs(steps["stage1_iter1"]) == {
        "agreed": "stage1_iter1_agreed", "weak": "weak_answers", "more": "icl_answers",
    }  # fmt: skip
    assert not any("stage1_iter1_samples" in name for name in steps)


def test_a_recipe_that_does_not_augment_is_the_same_recipe() -> None:
    plain, other = built(), built("selection.augment=disagreeing")
    same = {name for name, step in plain.items() if step.fingerprint == other[name].fingerprint}
    assert plain.keys() - same == {"recipe"}  # it says what was requested
    augmented = built("selection.augment_to=4")
    for name in ("icl_answers", "weak_answers", "full_weak_ft", "control_answers"):
        assert augmented[name].fingerprint == plain[name].fingerprint
    assert augmented["stage1_iter1_weak_ft"].fingerprint != plain["stage1_iter1_weak_ft"].fingerprint
    assert augmented["stage2_pairs"].payload == plain["stage2_pairs"].payload


CHATML = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def instruct(folder: Path, name: str) -> str:
    """A shipped model with a chat template; the weights are links."""
    folder.mkdir()
    for path in (models.ASSETS / name).iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "chat_template.jinja").write_text(CHATML)
    return str(folder)


def test_each_model_reads_and_learns_prompts_of_its_own(tmp_path: Path) -> None:
    strong = instruct(tmp_path / "strong", "tiny-strong")
    run = load.load("tiny", [*SMALL, f"strong={strong}", "prompt=chat", "weak_prompt=plain"])
    steps = {step.name: step for step in recipe.build(run)}
    asked = {name: step.params.prompt for name, step in steps.items() if hasattr(step.params, "prompt")}
    plain = {"gold_train_1", "weak_answers", "test_weak_floor"}
    assert {name for name, prompt in asked.items() if prompt == "Question: ?\nAnswer:"} == plain
    assert {prompt for name, prompt in asked.items() if name not in plain} == {"<|user|>?<|end|>\n<|assistant|>"}
    assert {"gold_train_2", "stage1_iter1", "full_weak", "stage2_pairs", "m_plus_samples"} < asked.keys() - plain
    for name in asked:
        builder = pickle.loads(pickle.dumps(steps[name].resources.builder))
        assert builder.prompt("?") == asked[name] and builder.hash == steps[name].params.prompt_hash
    assert steps["weak_answers"].params.stop == ("Question:",)
    assert steps["icl_answers"].params.stop == steps["m_plus_samples"].params.stop == ("<|end|>",)


def test_another_template_is_another_step_for_the_strong_model_alone(tmp_path: Path) -> None:
    strong = instruct(tmp_path / "strong", "tiny-strong")
    overrides = [*SMALL, f"strong={strong}", "prompt=chat", "weak_prompt=plain"]
    before = {step.name: step for step in recipe.build(load.load("tiny", overrides))}
    (tmp_path / "strong" / "chat_template.jinja").write_text(CHATML.replace("content", "content | trim"))
    after = {step.name: step for step in recipe.build(load.load("tiny", overrides))}
    assert after["weak_answers"].fingerprint == before["weak_answers"].fingerprint
    assert after["stage1_iter1"].params.prompt == before["stage1_iter1"].params.prompt
    assert after["stage1_iter1"].params.prompt_hash != before["stage1_iter1"].params.prompt_hash
    assert after["stage1_iter1"].fingerprint != before["stage1_iter1"].fingerprint


def test_a_base_model_has_no_chat_and_that_is_said_before_anything_runs() -> None:
    for planning in (False, True):
        with pytest.raises(UserError, match=r"(?s)w2s:tiny-weak has no chat template.*prompt=plain"):
            recipe.build(load.load("tiny", [*SMALL, "prompt=chat"]), planning)


def test_a_plan_does_without_the_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    run = load.load("tiny", [*SMALL, "strong=/no/such/folder", "prompt=chat", "weak_prompt=plain"])
    steps = {step.name: step for step in recipe.build(run, planning=True)}
    assert steps["m_plus_samples"].work.longest_prompt > 0
    with pytest.raises(UserError, match="there is no model"):
        recipe.build(run)


def test_what_descends_from_a_quantised_model_is_quantised_and_nothing_else_changes(steps: dict[str, Step]) -> None:
    lora = ["training.lora.rank=2", "preference.lora.rank=2"]
    run = load.load("tiny", ["task.train_1=5", "task.train_2=5", "task.test=5", *lora,
                                "strong={model: 'w2s:tiny-strong', layers: '0-2', quantize: 4bit}"])  # fmt: skip
    made = {step.name: step for step in recipe.build(run)}
    assert not any(getattr(step.params, "quantize", None) for step in steps.values())
    assert (
        {name for name, step in made.items() if getattr(step.params, "quantize", None)}
        == {
            name
            for name, step in made.items()
            if step.inputs.get("model") is not None and step.inputs["model"].work.model == "strong"
        }
        >= {"m_pro_dpo", "m_plus_samples", "iter1_weak_ft_answers"}
    )
    assert str(made["m_plus"].resources.model) == "w2s:tiny-strong#layers=0-2&quantize=4bit"
    assert str(made["m_plus"].params.model).endswith("#layers=0-2&quantize=4bit")


def test_the_models_of_both_stages_are_tested_in_one_go(steps: dict[str, Step]) -> None:
    """Their adapters share a base, and a training between two of the tests would take it off the device."""
    order = [step.name for step in ordered(steps.values()) if step.kind in ("generate", "train")]
    first, last = order.index("test_stage1_iter1_weak_ft"), order.index("test_m_pro_dpo")
    together = [name for name in order[first : last + 1] if not name.startswith("test_samples_")]
    assert together == [
        "test_stage1_iter1_weak_ft", "test_stage1_iter1_icl_ft", "test_stage1_iter1_hybrid_ft",
        "test_stage1_iter2_weak_ft", "test_stage1_iter2_icl_ft", "test_m_plus", "test_m_pro_dpo",
    ]  # fmt: skip
    answered = order.index("iter1_weak_ft_answers")
    assert order[answered + 1] == "iter1_icl_ft_answers"


def test_one_iteration_of_stage_1_gives_the_policy_and_no_second_agreement() -> None:
    steps = built("stage1_iterations=1", "stage1_variants=false")
    assert inputs(steps["m_plus"]) == {"data": "stage1_iter1"}
    assert not any("iter2" in name or "iter1_weak_ft" in name for name in steps)
    assert inputs(steps["control_m_plus"]) == {"data": "control_stage1_iter1"}


def test_each_further_iteration_filters_the_answers_of_the_one_before() -> None:
    steps = built("stage1_iterations=3", "stage1_variants=true")
    for i in (2, 3):
        weak, strong = f"iter{i - 1}_weak_ft_answers", f"iter{i - 1}_icl_ft_answers"
        assert inputs(steps[f"stage1_iter{i}"]) == {"weak": weak, "strong": strong}
        assert inputs(steps[weak])["model"] == f"stage1_iter{i - 1}_weak_ft"
    assert inputs(steps["m_plus"]) == {"data": "stage1_iter3"}
    evaluated = [model.name for model in steps["models"].params.models]
    assert [name for name in evaluated if name.startswith("stage1_")] == [
        f"stage1_iter{i}_{kind}" for i in (1, 2) for kind in ("weak_ft", "icl_ft", "hybrid_ft")
    ] + ["stage1_iter3_weak_ft", "stage1_iter3_icl_ft"]


def test_without_a_loss_there_is_no_stage_2() -> None:
    steps = built("preference.losses=[]")
    assert not any("m_pro" in name or "stage2" in name or "m_plus_samples" in name for name in steps)
    (m_plus,) = (model for model in steps["models"].params.models if model.name == "m_plus")
    assert m_plus.what == "Stage I.2, both" and m_plus.highlight
    assert inputs(steps["test_control_strong_only"])["model"] == "control_m_plus"


def test_an_unknown_strategy_is_refused_with_what_was_probably_meant() -> None:
    with pytest.raises(UserError, match=r"(?s)'weak_to_stong' \(did you mean 'weak_to_strong'\?\).*module:function"):
        built("strategies=weak_to_stong")


def test_what_every_strategy_is_told_apart_by_is_its_steps() -> None:
    """The same strategy twice is the same steps."""
    assert built("strategies=[weak_to_strong, weak_to_strong]").keys() == built().keys()


def test_the_control_s_selections_are_told_apart_by_their_words() -> None:
    words = {one.name: one.what for one in built()["models"].params.selections}
    assert words["stage1_iter1"] == "Stage I.1: both final answers agree"
    assert words["control_stage1_iter1"] == "control, Stage I.1: both final answers agree"
