"""Bytes that a run writes, by hand."""

from __future__ import annotations

from pathlib import Path

from w2s import recipe
from w2s.config import load
from w2s.config.schema import Lora, Runtime
from w2s.costs import disk
from w2s.costs import plan as costs
from w2s.costs.disk import StepBytes
from w2s.flow.decisions import PlannedStep
from w2s.flow.work import Work
from w2s.models.architecture import KNOWN, Architecture, find
from w2s.models.model import find as model

LLAMA = find(model("meta-llama/Llama-2-7b-hf"))


def step(kind: str, decision: str = "run", **work: object) -> PlannedStep:
    return PlannedStep("s", kind, decision, "", 0, None, "", Work("strong", **work))  # type: ignore[arg-type]


def test_models_are_float32_and_adapters_are_small() -> None:
    """6,738,415,616 parameters of 4 bytes. Rank 8: 4 * (4096 + 4096) + 3 * (4096 + 11008) sides, 32 layers."""
    rank_8 = 8 * 32 * (4 * 8192 + 3 * 15104)
    assert LLAMA.saved_bytes(None) == LLAMA.saved_bytes(Lora(rank=8)) == 4 * 6_738_415_616
    assert LLAMA.saved_bytes(Lora(rank=8, save="adapter")) == 4 * rank_8 == 79_953_920
    assert Architecture(None, {}).saved_bytes(None) is None
    assert Architecture(5, {"model_type": "other"}).saved_bytes(Lora(save="adapter")) is None
    assert "llama-2-7b" in KNOWN


def test_responses_are_written_as_journal_and_twice_more() -> None:
    """10 rows of 100 bytes, 50 characters of question and 35 tokens (of 100) of 4 characters: 290 bytes each."""
    generated = step("generate", prompts=5, prompt_characters=250, rows=10, new_tokens=100)
    assert disk.of_steps([generated], {"strong": LLAMA}, Runtime()) == [StepBytes("s", 2 * 2900, 2900)]
    assert disk.of_steps([step("train", "reuse"), step("select")], {}, Runtime()) == []


def test_a_training_keeps_two_states_beside_its_model() -> None:
    """Weights and two moments, of all weights or of the adapter alone; without saving there are none."""
    trained = step("train", lora=Lora(rank=8, save="adapter"))
    (adapter,) = disk.of_steps([trained], {"strong": LLAMA}, Runtime())
    assert (adapter.kept, adapter.beside) == (79_953_920, 2 * 3 * 79_953_920)
    (never,) = disk.of_steps([step("train")], {"strong": LLAMA}, Runtime(save_minutes=0))
    assert never.beside == 0


def test_an_old_output_stays_until_the_new_one_is_whole() -> None:
    """9 new, then 9 again of which 9 were there: 18 bytes more at the highest. A journal of 5 goes at once."""
    assert disk.most([StepBytes("a", 9), StepBytes("b", 9, freed=9)]) == 18
    assert disk.most([StepBytes("a", 9, freed=9), StepBytes("b", 9, freed=9)]) == 9
    assert disk.most([StepBytes("a", 4, beside=5), StepBytes("b", 4)]) == 9
    assert disk.most([]) == 0 and disk.most([StepBytes("a", None)]) is None


def test_a_7b_recipe_with_merged_models(tmp_path: Path) -> None:
    """`tiny` trains a weak model, here of 27 GB, and 11 strong ones of 29 GB each; responses are kilobytes."""
    both = ["weak=meta-llama/Llama-2-7b-hf", "strong=mistralai/Mistral-7B-v0.1", "runtime.offline=true",
            "task.train_1=5", "task.train_2=5", "task.test=5"]  # fmt: skip
    run = load.load("tiny", both)
    made = costs.plan(run, recipe.build(run, planning=True), tmp_path)
    trained = [each for each in made.disk if each.kept and each.kept > 10**9]
    assert len(trained) == 12 and sum(each.kept or 0 for each in trained) == 4 * (6_738_415_616 + 11 * 7_241_732_096)
    total, states = sum(each.kept or 0 for each in made.disk), 2 * 12 * 7_241_732_096  # of the ceiling, trained last
    assert total - 10_000 < (disk.most(made.disk) or 0) - states < total + 10_000
