"""The method varied by settings and by a user's own functions: table and report of each run name its models."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(w2s: Any, folder: Path, *arguments: str, cwd: Path | None = None) -> tuple[dict[str, Any], str, str]:
    """The results, the printed table and the page of a run."""
    done = w2s("run", *arguments, "--out", str(folder), cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "results.json").read_text()), done.stdout, (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("change", "models"),
    [
        (["stage1_iterations=1", "preference.losses=[]", "baselines=[weak_floor]"], {"weak_floor", "m_plus"}),
        (
            ["stage1_iterations=1", "preference.losses=simpo", "baselines=[]"],
            {"m_plus", "m_pro_simpo"},
        ),
        pytest.param(
            ["stage1_iterations=3", "preference.losses=[ipo, dpo_nll, orpo]"],
            {
                "weak_floor", "strong_zero_shot", "weak_icl", "full_weak_ft", "strong_ceiling", "control_strong_only",
                "stage1_iter1_weak_ft", "stage1_iter1_icl_ft", "stage1_iter2_weak_ft", "stage1_iter2_icl_ft",
                "m_plus", "m_pro_ipo", "m_pro_dpo_nll", "m_pro_orpo",
            },
            marks=pytest.mark.nightly,
        ),
    ],
)  # fmt: skip
def test_a_run_names_every_model_that_its_settings_ask_for(
    w2s: Any, small: tuple[str, ...], tmp_path: Path, change: list[str], models: set[str]
) -> None:
    results, table, page = run(w2s, tmp_path / "run", *small, *change)
    assert set(results["models"]) == models
    assert all(name in table and name in page for name in models)


def test_a_recipe_of_one_s_own_needs_no_change_of_the_package(w2s: Any, small: tuple[str, ...], tmp_path: Path) -> None:
    """Three iterations, two weak teachers, a selector and a loss: shown like a built-in strategy."""
    sizes = [override for override in small if not override.startswith("preference.losses")]
    sizes += ["strategies=custom_recipe:two_teachers", "baselines=[weak_floor, weak_icl]"]
    results, table, page = run(w2s, tmp_path / "run", "custom_recipe.yaml", *sizes, cwd=EXAMPLES)
    own = {"second_teacher", "two_teachers_plus", "two_teachers_pro_hinge"}
    assert set(results["models"]) == own | {"weak_floor", "weak_icl"}
    assert "two_teachers_plus vs weak_icl" in results["paired"]
    assert {f"two_teachers_iter{i}" for i in (1, 2, 3)} <= set(results["selection"])
    assert all(name in table and name in page for name in own)
    again = w2s("run", "custom_recipe.yaml", *sizes, "--out", str(tmp_path / "run"), cwd=EXAMPLES)
    assert again.returncode == 0 and "starts" not in again.stderr


def test_the_paper_in_plain_lines_ends_in_its_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    scores = importlib.import_module("minimal").main(16)
    assert list(scores) == ["weak floor", "naive", "weak ICL", "M_plus", "M_pro (DPO)", "ceiling"]
    assert all(0 <= score <= 1 for score in scores.values())


def test_strategies_share_steps_and_have_controls(w2s: Any, small: tuple[str, ...], tmp_path: Path) -> None:
    """Weights on texts (confidence_loss) reach training; its control and the majority's samples are one step."""
    some = ["strategies=[majority_sft, confidence_loss]", "preference.losses=[]"]
    results, table, page = run(w2s, tmp_path / "run", *small, *some)
    assert set(results["strategies"]) == {"majority_sft", "confidence_loss"}
    assert results["strategies"]["majority_sft"]["control"] is None
    assert results["strategies"]["confidence_loss"]["control"] == "control_confidence_loss"
    assert "confidence_loss vs control_confidence_loss" in results["paired"]
    rows = [json.loads(line) for line in (tmp_path / "run/data/confidence_loss_texts.jsonl").read_text().splitlines()]
    assert {(row["source"], row["weight"], row["first_weight"]) for row in rows if "weight" in row} == {
        ("weak", 0.5, 1.0), ("own", 0.5, 0.0),
    }  # fmt: skip
    assert '<section id="strategies">' in page and "confidence_loss" in table


@pytest.mark.nightly
def test_all_strategies_run_with_cross_fitting(w2s: Any, small: tuple[str, ...], tmp_path: Path) -> None:
    """With so few questions a certificate may be out of reach: then that branch ends and says so."""
    results, _, _ = run(w2s, tmp_path / "run", *small, "strategies=all", "crossfit=2")
    ended = {name for name in results["ended"] if name.startswith(("certified", "control_certified", "scpo"))}
    made = set(results["strategies"])
    assert {"weak_to_strong", "filter_recover", "majority_sft", "confidence_loss", "trust", "ensemble"} <= made
    assert "certified" in made or ended
