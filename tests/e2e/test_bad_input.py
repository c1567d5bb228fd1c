"""Bad input through the real command line: exit code 2, one message that names the place, nothing computed or lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from w2s.data import jsonl
from w2s.tasks import arith


def question_files(folder: Path) -> dict[str, Path]:
    files = {}
    for split in ("train_1", "train_2", "test"):
        files[split] = folder / f"{split}.jsonl"
        rows = [
            {"id": p.id, "question": p.question, "answer": p.answer, "solution": p.solution}
            for p in arith.generate(split, 6)
        ]
        jsonl.write(files[split], rows)
    return files


def edit(path: Path, line: int, change: dict[str, Any] | str) -> None:
    lines = path.read_text().splitlines()
    lines[line - 1] = change if isinstance(change, str) else json.dumps({**json.loads(lines[line - 1]), **change})
    path.write_text("\n".join(lines) + "\n")


BROKEN: dict[str, tuple[str, int, dict[str, Any] | str, str]] = {
    "torn line": ("train_2", 6, '{"id": "x", "quest', "train_2.jsonl:6"),
    "duplicate id": ("train_2", 4, {"id": "arith-train_2-0-0"}, "train_2.jsonl:4"),
    "empty question": ("train_2", 3, {"question": "  "}, "train_2.jsonl:3 [question]"),
    "question that is no text": ("test", 2, {"question": 7}, "test.jsonl:2 [question]"),
    "gold that cannot be parsed": ("train_1", 5, {"answer": ""}, "train_1.jsonl:5 [answer]"),
    "gold of test missing": ("test", 1, {"answer": None}, "test.jsonl:1"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_question_file_stops_before_anything_runs(w2s: Any, tmp_path: Path, case: str) -> None:
    split, line, change, place = BROKEN[case]
    files = question_files(tmp_path)
    edit(files[split], line, change)
    paths = [f"task.{name}={path}" for name, path in files.items()]
    done = w2s("run", "task.name=jsonl", *paths, "--out", str(tmp_path / "run"))
    assert done.returncode == 2, done.stderr
    assert place in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "models").exists()


def test_missing_files_models_and_names(w2s: Any, tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "run"))
    folder = tmp_path / "no-tokenizer"
    folder.mkdir()
    assets = Path(arith.__file__).parents[1] / "assets" / "tiny-weak"
    for file in ("config.json", "model.safetensors"):
        shutil.copy(assets / file, folder)
    cases = [
        (("run", "tinny", *out), "tiny"),
        (("run", "few_shots.k=2", *out), "few_shot"),
        (("run", "strong=w2s:tiny-stong", *out), "tiny-strong"),
        (("run", f"weak={tmp_path / 'nowhere'}", *out), "nowhere"),
        (("run", f"strong={folder}", *out), "tokenizer"),
        (("run", "task.name=jsonl", f"task.train_1={tmp_path / 'none.jsonl'}", *out), "none.jsonl"),
        (("run", "seed=zero", *out), "seed"),
        (("grade", "--task", "gsm8k", "--gold", "none.jsonl", "--responses", "none.jsonl"), "none.jsonl"),
        (("report", str(tmp_path / "nothing")), "nothing"),
    ]
    for arguments, named in cases:
        done = w2s(*arguments)
        assert done.returncode == 2, (arguments, done.stderr)
        assert named in done.stderr and "Traceback" not in done.stderr, (arguments, done.stderr)
    assert not (tmp_path / "run" / "models").exists()


def test_a_prompt_longer_than_the_context_is_named_and_finished_work_stays(
    w2s: Any, small: tuple[str, ...], tmp_path: Path
) -> None:
    files = question_files(tmp_path)
    edit(files["test"], 3, {"question": "How many? " * 3000})
    paths = [f"task.{name}={path}" for name, path in files.items()]
    rest = [override for override in small if not override.startswith("task.")]
    done = w2s("run", "task.name=jsonl", *paths, *rest, "baselines=[weak_floor]", "--out", str(tmp_path / "run"))
    assert done.returncode == 2, done.stderr
    assert "arith-test-0-2" in done.stderr and "context" in done.stderr


def test_ids_in_one_file_only(w2s: Any, tmp_path: Path) -> None:
    gold, responses = tmp_path / "gold.jsonl", tmp_path / "responses.jsonl"
    jsonl.write(gold, [{"id": 1, "answer": "4"}])
    jsonl.write(
        responses,
        [{"id": "1", "question": "2+2?", "response": "#### 4"}, {"id": "2", "question": "2+3?", "response": "#### 5"}],
    )
    done = w2s("grade", "--task", "gsm8k", "--gold", str(gold), "--responses", str(responses))
    assert done.returncode == 2
    assert "responses.jsonl:2 [id]" in done.stderr and "'2'" in done.stderr
