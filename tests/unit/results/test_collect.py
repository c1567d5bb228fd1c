from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest

from w2s import results as results_of_run
from w2s.config import schema
from w2s.data import sealed
from w2s.errors import UserError
from w2s.metrics import accuracy
from w2s.results import collect

RUN = schema.Run(recipe=schema.Recipe(name="toy", seed=3, task=schema.ArithTask()))


def test_the_fields_of_the_contract(folder):
    results = results_of_run.write(folder, RUN)
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
    assert low < 0.5 < high
    assert models["weak_floor"]["pgr_ci95"] is models["strong_ceiling"]["pgr_ci95"] is None  # by definition


@pytest.mark.parametrize(("right", "measurable"), [(range(0, 6), False), (range(0, 8), True)])
def test_a_gap_that_the_questions_do_not_show_has_no_pgr(folder, model, right, measurable):
    """The floor is right on 0-1, the ceiling on 0-5: Bonett and Price, 5/12 - 1/12 = 0.333, margin 1.96 *
    sqrt((6/12 - 1/9) / 12) = 0.353: the interval includes 0. With 0-7: 0.5, margin 1.96 * sqrt((8/12 - 1/4) / 12)
    = 0.365.
    """
    model(folder, "strong_ceiling", right)
    found = results_of_run.write(folder, RUN)
    row = found["models"]["m_plus"]
    assert (row["pgr"] is not None) == (row["pgr_ci95"] is not None) == measurable
    assert row.get("pgr_reason") == (None if measurable else "gap not measurable")
    assert ("<td>gap not measurable</td>" in (folder / "report.html").read_text()) == (not measurable)


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

    McNemar: 2 * (1/2)^2 = 0.5, and min(1, 2 * 1/2) = 1. The order is that of the record.
    """
    model(folder, "weak_icl", range(0, 8))
    paired = collect.collect(folder, RUN)["paired"]
    assert list(paired) == [
        "m_pro_dpo vs weak_floor", "m_pro_dpo vs full_weak_ft", "m_pro_dpo vs m_plus", "m_pro_dpo vs weak_icl",
        "m_plus vs weak_floor", "m_plus vs full_weak_ft", "m_plus vs weak_icl", "m_plus vs strong_ceiling",
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


def test_accuracy_is_counted_from_the_answers(folder, answers):
    """m_plus is right on 0-5 of ten; question 8 has no answer, 9 is undecided. The record says 0.999.

    Levels: 0-4 are level 1, 5-9 level 2. Subjects: even numbers are algebra, 0, 2 and 4 of these five are right.
    """
    verdicts = {8: "no_answer", 9: "undecided"}
    answers(
        folder,
        "m_plus",
        verdict=lambda i: verdicts.get(i, "correct" if i < 6 else "wrong"),
        subject=lambda i: None if i % 2 else "Algebra",
    )
    found = collect.collect(folder, RUN)["models"]["m_plus"]
    assert (found["accuracy"], found["correct"], found["n"]) == (0.6, 6, 10)
    assert (found["no_answer"], found["undecided"]) == (0.1, 0.1)
    assert found["ci95"] == pytest.approx(accuracy.wilson(6, 10))
    counts = {level: (of["correct"], of["n"]) for level, of in found["per_level"].items()}
    assert counts == {"1": (5, 5), "2": (1, 5)}
    assert {subject: (of["correct"], of["n"]) for subject, of in found["per_subject"].items()} == {"Algebra": (3, 5)}
    assert "per_subject" not in collect.collect(folder, RUN)["models"]["weak_floor"]


@pytest.mark.parametrize("content", [b"", b'{"id": "1"', b'{"id": "1", "verdict": "right"}\n', b"\xff"])
def test_answers_that_cannot_be_read_are_no_answers(folder, content):
    (folder / "data" / "test_m_plus.jsonl").write_bytes(content)
    results = results_of_run.write(folder, RUN)
    assert "m_plus" not in results["models"] and "weak_floor" in results["models"]


def test_what_ended_is_told(folder):
    results = collect.collect(folder, RUN)
    assert results["ended"] == {"stage2_pairs": "no preference pair could be made"}


def test_models_that_the_record_does_not_name_are_left_out(folder, model):
    model(folder, "m_pro_orpo", range(0, 9))
    assert "m_pro_orpo" not in collect.collect(folder, RUN)["models"]


def test_any_model_that_is_evaluated_appears(custom):
    """Floor 2/10, ceiling 10/10, SimPO 8/10: PGR = (0.8 - 0.2) / (1.0 - 0.2) = 0.75."""
    results = collect.collect(custom, RUN)
    models = results["models"]
    assert list(models) == ["teacher", "prompted", "round_3", "m_pro_simpo", "control_round_3", "gold_model"]
    assert models["m_pro_simpo"]["pgr"] == pytest.approx(0.75)
    assert (models["gold_model"]["pgr"], models["teacher"]["pgr"]) == (1, 0)
    assert (models["round_3"]["what"], models["round_3"]["highlight"]) == ("Stage I, third round", True)
    assert models["prompted"]["highlight"] is False
    selection = results["selection"]
    assert list(selection) == ["kept_by_mine", "control_kept"]
    assert (selection["kept_by_mine"]["kept"], selection["kept_by_mine"]["what"]) == (8, "a selector of one's own")


def test_the_comparisons_are_those_of_the_record_and_of_the_headline(custom):
    """SimPO (8/10) is the best result and `prompted` (5/10) the best baseline; the record does not compare them."""
    paired = collect.collect(custom, RUN)["paired"]
    assert list(paired) == [
        "m_pro_simpo vs teacher", "m_pro_simpo vs round_3", "m_pro_simpo vs control_round_3",
        "round_3 vs teacher", "round_3 vs prompted", "m_pro_simpo vs prompted",
    ]  # fmt: skip
    assert paired["m_pro_simpo vs prompted"]["difference"] == pytest.approx(0.3)


def test_paired_tests_are_corrected_for_their_number(custom):
    """SimPO has six questions that the teacher has not: p = 2 / 2^6 = 1/32, the least of the verdicts' three tests.

    round_3 has four such: 2 / 2^4 = 0.125, the least of the three others.
    """
    paired = collect.collect(custom, RUN)["paired"]
    assert paired["m_pro_simpo vs teacher"]["p_holm"] == 3 / 32
    assert (paired["m_pro_simpo vs teacher"]["only_first"], paired["m_pro_simpo vs teacher"]["only_second"]) == (6, 0)
    assert paired["round_3 vs teacher"]["p_holm"] == 0.375


def test_the_headline_says_who_won(custom):
    """SimPO is right on 0-7, prompted on 0-4: 3 questions of 10 are SimPO's alone, none the other's.

    Bonett and Price: n = 12, shares 4/12 and 1/12, difference 3/12 = 0.25, margin 1.95996 * sqrt((5/12 - 1/16) / 12)
    = 1.95996 * 0.171796 = 0.33671: -8.7 to +58.7 points. The control is right on 1-7: question 0 is SimPO's alone:
    shares 2/12 and 1/12, margin 1.95996 * sqrt((3/12 - 1/144) / 12) = 0.27892, -19.6 to +36.2.
    """
    assert collect.collect(custom, RUN)["headline"] == [
        "m_pro_simpo 80.0 % is not distinguished from prompted 50.0 % (difference +30.0 points, 95 % -8.7 to +58.7)",
        "m_pro_simpo 80.0 % is not distinguished from control_round_3 70.0 % "
        "(difference +10.0 points, 95 % -19.6 to +36.2)",
    ]


def test_a_run_of_baselines_has_no_headline(custom):
    for name in ("round_3", "m_pro_simpo"):
        (custom / "records" / f"evaluate_{name}.json").unlink()
    results = collect.collect(custom, RUN)
    assert results["headline"] == [] and results["paired"] == {}
    assert list(results["models"]) == ["teacher", "prompted", "control_round_3", "gold_model"]


def test_a_floor_that_was_not_evaluated_gives_no_pgr(custom, record):
    found = json.loads((custom / "records" / "models.json").read_text())["result"]
    record(custom, "models", found | {"floor": None})
    assert {model["pgr"] for model in collect.collect(custom, RUN)["models"].values()} == {None}


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
        path.write_text(json.dumps(sealed.seal(found)))
    assert collect.collect(folder, RUN)["versions"] == {"w2s": "9.9", "python": "3.11", "torch": "2.13.0, 2.14.1"}


def test_a_folder_without_a_run_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="holds no run"):
        collect.collect(tmp_path, RUN)
