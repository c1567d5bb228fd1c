from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest

from w2s import config, report
from w2s.errors import UserError
from w2s.report import collect

RUN = config.Run(recipe=config.Recipe(name="toy", seed=3, task=config.ArithTask()))


def test_the_fields_of_the_contract(folder):
    results = report.write(folder, RUN)
    assert {"task", "seed", "n_test", "models", "selection", "wall_seconds", "versions"} <= set(results)
    assert (results["task"], results["seed"], results["n_test"]) == ("arith", 3, 10)
    assert list(results["models"]) == ["weak_floor", "full_weak_ft", "m_plus", "m_pro_dpo", "strong_ceiling"]
    contract = {"accuracy", "ci95", "correct", "n", "no_answer", "pgr", "pgr_ci95"}
    assert all(contract <= set(model) for model in results["models"].values())
    assert results == json.loads((folder / "results.json").read_text())


def test_pgr_is_the_share_of_the_gap(folder):
    """Floor 2/10, ceiling 10/10, m_plus 6/10: (0.6 - 0.2) / (1.0 - 0.2) = 0.5."""
    models = collect.collect(folder, RUN)["models"]
    assert models["m_plus"]["pgr"] == pytest.approx(0.5)
    assert models["weak_floor"]["pgr"] == 0
    assert models["strong_ceiling"]["pgr"] == 1
    low, high = models["m_plus"]["pgr_ci95"]
    assert 0 < low < 0.5 < high < 1


def test_pgr_is_null_where_the_ceiling_is_not_above_the_floor(folder, model):
    model(folder, "strong_ceiling", range(8, 10))
    models = collect.collect(folder, RUN)["models"]
    assert all(row["pgr"] is None and row["pgr_ci95"] is None for row in models.values())


def test_pgr_is_null_without_a_ceiling(folder):
    (folder / "records" / "evaluate_strong_ceiling.json").unlink()
    models = collect.collect(folder, RUN)["models"]
    assert "strong_ceiling" not in models
    assert models["m_plus"]["pgr"] is None


def test_pairs_are_joined_by_id(folder):
    """m_plus is right on 0-5, the floor on 0-1: four questions are m_plus's alone, none the floor's.

    McNemar: 2 * (1/2)^4 = 0.125. Joined by position, the rotated files would give the floor some of its own.
    """
    paired = collect.collect(folder, RUN)["paired"]
    assert paired["m_plus vs weak_floor"]["difference"] == pytest.approx(0.4)
    assert paired["m_plus vs weak_floor"]["mcnemar_p"] == pytest.approx(0.125)
    assert "m_pro_dpo vs control_strong_only" not in paired


def test_training_is_tested_against_mere_prompting(folder, model):
    """weak_icl is right on 0-7: the two questions 6 and 7 are its alone against M_plus, 7 against DPO.

    McNemar: 2 * (1/2)^2 = 0.5, and min(1, 2 * 1/2) = 1.
    """
    model(folder, "weak_icl", range(0, 8))
    paired = collect.collect(folder, RUN)["paired"]
    assert list(paired) == [
        "m_plus vs weak_floor", "m_plus vs full_weak_ft", "m_plus vs weak_icl", "m_pro_dpo vs m_plus",
        "m_pro_dpo vs weak_icl", "m_plus vs strong_ceiling",
    ]  # fmt: skip
    assert paired["m_plus vs weak_icl"]["difference"] == pytest.approx(-0.2)
    assert [paired[f"{name} vs weak_icl"]["mcnemar_p"] for name in ("m_plus", "m_pro_dpo")] == [0.5, 1.0]


def test_selection_with_and_without_precision(folder):
    selection = collect.collect(folder, RUN)["selection"]
    assert list(selection) == ["stage1_iter1", "stage2_pairs"]
    assert selection["stage1_iter1"]["precision"] == 0.75
    ended = selection["stage2_pairs"]
    assert (ended["kept"], ended["of"], ended["precision"]) == (0, 20, None)


def test_what_was_added_is_told_apart(folder, record):
    assert collect.collect(folder, RUN)["selection"]["stage1_iter1"]["added"] == 0
    kept = {"kept": 8, "of": 20, "dropped": {"disagree": 12}}
    record(folder, "stage1_iter1", {**kept, "added": 4, "short": 3})
    judged = {"precision": 0.75, "ci95": [0.4, 0.9], "correct": 6, "n": 8}
    added = {"added_precision": 0.25, "added_ci95": [0.05, 0.7], "added_correct": 1, "added_n": 4}
    record(folder, "precision_stage1_iter1", judged | added)
    found = collect.collect(folder, RUN)["selection"]["stage1_iter1"]
    assert (found["kept"], found["of"], found["precision"]) == (8, 20, 0.75)
    assert (found["added"], found["short"], found["added_precision"]) == (4, 3, 0.25)
    assert found["added_precision_ci95"] == [0.05, 0.7]


def test_subjects_are_passed_on_where_there_are_some(folder, record):
    assert "per_subject" not in collect.collect(folder, RUN)["models"]["m_plus"]
    result = json.loads((folder / "records" / "evaluate_m_plus.json").read_text())["result"]
    record(folder, "evaluate_m_plus", result | {"per_subject": {"Algebra": {"correct": 6, "n": 10}}})
    assert collect.collect(folder, RUN)["models"]["m_plus"]["per_subject"] == {"Algebra": {"correct": 6, "n": 10}}


def test_what_ended_is_told(folder):
    results = collect.collect(folder, RUN)
    assert results["ended"] == {"stage2_pairs": "no preference pair could be made"}


def test_models_that_the_recipe_does_not_ask_for_are_left_out(folder, model):
    model(folder, "m_pro_orpo", range(0, 9))
    assert "m_pro_orpo" not in collect.collect(folder, RUN)["models"]
    both = RUN.model_copy(
        update={"recipe": RUN.recipe.model_copy(update={"preference": config.Preference(losses=("dpo", "orpo"))})}
    )
    assert "m_pro_orpo" in collect.collect(folder, both)["models"]


def test_pass_and_maj_come_from_their_own_record(folder, record):
    intervals = {"pass_at_k_ci95": {"1": [0.3, 0.7], "10": [0.6, 0.99]}, "maj_at_k_ci95": {"10": [0.4, 0.9]}}
    sampled = {"pass_at_k": {"1": 0.5, "10": 0.9}, "maj_at_k": {"10": 0.7}, "n": 10} | intervals
    record(folder, "evaluate_samples_m_plus", sampled)
    models = collect.collect(folder, RUN)["models"]
    assert models["m_plus"]["pass_at_k"] == {"1": 0.5, "10": 0.9}
    assert models["m_plus"]["n"] == 10
    assert {name: models["m_plus"][name] for name in intervals} == intervals
    assert "pass_at_k" not in models["weak_floor"]


def test_time_is_the_sum_over_steps_and_the_host_stays_private(folder):
    results = collect.collect(folder, RUN)
    steps = len(list((folder / "records").iterdir()))
    assert results["wall_seconds"] == pytest.approx(1.5 * steps)
    assert results["versions"]["w2s"] == "9.9"
    assert "secret-host" not in json.dumps(results)


def test_versions_are_those_of_the_records_and_of_nothing_else(folder, record):
    """Two versions of torch, then the first one again; numpy is installed here, and not on record."""
    assert importlib.metadata.version("numpy")
    for day, (name, torch) in enumerate({"weak_floor": "2.13.0", "m_plus": "2.14.1", "m_pro_dpo": "2.13.0"}.items(), 1):
        record(folder, name, {})
        path = folder / "records" / f"{name}.json"
        found = json.loads(path.read_text())
        found["provenance"]["torch"], found["finished"] = torch, f"2026-02-0{day}T00:00:00+00:00"
        path.write_text(json.dumps(found))
    assert collect.collect(folder, RUN)["versions"] == {"w2s": "9.9", "python": "3.11", "torch": "2.13.0, 2.14.1"}


def test_a_folder_without_a_run_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="holds no run"):
        collect.collect(tmp_path, RUN)
