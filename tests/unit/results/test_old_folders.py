"""Folders from before the record `models`: the recipe says what was evaluated."""

from __future__ import annotations

import pytest

from w2s.config import schema
from w2s.results import collect, old_folders, outline

RECIPE = schema.Recipe(name="toy", task=schema.ArithTask())
BOTH = RECIPE.model_copy(update={"preference": schema.Preference(losses=("orpo", "dpo"))})


def names(recipe: schema.Recipe) -> list[str]:
    return [model["name"] for model in old_folders.outline(recipe)["models"]]


def test_all_that_a_recipe_evaluated_in_the_order_of_the_report():
    assert names(BOTH) == [
        "weak_floor", "strong_zero_shot", "weak_icl", "full_weak_ft", "stage1_iter1_weak_ft", "stage1_iter1_icl_ft",
        "stage1_iter1_hybrid_ft", "stage1_iter2_weak_ft", "stage1_iter2_icl_ft", "m_plus", "m_pro_dpo", "m_pro_orpo",
        "control_strong_only", "strong_ceiling",
    ]  # fmt: skip


def test_what_a_recipe_leaves_out_is_left_out():
    few = RECIPE.model_copy(update={"baselines": ("weak_floor",), "stage1_variants": False})
    assert names(few) == ["weak_floor", "stage1_iter1_weak_ft", "stage1_iter1_icl_ft", "m_plus", "m_pro_dpo"]
    selections = [selection["name"] for selection in old_folders.outline(few)["selections"]]
    assert selections == ["stage1_iter1", "stage1_iter2", "stage2_pairs"]


def test_results_of_the_method_and_comparisons():
    found = outline.read_outline({}, BOTH)
    assert found.highlighted == ["m_plus", "m_pro_dpo", "m_pro_orpo"]
    assert (found.floor, found.ceiling) == ("weak_floor", "strong_ceiling")
    assert set(found.comparisons) == {
        ("m_plus", "weak_floor"), ("m_plus", "full_weak_ft"), ("m_plus", "weak_icl"), ("m_plus", "strong_ceiling"),
        ("m_pro_dpo", "m_plus"), ("m_pro_dpo", "weak_icl"), ("m_pro_dpo", "control_strong_only"),
        ("m_pro_orpo", "m_plus"), ("m_pro_orpo", "weak_icl"), ("m_pro_orpo", "control_strong_only"),
    }  # fmt: skip
    assert list(found.selections) == [
        f"{mark}{name}" for mark in ("", "control_") for name in ("stage1_iter1", "stage1_iter2", "stage2_pairs")
    ]


@pytest.mark.parametrize("losses", [("dpo",), ("dpo", "orpo")])
def test_an_old_folder_gives_the_same_results_without_the_record(folder, model, losses):
    """Left-overs of another recipe do not count."""
    model(folder, "m_pro_orpo", range(0, 9))
    run = schema.Run(recipe=RECIPE.model_copy(update={"preference": schema.Preference(losses=losses)}))
    with_record = collect.collect(folder, run)
    (folder / "records" / "models.json").unlink()
    found = collect.collect(folder, run)
    assert ("m_pro_orpo" in found["models"]) == ("orpo" in losses)
    kept = {name: model["pgr"] for name, model in found["models"].items() if name != "m_pro_orpo"}
    assert kept == {name: model["pgr"] for name, model in with_record["models"].items()}
    assert list(found["selection"]) == list(with_record["selection"])
