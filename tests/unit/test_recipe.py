"""The graph of steps is the paper's: what starts from what, and what can see gold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from w2s import presets, recipe
from w2s.flow.step import Step, ordered


@pytest.fixture(scope="module")
def steps() -> dict[str, Step]:
    run = presets.load("tiny", ["task.train_1=5", "task.train_2=5", "task.test=5", "stage1_variants=true",
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
        assert "model" not in steps[name].inputs and steps[name].given["model"] == "w2s:tiny-strong"
    assert steps["weak_floor"].given["model"] == "w2s:tiny-weak"
    for loss in ("dpo", "orpo"):
        assert inputs(steps[f"m_pro_{loss}"]) == {"model": "m_plus", "data": "stage2_pairs"}


def test_the_two_stages_are_wired_as_in_the_paper(steps: dict[str, Step]) -> None:
    assert inputs(steps["stage1_iter1"]) == {"weak": "weak_answers", "strong": "icl_answers"}
    assert inputs(steps["stage1_iter2"]) == {"weak": "iter1_weak_ft_answers", "strong": "iter1_icl_ft_answers"}
    assert inputs(steps["icl_answers"])["demonstrations"] == "demonstrations"
    assert inputs(steps["demonstrations"]) == {"weak": "weak_answers"}
    assert "demonstrations" not in steps["iter1_weak_ft_answers"].inputs
    assert inputs(steps["stage2_pairs"]) == {"weak": "weak_answers", "samples": "m_plus_samples"}
    assert (steps["m_plus_samples"].params["n"], steps["m_plus_samples"].params["temperature"]) == (10, 1.0)
    assert steps["m_plus"].params["source"] == "both"
    assert steps["stage1_iter1_weak_ft"].params["source"] == "weak"


def test_adaptive_sampling_is_another_step_and_leaves_the_others_as_they_are(steps: dict[str, Step]) -> None:
    small = ["task.train_1=5", "task.train_2=5", "task.test=5"]
    adaptive = {s.name: s for s in recipe.build(presets.load("tiny", [*small, "sampling.adaptive=true"]))}
    plain = {s.name: s for s in recipe.build(presets.load("tiny", small))}
    assert adaptive["m_plus"].fingerprint == plain["m_plus"].fingerprint
    for name, against in (("m_plus_samples", "weak_answers"), ("control_m_plus_samples", "control_answers")):
        assert inputs(adaptive[name])["weak"] == against and "weak" not in plain[name].inputs
        assert adaptive[name].params["seed"] == plain[name].params["seed"]
        assert adaptive[name].params["confidence"] == 0.6 and "confidence" not in plain[name].params
    assert "weak" not in adaptive["control_samples"].inputs
    assert (adaptive["stage2_pairs"].params["n"], plain["stage2_pairs"].params.get("n")) == (10, None)


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
    run = presets.load("tiny", ["task.train_1=5", "task.train_2=5", "task.test=5", "baselines=[weak_floor]"])
    names = {step.name for step in recipe.build(run)}
    assert "evaluate_weak_floor" in names and "m_plus" in names
    assert not names & {"full_weak_ft", "strong_ceiling", "control_samples", "evaluate_weak_icl"}


def test_the_order_of_the_runs_seed_reaches_every_draw_but_no_question(steps: dict[str, Step]) -> None:
    small = ["task.train_1=5", "task.train_2=5", "task.test=5"]
    other = {step.name: step for step in recipe.build(presets.load("tiny", [*small, "seed=1"]))}
    same = {step.name: step for step in recipe.build(presets.load("tiny", small))}
    assert other["questions_train_2"].fingerprint == same["questions_train_2"].fingerprint
    for name in ("weak_floor", "m_plus", "m_plus_samples", "stage2_pairs", "demonstrations"):
        assert other[name].fingerprint != same[name].fingerprint


def test_what_descends_from_a_quantised_model_is_quantised_and_nothing_else_changes(steps: dict[str, Step]) -> None:
    lora = ["training.lora.rank=2", "preference.lora.rank=2"]
    run = presets.load("tiny", ["task.train_1=5", "task.train_2=5", "task.test=5", *lora,
                                "strong={model: 'w2s:tiny-strong', layers: '0-2', quantize: 4bit}"])  # fmt: skip
    made = {step.name: step for step in recipe.build(run)}
    assert not any("quantize" in step.params for step in steps.values())
    assert (
        {name for name, step in made.items() if "quantize" in step.params}
        == {
            name
            for name, step in made.items()
            if step.inputs.get("model") is not None and step.inputs["model"].work.model == "strong"
        }
        >= {"m_pro_dpo", "m_plus_samples", "iter1_weak_ft_answers"}
    )
    assert made["m_plus"].given["model"] == "w2s:tiny-strong#layers=0-2&quantize=4bit"
    assert str(made["m_plus"].params["model"]).endswith("#layers=0-2&quantize=4bit")
