"""What a trainer has not is refused before anything is computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from w2s import recipe
from w2s.config import load, trainers
from w2s.config.schema import Preference, Runtime, Training, Trl
from w2s.errors import UserError
from w2s.flow.step import Step

SIZES = ["task.train_1=6", "task.train_2=5", "task.test=5"]


def built(*overrides: str) -> dict[str, Step]:
    return {step.name: step for step in recipe.build(load.load("tiny", [*SIZES, *overrides]), True)}


def trained(steps: dict[str, Step]) -> dict[str, Step]:
    return {name: step for name, step in steps.items() if step.kind == "train"}


def test_our_loop_s_steps_keep_the_identity_that_they_had_before_there_was_another() -> None:
    plain, named = trained(built()), trained(built("trainer=w2s"))
    assert len(plain) > 5
    for name, step in plain.items():
        assert step.fingerprint == named[name].fingerprint
        assert not {"trainer", "trl"} & step.payload["params"].keys(), name


def test_identity_says_which_trainer_made_a_model_and_how() -> None:
    ours, theirs, smoothed = (
        trained(built(*more))
        for more in ((), ("trainer=trl",), ("trainer=trl", "trl.sft_loss=dft", "preference.losses=[dpo]"))
    )
    assert all(step.payload["params"]["trainer"] == "trl" for step in theirs.values())
    assert ours["weak_floor"].fingerprint != theirs["weak_floor"].fingerprint != smoothed["weak_floor"].fingerprint
    assert smoothed["m_plus"].payload["params"]["trl"]["sft_loss"] == "dft"


@pytest.mark.parametrize(
    ("overrides", "field", "problem"),
    [
        (["trl.packing=true"], "trl.packing", "no effect with trainer=w2s"),
        (["runtime.accelerate=a.yaml"], "runtime.accelerate", "no effect with trainer=w2s"),
        (["preference.losses=[trl:hinge]"], "losses", "is a loss of TRL"),
        (["trainer=trl", "runtime.launcher=ray"], "runtime.launcher", "our loop only"),
        (["trainer=trl", "runtime.sharding=fsdp"], "runtime.sharding", "by an accelerate config"),
        (["trainer=trl", "trl.label_smoothing=0.1"], "trl.label_smoothing", "no loss uses it"),
        (["trainer=trl", "preference.losses=[trl:exo_pair]"], "trl.label_smoothing", "needs it"),
        (["trainer=trl", "preference.losses=[builtins:print]"], "losses", "a loss of yours"),
        (["trainer=trl", "runtime.accelerate=missing.yaml"], "runtime.accelerate", "cannot be read as YAML"),
        (["trainer=trl", "strategies=[scpo]"], "strategies", "scpo weights its examples"),
        (["trainer=trl", "strategies=[vote_reward]", "sampling.n=1"], "sampling.n", "compares samples"),
        (["strategies=[vote_reward]"], "trainer", "learns online"),
        (
            ["trainer=trl", "strategies=[weak_to_strong, certified]", "preference.losses=[dpo]"],
            "strategies",
            "certified weights",
        ),
    ],
)
def test_what_a_trainer_has_not_is_refused_while_steps_are_built(
    overrides: list[str], field: str, problem: str
) -> None:
    given = [*overrides, *(["preference.losses=[dpo]"] if not any("losses" in each for each in overrides) else [])]
    with pytest.raises(UserError, match=problem) as refused:
        built(*given)
    assert refused.value.field == field


def test_a_quantised_base_is_refused() -> None:
    with pytest.raises(UserError, match="rounds the adapters") as refused:
        trainers.check("trl", Trl(), Runtime(), Training(), quantize="4bit")
    assert refused.value.field == "quantize"


def test_every_loss_of_ours_and_of_trl_has_a_model() -> None:
    steps = built("trainer=trl", "preference.losses=[orpo, simpo, trl:nca_pair]")
    assert {"m_pro_orpo", "m_pro_simpo", "m_pro_nca_pair"} <= steps.keys()


def test_a_loss_that_trl_has_not_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(UserError, match=r"should be 'trl:sigmoid', 'trl:hinge', .*not 'trl:hinges'.*'trl:hinge'"):
        built("trainer=trl", "preference.losses=[trl:hinges]")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("- a\n", "is no accelerate config"),
        ("a: [\n", "cannot be read as YAML"),
        ("distributed_type: FSDP\nnum_processes: none\n", "num_processes is 'none'"),
        ("distributed_type: FSDP\nnum_processes: 5\n", "cannot be shared evenly by 5 processes"),
    ],
)
def test_a_bad_accelerate_config_is_refused(content: str, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "accelerate.yaml"
    file.write_text(content)
    with pytest.raises(UserError, match=problem):
        trainers.check("trl", Trl(), Runtime(accelerate=str(file)), Training(batch_size=16))


def test_each_setting_of_a_training_has_a_test_here_or_a_place_in_trl_s_arguments() -> None:
    """A new field of `Training` or `Preference` must be mapped to TRL, or refused: then it is added here."""
    mapped = {"learning_rate", "epochs", "batch_size", "warmup_ratio", "schedule", "weight_decay", "max_grad_norm"}
    mapped |= {"max_length", "lora"}
    preference: set[Any] = {"losses", "beta", "nll_weight", "max_chosen_drop", "simpo"}
    assert {*Training.model_fields} == mapped
    assert {*Preference.model_fields} == mapped | preference


def test_all_is_with_what_the_trainer_can_do() -> None:
    def names(*overrides: str) -> set[str]:
        catalog = built("strategies=all", "preference.losses=[dpo]", *overrides)["models"].params
        return {each.name for each in catalog.strategies}  # type: ignore[union-attr]

    assert names() - names("trainer=trl") == {"scpo", "restrain", "confidence_loss", "certified"}
    assert names("trainer=trl") - names() == {"vote_reward"}
