"""The verbs on the released files of the paper (GAIR-NLP/weak-to-strong-reasoning at 596a0b6), in their own layouts."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

OUTPUTS = "outputs/gsm8k_train_2_llama2_7b.jsonl"


@pytest.fixture(scope="module")
def gair(reference_data: Path) -> Path:
    return reference_data / "gair"


def summary(w2s: Any, *arguments: str | Path, stdin: str | None = None) -> dict[str, Any]:
    done = w2s(*map(str, arguments), "--json", stdin=stdin)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stderr if "-" in arguments[arguments.index("--out") + 1 :] else done.stdout)
    return found


def rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def test_the_released_outputs_are_graded_as_released(w2s: Any, gair: Path, tmp_path: Path) -> None:
    """41.37 %: 2,896 of 7,000, row by row as the released `result`."""
    out = tmp_path / "graded.jsonl.gz"
    found = summary(
        w2s, "grade", "--task", "gsm8k", "--layout", "gair", "--match", "string",
        "--gold", gair / OUTPUTS, "--responses", gair / OUTPUTS, "--out", out,
    )  # fmt: skip
    assert (found["correct"], found["n"], found["no_answer"]) == (2896, 7000, 94)
    assert found["accuracy"] == pytest.approx(0.41371, abs=1e-5)
    graded = rows(out)
    assert [row["verdict"] == "correct" for row in graded] == [row["result"] for row in graded]
    assert [row["prediction"] or "" for row in graded[:100]] == [row["pred"] for row in graded[:100]]
    assert graded[0]["question"].startswith("Natalia sold") and "prompt" not in graded[0]


def test_raw_gold_is_found_by_question(w2s: Any, gair: Path) -> None:
    """The raw file calls its questions gsm8k_0, gsm8k_1, gsm8k_5; 150 of the 7,000 questions come twice."""
    gold, given = gair / "raw" / "gsm8k_train_2.jsonl", gair / OUTPUTS
    arguments = ["grade", "--task", "gsm8k", "--match", "string", "--gold", str(gold), "--responses", str(given)]
    refused = w2s(*arguments)
    assert refused.returncode == 2 and "--join question" in refused.stderr
    done = w2s(*arguments, "--join", "question", "--json")
    assert json.loads(done.stdout)["correct"] == 2896


@pytest.mark.parametrize(("iteration", "of", "without_answer"), [(1, 2683, 8), (2, 4022, 11)])
def test_every_released_stage_1_question_is_kept(
    w2s: Any, gair: Path, tmp_path: Path, iteration: int, of: int, without_answer: int
) -> None:
    """By string, two texts without an answer agree. Without that rule, the released code's, these are dropped."""
    weak, strong = (gair / "train" / f"gsm8k_llama2_7b_iter{iteration}_{side}.json" for side in ("weak", "icl"))
    arguments = [
        "agree", "--task", "gsm8k", "--layout", "gair", "--match", "string", "--weak", weak, "--strong", strong,
        "--gold", gair / "raw" / "gsm8k_train_2.jsonl", "--join", "question", "--out", tmp_path / "h.jsonl",
    ]  # fmt: skip
    strict = summary(w2s, *arguments, "--no-nothing-agrees")
    assert (strict["kept"], strict["of"]) == (of - without_answer, of)
    assert strict["dropped"] == {"weak_no_answer": without_answer}
    found = summary(w2s, *arguments)
    assert (found["kept"], found["of"], found["dropped"]) == (of, of, {})
    assert found["quality"]["kept"] == found["kept"]
    made = rows(tmp_path / "h.jsonl")
    assert len(made) == found["rows"] == 2 * found["kept"]
    assert {frozenset(row) for row in made} == {frozenset({"id", "source", "prompt", "completion", "prediction"})}
    released = {str(row["id"]): row for row in json.loads(weak.read_text(encoding="utf-8"))}
    for row in made:
        if row["source"] == "weak":
            assert row["prompt"] == released[str(row["id"])]["content"]
            assert row["completion"].strip() == released[str(row["id"])]["output"].strip()


def test_the_precision_of_the_first_iteration(w2s: Any, gair: Path, tmp_path: Path) -> None:
    """Of the 2,675 answers that both models give 2,410 are right, 90.09 %; of all 2,683 questions 89.82 %."""
    weak, strong = (gair / "train" / f"gsm8k_llama2_7b_iter1_{side}.json" for side in ("weak", "icl"))
    found = summary(
        w2s, "agree", "--task", "gsm8k", "--match", "string", "--weak", weak, "--strong", strong,
        "--gold", gair / "raw" / "gsm8k_train_2.jsonl", "--join", "question", "--out", tmp_path / "h.jsonl",
    )  # fmt: skip
    assert (found["quality"]["correct"], found["quality"]["kept"]) == (2410, 2683)


def test_released_pairs_are_two_responses_each(w2s: Any, gair: Path, tmp_path: Path) -> None:
    """2,563 pairs against their gold: chosen (sample 0) and rejected (sample 1) are never both right."""
    ids = {row["id"] for row in json.loads((gair / "train/gsm8k_llama2_7b_iter2_hybrid_paired.json").read_text())}
    gold, out = tmp_path / "gold.jsonl", tmp_path / "graded.jsonl"
    kept = [row for row in rows(gair / OUTPUTS) if row["id"] in ids]
    gold.write_text("".join(json.dumps({"id": row["id"], "answer": row["gold"]}) + "\n" for row in kept))
    pairs = gair / "train" / "gsm8k_llama2_7b_iter2_hybrid_paired.json"
    found = summary(
        w2s, "grade", "--task", "gsm8k", "--match", "string", "--gold", gold, "--responses", pairs, "--out", out
    )
    assert (found["n"], found["questions"]) == (2 * len(ids), len(ids)) == (5126, 2563)
    graded = rows(out)
    both = list(zip(graded[::2], graded[1::2], strict=True))
    assert all(("sample" not in chosen, rejected["sample"]) == (True, 1) for chosen, rejected in both[:10])
    assert not any(chosen["verdict"] == rejected["verdict"] == "correct" for chosen, rejected in both)
    assert sum(c["verdict"] == "correct" for c, _ in both) > sum(r["verdict"] == "correct" for _, r in both)


def test_the_released_outputs_as_the_harness_scores_them(w2s: Any, gair: Path) -> None:
    """Strict: the same 2,896, as both read the mark; one response more has no answer. Flexible reads more of them."""
    arguments = [
        "grade",
        "--task",
        "gsm8k",
        "--gold",
        str(gair / OUTPUTS),
        "--responses",
        str(gair / OUTPUTS),
        "--json",
    ]
    strict, flexible = (
        json.loads(w2s(*arguments, "--scoring", f"lm-eval-{name}").stdout) for name in ("strict", "flexible")
    )
    assert (strict["correct"], strict["no_answer"]) == (2896, 95)
    assert flexible["correct"] > strict["correct"] and flexible["no_answer"] < 10
