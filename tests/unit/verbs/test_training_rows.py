"""Weights in the rows of `w2s train`."""

from __future__ import annotations

from pathlib import Path

import pytest
from response_files import written

from w2s.errors import UserError
from w2s.verbs import training, training_rows

EXAMPLES = [{"id": i, "prompt": f"Question: {i} + 1?\nAnswer:", "completion": f" {i + 1}"} for i in range(6)]
PAIRS = [{"id": row["id"], "prompt": row["prompt"], "chosen": row["completion"], "rejected": " 0"} for row in EXAMPLES]
QUICK = ["learning_rate=1e-4", "epochs=1", "batch_size=4", "max_length=64", "runtime.device=cpu", "runtime.threads=1"]
WEAK = "w2s:tiny-weak"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("loss", "weights", "factor"),
    [("sft", {"weight": 2}, 2), ("sft", {"weight": 1.0, "first_weight": 0.5}, 0.5), ("orpo", {"weight": 3}, 3)],
)
def test_a_weight_multiplies_the_loss_of_its_row(
    files: Path, loss: str, weights: dict[str, float], factor: float
) -> None:
    """All rows have the same weight: the first loss is so many times the loss without; null is none."""
    name, given = ("h.jsonl", EXAMPLES) if loss == "sft" else ("p.jsonl", PAIRS)
    for out, more in (("plain", {"weight": None}), ("weighted", weights)):
        written(files / name, *({**row, **more} for row in given))
        trained = training.train(WEAK, name, out, loss=loss, settings=QUICK)
        if out == "plain":
            before = trained.loss_first
    assert trained.loss_first == pytest.approx(factor * before, rel=1e-5)


@pytest.mark.parametrize("field", ["weight", "first_weight"])
@pytest.mark.parametrize("value", [-1, True, "much", [1], 1e999])
def test_what_is_no_weight_is_one_error(files: Path, field: str, value: object) -> None:
    written(files / "h.jsonl", EXAMPLES[0], {**EXAMPLES[1], field: value})
    with pytest.raises(UserError, match=rf"h\.jsonl:2 \[{field}\]: .* is not a weight\n  expected: a finite number"):
        training.train(WEAK, "h.jsonl", "out", settings=QUICK)
    if field == "weight":
        written(files / "p.jsonl", {**PAIRS[0], field: value})
        with pytest.raises(UserError, match=r"p\.jsonl:1 \[weight\]: .* is not a weight"):
            training.train(WEAK, "p.jsonl", "out", loss="dpo", settings=QUICK)


def test_trl_s_trainers_refuse_weights_by_their_row(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a model is loaded: the next check would say "was reached"."""

    def reached(*_: object, **__: object) -> None:
        raise UserError("was reached")

    monkeypatch.setattr(training.preflight, "of_job", reached)
    settings = ["trainer=trl", *QUICK]
    ones = {"weight": 1, "first_weight": None}
    for name, given, loss in (("h.jsonl", EXAMPLES, "sft"), ("p.jsonl", PAIRS, "dpo")):
        written(files / name, {**given[0], **ones}, {**given[1], "weight": 0.5})
        with pytest.raises(
            UserError, match=rf"{name}:2 \[weight\]: the row has a weight, and TRL's trainers have none"
        ):
            training.train(WEAK, name, "out", loss=loss, settings=settings)
        written(files / name, {**given[0], **ones})
        with pytest.raises(UserError, match="was reached"):
            training.train(WEAK, name, "out", loss=loss, settings=settings)
    written(files / "h.jsonl", {**EXAMPLES[0], "first_weight": 0.5})
    with pytest.raises(UserError, match=r"h\.jsonl:1 \[first_weight\]"):
        training.train(WEAK, "h.jsonl", "out", settings=settings)


def test_the_weights_of_a_table_are_numbers(files: Path) -> None:
    (files / "h.csv").write_text("prompt,completion,weight,first_weight\nx,y,0.5,\nx,z,,2\n")
    found = [example for _, example in training_rows.read("h.csv", pairs=False, weights=True)]
    assert [(each.weight, getattr(each, "first_weight", None)) for each in found] == [(0.5, None), (1.0, 2.0)]
