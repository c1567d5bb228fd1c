"""Training steps: what is shown, what is kept, and too little memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from step_params import params_of

from w2s import models
from w2s.config.schema import Preference, Runtime, Training
from w2s.data import jsonl
from w2s.errors import BranchEnds, UserError
from w2s.flow.step import Context
from w2s.steps import launch, train
from w2s.steps.params import Resources
from w2s.training.history import TrainResult

RESULT = TrainResult(steps=1, examples=1, tokens=1, loss_first=1.0, loss_last=1.0, seconds=1.0)


def replace_training(monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any]) -> None:
    monkeypatch.setattr(launch, "training", lambda *_: nullcontext(function))


@pytest.fixture
def context(tmp_path: Path) -> Any:
    """Makes a context on some rows, and the list of what it shows."""

    def make(rows: list[dict[str, Any]], config: Training, **params: Any) -> tuple[Context[Any], list[str]]:
        jsonl.write(tmp_path / "data.jsonl", rows)
        shown: list[str] = []
        made = Context(
            params=params_of(
                train.prefer if "loss" in params else train.fine_tune,
                {"training": config, "seed": 0, "dtype": "float32", **params},
            ),
            inputs={"data": tmp_path / "data.jsonl"},
            results={},
            output=tmp_path / "out",
            scratch=tmp_path,
            runtime=Runtime(device="cpu", offline=True),
            progress=lambda done, total, tokens=0: None,
            resources=Resources(model=models.find("w2s:tiny-weak")),
            show=shown.append,
        )
        return made, shown

    return make


ROWS = [{"id": id, "prompt": "Question: 1 + 1?\nAnswer:", "completion": " 2", "source": "weak"} for id in ("b", "a")]
PAIR = {"id": "a", "prompt": "Question: 1 + 1?\nAnswer:", "chosen": " 2", "rejected": " 3"}


def test_the_first_example_is_shown_before_training_and_kept_in_the_record(context, monkeypatch) -> None:
    made, shown = context(ROWS, Training(), source="both")
    replace_training(monkeypatch, lambda *_, **__: shown.append("training") or RESULT)
    first = train.fine_tune(made)["first_example"]
    assert (first["id"], first["completion"]) == ("a", " 2<eos>")
    assert first["prompt_tail"].endswith("Answer:")
    assert len(shown) == 2 and "' 2<eos>'" in shown[0] and shown[1] == "training"


def test_what_spells_the_end_of_text_is_left_out_and_counted(context, monkeypatch) -> None:
    """tiny-weak's EOS is "<eos>"; at the very end it is the one that training puts there."""
    took: list[Any] = []
    replace_training(monkeypatch, lambda *arguments, **_: took.append(arguments[1]) or RESULT)
    spelled = ROWS[0] | {"id": "A", "completion": " 2<eos> 3"}
    made, _ = context([*ROWS, spelled], Training(), source="both")
    record = train.fine_tune(made)
    assert [row.id for row in took[0]] == ["b", "a"] and record["spelled"] == 1
    assert record["first_example"]["id"] == "a"
    made, _ = context([PAIR, PAIR | {"id": "b", "rejected": " <eos>3"}], Preference(), loss="dpo")
    assert train.prefer(made)["spelled"] == 1 and [pair.id for pair in took[1]] == ["a"]
    made, _ = context(ROWS, Training(), source="both")
    assert "spelled" not in train.fine_tune(made)
    made, _ = context([spelled], Training(), source="both")
    with pytest.raises(BranchEnds, match="every example spells"):
        train.fine_tune(made)


def test_of_a_quantised_base_it_is_said_that_nothing_was_compared(context, monkeypatch) -> None:
    replace_training(monkeypatch, lambda *_, **__: RESULT)
    made, _ = context(ROWS, Training(), source="both")
    assert "not_compared" not in train.fine_tune(made)
    made = replace(made, resources=Resources(model=models.find("w2s:tiny-weak#quantize=4bit")))
    assert train.fine_tune(made)["not_compared"] == train.UNCOMPARED


def test_of_a_pair_both_are_shown(context, monkeypatch) -> None:
    made, shown = context([PAIR], Preference(), loss="dpo")
    replace_training(monkeypatch, lambda *_, **__: RESULT)
    assert train.prefer(made)["first_example"]["rejected"] == " 3<eos>"
    assert "rejected" in shown[0]


def test_too_little_memory_is_one_message_that_names_what_helps(context, monkeypatch) -> None:
    import torch

    def lacks(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    made, _ = context(ROWS, Training(), source="both")
    replace_training(monkeypatch, lacks)
    with pytest.raises(UserError, match=r"(?s)too little memory.*micro_batch.*gradient_checkpointing.*lora.*sharding"):
        train.fine_tune(made)


def test_torch_s_own_refusal_on_a_cpu_is_recognised(context, monkeypatch) -> None:
    """2**60 numbers of 4 bytes are 4 EiB."""
    import torch

    made, _ = context(ROWS, Training(), source="both")
    replace_training(monkeypatch, lambda *_, **__: torch.empty(2**60))
    with pytest.raises(UserError, match="too little memory"):
        train.fine_tune(made)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("cuda", [False, True])
def test_the_gpu_is_given_back_after_a_training_that_failed_too(context, monkeypatch, fails: bool, cuda: bool) -> None:
    """A vLLM in another process asks for nine tenths of the device next; the model is in a cycle until collected."""
    import torch

    told: list[str] = []

    class Model:
        def __init__(self) -> None:
            self.own = self

        def __del__(self) -> None:
            told.append("model gone")

    def training(on_progress: Any) -> str:
        Model()
        told.append("trained")
        if fails:
            raise ValueError("broken")
        return "result"

    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: told.append("freed"))
    made, _ = context(ROWS, Training())
    with pytest.raises(ValueError, match="broken") if fails else nullcontext(), launch.training(training, made) as run:
        assert run() == "result"
    assert told == ["trained", "model gone", *(["freed"] if cuda else [])]


def test_what_a_training_on_ray_tells_is_the_step_s_progress_and_measures(context, monkeypatch) -> None:
    """Ray's part is played: it calls the function and passes on what it tells."""
    from w2s.flow import ray
    from w2s.training.history import measures

    told: list[Any] = []
    made, _ = context(ROWS, Training())
    made = replace(
        made,
        runtime=Runtime(launcher="ray"),
        progress=lambda done, total, tokens=0: told.append((done, total)),
        measure=lambda step, values: told.append((step, values)),
    )

    def training(number: int, on_progress: Any) -> int:
        on_progress(1, 2)
        measures.tell(1, {"loss": 0.5})
        return number

    def played(function: Any, arguments: Any, keywords: Any, runtime: Any, shared: Path, hear: Any) -> Any:
        return function(*arguments, tell=hear, **keywords)

    monkeypatch.setattr(ray, "train", played)
    with launch.training(training, made) as run:
        assert run(7) == 7
    assert told == [(1, 2), (1, {"loss": 0.5})]
