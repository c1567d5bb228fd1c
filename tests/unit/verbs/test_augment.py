"""`w2s agree --augment-to`: questions that are added from more samples of the strong model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from response_files import agree, gold_file, lines, said, written

from w2s.errors import UserError


def test_agree_adds_questions_on_which_a_sample_agrees(tmp_path: Path) -> None:
    """Kept: 1. Of samples 3 of 4 agree on 3 and 1 of 4 on 2; 4 has none, 9 is no question. Gold: 1 and 3 are right."""
    weak = written(tmp_path / "w.jsonl", said(1, 1), {**said(2, 2), "model": "w"}, said(3, 3), said(4, 4))
    strong = written(tmp_path / "s.jsonl", said(1, 1), said(2, 0), said(3, 0), said(4, 0))
    drawn = [said(2, a, sample=k, temperature=1) for k, a in enumerate((0, 2, 0, 0))]
    drawn += [said(3, a, sample=k) for k, a in enumerate((0, 0, 3, 3))] + [said(9, 9)]
    samples, gold = written(tmp_path / "m.jsonl", *drawn), gold_file(tmp_path, 1, 7, 3, 4)
    out = tmp_path / "h.jsonl"
    summary = agree(
        weak, strong, out, task="gsm8k", gold=gold, augment_to=5, samples=samples, keep=["model", "temperature"]
    )
    assert [(row["id"], row["source"], row.get("added")) for row in lines(out)] == [
        (n, source, added) for n, added in ((1, None), (3, True), (2, True)) for source in ("weak", "icl")
    ]
    assert (lines(out)[4]["model"], lines(out)[5]["temperature"]) == ("w", 1)
    assert lines(out)[5]["completion"] == " So it is 2.\n#### 2"
    assert (summary.kept, summary.of, summary.added, summary.short, summary.rows) == (1, 4, 2, 2, 6)
    assert summary.dropped == {"disagree": 3}
    assert summary.added_right is not None and (summary.added_right.correct, summary.added_right.n) == (1, 2)
    assert "added 2 questions on which a sample agrees, 2 short of the target" in summary.lines()
    assert [line.partition(" (")[0] for line in summary.lines() if "gold" in line] == [
        "right by gold, kept answers: 100.00%", "right by gold, added: 50.00%",
    ]  # fmt: skip
    assert summary.as_dict()["added"] == 2
    few = agree(weak, strong, out, task="gsm8k", augment_to=2, samples=samples)
    assert ([row["id"] for row in lines(out)], few.added, few.short) == ([1, 1, 3, 3], 1, 0)
    none = agree(weak, strong, out, task="gsm8k", augment_to=1, samples=samples)
    assert ([row["id"] for row in lines(out)], none.added, none.short) == ([1, 1], 0, 0)
    plain = agree(weak, strong, out, task="gsm8k")
    assert (plain.added, plain.short) == (None, None) and not any("added" in line for line in plain.lines())


@pytest.mark.parametrize(
    "options", [{"augment_to": 3}, {"samples": "w.jsonl"}, {"augment_to": 0, "samples": "w.jsonl"}]
)
def test_a_target_needs_samples_and_samples_a_target(tmp_path: Path, options: dict[str, Any]) -> None:
    files = [written(tmp_path / name, said(1, 1)) for name in ("w.jsonl", "s.jsonl")]
    with pytest.raises(UserError, match=r"\[--augment-to\].*up to a number"):
        agree(*files, tmp_path / "h.jsonl", task="gsm8k", **options)
    assert not (tmp_path / "h.jsonl").exists()
