"""`w2s run` through the real command line, on the shipped pair at a very small size."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

MODELS = {
    "weak_floor",
    "strong_zero_shot",
    "weak_icl",
    "full_weak_ft",
    "strong_ceiling",
    "stage1_iter1_weak_ft",
    "stage1_iter1_icl_ft",
    "m_plus",
    "m_pro_dpo",
    "control_strong_only",
}


def data(folder: Path) -> dict[str, bytes]:
    """Every data file of a run."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted((folder / "data").rglob("*.jsonl"))}


def test_the_files_of_the_contract_are_there(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text())
    assert set(results) >= {"task", "seed", "n_test", "models", "selection", "wall_seconds", "versions"}
    assert results["n_test"] == 20 and results["task"] == "arith"
    assert set(results["models"]) >= MODELS
    for model in results["models"].values():
        assert set(model) >= {"accuracy", "ci95", "correct", "n", "no_answer", "pgr", "pgr_ci95"}
        assert model["accuracy"] == pytest.approx(model["correct"] / model["n"])
        low, high = model["ci95"]
        assert 0 <= low <= model["accuracy"] <= high <= 1
    for name in ("stage1_iter1", "stage1_iter2", "stage2_pairs"):
        assert set(results["selection"][name]) >= {"kept", "of", "precision"}
        assert (finished / "data" / f"{name}.jsonl").stat().st_size > 0
    assert (finished / "report.html").stat().st_size > 10_000 and (finished / "recipe.yaml").exists()
    for name in ("m_plus", "m_pro_dpo"):
        files = {path.name for path in (finished / "models" / name).iterdir()}
        assert {"model.safetensors", "config.json", "tokenizer.json"} <= files
        assert not any(file.endswith((".bin", ".pt", ".pkl")) for file in files)


def test_a_second_run_reuses_every_step(w2s: Any, small: tuple[str, ...], finished_copy: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (finished_copy / "records").iterdir()}
    done = w2s("run", *small, "--out", str(finished_copy))
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in (finished_copy / "records").iterdir()} == before


def test_a_run_holds_its_folder_until_its_report_is_written(
    small: tuple[str, ...], finished_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import w2s
    from w2s import results

    seen: list[str] = []
    write = results.write

    def seen_from_outside(folder: Path, run: Any) -> dict[str, Any]:
        seen.extend(each.state for each in w2s.status(folder))
        return write(folder, run)

    monkeypatch.setattr(results, "write", seen_from_outside)
    (finished_copy / "results.json").unlink()
    assert w2s.run("tiny", *small, out=finished_copy) == json.loads((finished_copy / "results.json").read_text())
    assert seen == ["running"] and [each.state for each in w2s.status(finished_copy)] == ["finished"]


def test_plan_names_the_field_that_changed(w2s: Any, small: tuple[str, ...], finished: Path) -> None:
    same = w2s("plan", *small, "--out", str(finished))
    assert same.returncode == 0 and "rerun" not in same.stdout
    changed = w2s("plan", *small, "preference.beta=0.2", "--out", str(finished))
    assert changed.returncode == 0, changed.stderr
    assert re.search(r"beta changed from 0\.1 to 0\.2", " ".join(changed.stdout.split()))


@pytest.fixture(scope="module")
def own_questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's own files: questions with gold for every split."""
    from w2s.data import jsonl
    from w2s.tasks import arith

    folder = tmp_path_factory.mktemp("questions")
    for split, size in (("train_1", 48), ("train_2", 60), ("test", 20)):
        jsonl.write(
            folder / f"{split}.jsonl",
            (
                {"id": p.id, "question": p.question, "answer": p.answer, "solution": p.solution}
                for p in arith.generate(split, size)
            ),
        )
    return folder


def own(folder: Path) -> list[str]:
    return ["task.name=jsonl", *(f"task.{split}={folder / split}.jsonl" for split in ("train_1", "train_2", "test"))]


def test_nothing_that_trains_sees_gold_of_train_2(
    w2s: Any, small: tuple[str, ...], own_questions: Path, tmp_path: Path
) -> None:
    rest = [o for o in small if not o.startswith("task.")] + ["preference.losses=[dpo, orpo]"]
    rest += ["baselines=[weak_floor, full_weak_ft, strong_ceiling]"]
    names = ("full_weak_ft", "m_plus", "m_pro_dpo", "m_pro_orpo")
    made: dict[str, list[Any]] = {}
    for kind in ("true", "nonsense", "absent"):
        files, folder = tmp_path / kind, tmp_path / f"run-{kind}"
        shutil.copytree(own_questions, files)
        rows = [json.loads(line) for line in (files / "train_2.jsonl").read_text().splitlines()]
        for number, row in enumerate(rows):
            if kind == "nonsense":
                row["answer"], row["solution"] = str(90_000 + number), f"Because I say so.\n#### {90_000 + number}"
            elif kind == "absent":
                del row["answer"], row["solution"]
        (files / "train_2.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        if kind == "absent":  # every model is reused: no model's inputs name the gold
            shutil.copytree(tmp_path / "run-true", folder)
        done = w2s("run", *own(files), *rest, "--out", str(folder), "--replace")  # without gold: no ceiling
        assert done.returncode == 0, done.stderr
        records = [json.loads((folder / "records" / f"{name}.json").read_text()) for name in names]
        made[kind] = [record["finished"] for record in records]
        made[f"{kind} bytes"] = [(folder / "models" / name / "model.safetensors").read_bytes() for name in names]
        results = json.loads((folder / "results.json").read_text())
        assert ("strong_ceiling" in results["models"]) == (kind != "absent")
        judged = [json.loads(line) for line in (folder / "data" / "judged_train_2.jsonl").read_text().splitlines()]
        assert len(judged) == 60 and {"gold" in row for row in judged} == {kind != "absent"}
        assert {*judged[0]["decisions"]} == {"stage1_iter1", "stage1_iter2", "stage2_pairs"}
        if kind == "nonsense":
            assert results["selection"]["stage1_iter1"]["precision"] == 0
            texts = {path.name: path.read_text() for path in sorted((folder / "data").rglob("*.jsonl"))}
            with_gold = [name for name, text in texts.items() if '"90000"' in text or "#### 90000" in text]
            assert with_gold == ["gold_train_2.jsonl", "judged_train_2.jsonl"]
    assert made["true"] == made["absent"] != made["nonsense"]  # `finished`: when each was made
    assert made["true bytes"] == made["nonsense bytes"]
