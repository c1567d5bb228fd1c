"""Runs of several seeds as one result, from folders by hand: ten questions, models whose right answers are known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import w2s
from w2s.config import load
from w2s.errors import UserError
from w2s.results import folders, several_table

STRATEGIES = [
    {"name": "weak_to_strong", "model": "m_pro_dpo", "control": "full_weak_ft", "steps": ["stage1_iter1"]},
    {"name": "mine", "model": "m_plus", "control": None, "steps": ["stage1_iter1", "demonstrations"]},
]


@pytest.fixture
def study(folder: Path, tmp_path: Path, model: Callable[..., None], record: Callable[..., None]) -> Path:
    """seed-0 with M_plus right on 6 of 10, seed-1 on 8, seed-2 without M_pro."""
    parts = [path for path in folder.iterdir() if path.name in ("records", "data")]
    out = tmp_path / "study"
    for seed in (0, 1, 2):
        place = out / f"seed-{seed}"
        for part in parts:
            shutil.copytree(part, place / part.name)
        (place / "recipe.yaml").write_text(load.dump(load.load("tiny", [f"seed={seed}"])))
        outline = json.loads((place / "records" / "models.json").read_text())["result"]
        record(place, "models", outline | {"strategies": STRATEGIES})
        record(place, "stage1_iter1", {"kept": 8 + seed, "of": 20, "dropped": {}, "tokens": 100 * (seed + 1)})
    model(out / "seed-1", "m_plus", range(0, 8))
    (out / "seed-2" / "data" / "test_m_pro_dpo.jsonl").unlink()
    (out / "seed-2" / "records" / "evaluate_m_pro_dpo.json").unlink()
    return out


def test_means_over_seeds(study: Path) -> None:
    """M_plus: 0.6, 0.8, 0.6. PGR of the means: (2/3 - 0.2) / 0.8 = 0.583; of seeds 0.5 and 0.75."""
    results = w2s.report(study)
    plus = results["models"]["m_plus"]
    assert plus["by_seed"] == {"0": 0.6, "1": 0.8, "2": 0.6} and plus["accuracy"] == pytest.approx(2 / 3)
    assert plus["spread"] == [0.6, 0.8] and plus["sd"] == pytest.approx(0.1155, abs=1e-4)
    assert plus["ci95"][0] < plus["ci95_questions"][0] < 2 / 3 < plus["ci95_questions"][1] < plus["ci95"][1]
    assert plus["pgr"] == pytest.approx(0.5833, abs=1e-4) and plus["pgr_spread"] == pytest.approx([0.5, 0.75])
    assert results["models"]["strong_ceiling"]["pgr_ci95"] is None
    assert json.loads((study / "results.json").read_text()) == results
    assert results["seeds"] == [0, 1, 2] and results["selection"]["stage1_iter1"]["kept_spread"] == [8, 10]


def test_the_page_over_seeds_has_a_dot_for_each(study: Path) -> None:
    """m_plus: 0.6, 0.8 and 0.6, so three dots; the seeds are named, and nothing says that there is one."""
    results = w2s.report(study)
    text = (study / "report.html").read_text()
    assert "seeds 0, 1, 2" in text and "one seed" not in text and "seed 1: " not in text
    dots = sum(len(of["by_seed"]) for part in ("models", "paired") for of in results[part].values())
    assert text.count('class="seed ') == dots > 20
    assert results["verdicts"]["teacher"]["result"] == "m_pro_dpo" and "m_pro_dpo vs weak_floor" in results["paired"]
    assert not (study / "seed-0" / "report.html").exists()


def test_pairs_are_tested_on_the_seeds_that_have_both(study: Path) -> None:
    """M_pro (7, 7) less M_plus (6, 8): +0.1, -0.1, in two seeds."""
    test = w2s.report(study)["paired"]["m_pro_dpo vs m_plus"]
    assert test["by_seed"] == pytest.approx({"0": 0.1, "1": -0.1}) and test["difference"] == pytest.approx(0)
    assert test["mcnemar_p"] == {"0": 1.0, "1": 1.0} and test["n"] == 10 and test["same_questions"]
    assert test["p_holm"] == 1.0


def test_strategies_with_their_controls_and_costs(study: Path) -> None:
    """M_pro 0.7 on seeds 0 and 1, its control 0.3, floor 0.2, ceiling 1: (0.7 - 0.3) / 0.8. Tokens 100, 200, 300."""
    results = w2s.report(study)
    paper, mine = results["strategies"]["weak_to_strong"], results["strategies"]["mine"]
    assert paper["weak_contribution"] == pytest.approx(0.5) and paper["control_accuracy"] == pytest.approx(0.3)
    assert (paper["seeds"], paper["tokens"], mine["tokens"], mine["weak_contribution"]) == (2, 150, 200, None)
    assert {"m_plus vs m_pro_dpo", "m_pro_dpo vs full_weak_ft"} <= results["paired"].keys()


def test_what_a_reader_must_know_comes_first(study: Path) -> None:
    caveats = w2s.report(study)["caveats"]
    assert "not all seeds have m_pro_dpo: their means are over those that have" in caveats
    assert caveats[-1] == "3 seeds, the same 10 test questions: intervals allow for other seeds and other questions"
    assert not any(line.startswith("one seed") for line in caveats)


def test_seeds_with_questions_of_their_own(study: Path, answers: Callable[..., None]) -> None:
    for seed in (1, 2):
        for path in (study / f"seed-{seed}" / "data").glob("test_*.jsonl"):
            answers(study / f"seed-{seed}", path.stem[5:], question=lambda n, seed=seed: f"Question {seed}{n}?")
    results = w2s.report(study)
    assert not results["paired"]["m_plus vs weak_floor"]["same_questions"]
    assert results["caveats"][-1].startswith("3 seeds with test questions of their own")
    assert results["models"]["m_plus"]["ci95_seeds"] is None


def test_seeds_that_share_some_questions_count_with_their_own(study: Path, answers: Callable[..., None]) -> None:
    """Seed 1 shares question 0 alone. m_plus 0.6, 0.8, 0.6 less 0.2 of the floor: 0.4, 0.6, 0.4, of all ten each."""
    for path in (study / "seed-1" / "data").glob("test_*.jsonl"):
        answers(study / "seed-1", path.stem[5:], question=lambda n: f"Question {n}?" if n == 0 else f"Other {n}?")
    results = w2s.report(study)
    test, plus = results["paired"]["m_plus vs weak_floor"], results["models"]["m_plus"]
    assert (test["n"], test["same_questions"], plus["n"]) == (10, False, 10)
    assert test["by_seed"] == pytest.approx({"0": 0.4, "1": 0.6, "2": 0.4})
    assert test["difference"] == pytest.approx(1.4 / 3) and plus["pgr"] == pytest.approx(1.4 / 3 / 0.8)
    own = "3 seeds with test questions of their own, some of them in several seeds"
    assert results["caveats"][-1] == f"{own}: intervals are over seeds, and cover both"


def test_recipes_whose_seeds_share_some_questions_are_compared_on_those_of_each_seed(
    study: Path, tmp_path: Path, answers: Callable[..., None], model: Callable[..., None]
) -> None:
    """Of seed 1 the other recipe has question 9 in other words: m_plus 6 against 9 of 10, then 8 against 8 of 9."""
    other = tmp_path / "other"
    for seed in (0, 1):
        shutil.copytree(study / f"seed-{seed}", other / f"seed-{seed}")
        recipe = load.load("tiny", [f"seed={seed}", "training.epochs=9"])
        (other / f"seed-{seed}" / "recipe.yaml").write_text(load.dump(recipe))
        model(other / f"seed-{seed}", "m_plus", range(0, 9 - seed))
    answers(other / "seed-1", "m_plus", question=lambda n: f"Question {n}?" if n < 9 else "Other?")
    row = next(row for row in w2s.compare(study, other).rows if row["model"] == "m_plus")
    assert row["by_seed"] == pytest.approx({"0": -0.3, "1": 0}) and (row["only_a"], row["only_b"]) == (0, 3)
    assert (row["n"], row["same_questions"]) == (9, False)
    assert row["accuracy_a"] == pytest.approx((6 / 10 + 8 / 9) / 2)


def test_a_list_of_folders_is_as_their_parent(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "over"
    listed = w2s.report(study / "seed-2", study / "seed-0", study / "seed-1", out=out)
    assert listed["models"] == w2s.report(study)["models"]
    assert (out / "results.json").is_file()


def test_recipes_are_compared_by_model(study: Path, tmp_path: Path, model: Callable[..., None]) -> None:
    other = tmp_path / "other"
    for seed in (0, 1):
        shutil.copytree(study / f"seed-{seed}", other / f"seed-{seed}")
        (other / f"seed-{seed}" / "recipe.yaml").write_text(
            load.dump(load.load("tiny", [f"seed={seed}", "training.epochs=9"]))
        )
        model(other / f"seed-{seed}", "m_plus", range(0, 9))
    results = w2s.report(study, other)
    assert results["runs"].keys() == {str(study), str(other)}
    row = next(row for row in results["comparison"] if row["model"] == "m_plus")
    assert row["by_seed"] == pytest.approx({"0": -0.3, "1": -0.1}) and row["seeds"] == [0, 1]
    assert (row["only_a"], row["only_b"], row["n"]) == (0, 4, 10)
    assert w2s.compare(study, other).rows[0].keys() >= {"difference", "ci95", "mcnemar_p", "p_holm", "left_out"}
    with pytest.raises(UserError, match=r"several recipes, which differ in training\.epochs"):
        shutil.copytree(other / "seed-1", study / "seed-7")
        w2s.report(study)


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit(study: Path, width: int) -> None:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    results = w2s.report(study)
    console.print(several_table.tables(results))
    text = console.export_text()
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    for name in ("weak_to_strong", "m_plus vs", "stage1_iter1", "66.7", "60.0 to 80.0"):
        assert name in text
    lines = several_table.markdown(results).splitlines()
    assert any(line.startswith("| `m_plus` | 66.7 | 60.0 to 80.0 |") for line in lines)


def test_bad_folders(study: Path, tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UserError, match="holds no run"):
        w2s.report(tmp_path / "study" / "seed-0" / "data")
    with pytest.raises(UserError, match="is missing"):
        w2s.report(study, tmp_path / "none")
    with pytest.raises(UserError, match="is of seed 1, as"):
        w2s.report(study, study / "seed-1")
    with pytest.raises(UserError, match="holds a run of its own"):
        w2s.report(study, out=study / "seed-0")
    (study / "seed-1" / "recipe.yaml").write_text("task: [")
    with pytest.raises(UserError, match=r"seed-1/recipe.yaml"):
        w2s.report(study)


def test_a_damaged_seed_is_named(study: Path) -> None:
    (study / "seed-1" / "records" / "demonstrations.json").write_text("{}")
    results: dict[str, Any] = w2s.report(study)
    assert results["damage"] == ["seed 1: record changed on disk: records/demonstrations.json is not what was written"]


def test_folders_of_seeds_are_in_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("seed-10", "seed-2", "seed-x"):
        (tmp_path / name).mkdir()
    assert [place.name for place in folders.seed_folders(tmp_path)] == ["seed-2", "seed-10"]
