"""Which columns training rows of `agree` and `pairs` have."""

from __future__ import annotations

from pathlib import Path

from response_files import again, agree, grade, lines, pairs, said, written

EXAMPLE = {"id", "source", "prompt", "completion", "prediction"}
PAIR = {"id", "prompt", "chosen", "rejected", "weak_role", "confidence"}
GOLD_BY_OTHER_NAMES: dict[str, object] = {
    "gold": "1", "gold_answer": "1", "ground_truth": "1", "answer_key": "1", "is_correct": True, "correct_answer": "1",
    "meta": {"answer": "1"}, "verdict_string": "correct", "reward": 1.0, "lösung": "1", "num_words": 3,
}  # fmt: skip


def test_a_training_row_has_its_own_columns_and_those_that_are_named(tmp_path: Path) -> None:
    """Any other column may hold gold, whatever it is called. `grade` passes all on: no training rows come out."""
    rows = [
        {"id": 1, "prompt": "Question: x?\nAnswer:", "response": f"#### {n}", "sample": n, **GOLD_BY_OTHER_NAMES}
        for n in (1, 1, 1, 2)
    ]
    single = written(tmp_path / "r.jsonl", rows[0])
    samples = written(tmp_path / "s.jsonl", *({**row, "sample": n} for n, row in enumerate(rows)))
    for keep in ((), ("num_words",)):
        agree(single, again(single), tmp_path / "h", task="gsm8k", keep=keep)
        pairs(single, samples, tmp_path / "p", task="gsm8k", keep=keep)
        assert [set(row) for row in lines(tmp_path / "h")] == [EXAMPLE | set(keep)] * 2
        assert [set(row) for row in lines(tmp_path / "p")] == [PAIR | set(keep)]
    summary = grade(single, single, tmp_path / "g", task="gsm8k")
    assert summary.accuracy == 1 and GOLD_BY_OTHER_NAMES.items() <= lines(tmp_path / "g")[0].items()
    agree(tmp_path / "g", again(tmp_path / "g"), tmp_path / "h", task="gsm8k")
    assert [set(row) for row in lines(tmp_path / "h")] == [EXAMPLE] * 2


def test_a_kept_column_replaces_none_of_the_row_s_own_and_is_missed_aloud(tmp_path: Path) -> None:
    file = written(tmp_path / "r.jsonl", {**said(1, 1), "source": "theirs", "prompt": "theirs"})
    summary = agree(file, again(file), tmp_path / "h", task="gsm8k", keep=["source", "prompt", "modle"])
    assert [(row["source"], row["prompt"]) for row in lines(tmp_path / "h")] == [
        ("weak", "Question: How many, 1?\nAnswer:"), ("icl", "Question: How many, 1?\nAnswer:"),
    ]  # fmt: skip
    assert summary.notes == ["--keep modle: no kept row has this column"]
