"""A generation step first compares the engine with the trained model: a shipped model with adapters on it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from step_params import params_of

from w2s import models, prompting
from w2s.config.schema import Lora, Runtime, Training
from w2s.data import jsonl
from w2s.engines.base import Decoding, Request
from w2s.engines.scripted import ScriptedEngine
from w2s.errors import UserError
from w2s.flow.step import Context
from w2s.models import adapters, parity
from w2s.records import Example
from w2s.steps import generate, launch
from w2s.steps.params import Resources
from w2s.training.setup import Setup

PARAMS = {
    "engine": "transformers", "dtype": "bfloat16", "trust_remote_code": False, "max_new_tokens": 4, "temperature": 0.0,
    "top_p": 1.0, "stop": (), "seed": 0, "n": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from w2s.training import sft

    folder = tmp_path_factory.mktemp("trained")
    examples = [
        Example(
            f"{i}", prompting.prompt(f"Tom has {i} apples. How many?"), prompting.completion(f"He has {i}\n#### {i}")
        )
        for i in range(12)
    ]
    config = Training(learning_rate=5e-3, epochs=4, batch_size=4, lora=Lora(save="adapter"))
    runtime = Runtime(device="cpu", offline=True)
    sft.train(models.folder("w2s:tiny-strong"), examples, folder, config, Setup(runtime=runtime))
    return folder


def answer(folder: Path, model: Path, **runtime: Any) -> dict[str, Any]:
    jsonl.write(folder / "questions.jsonl", [{"id": "a", "question": "Tom has 3 apples. How many?"}])
    (folder / "scratch").mkdir()
    context = Context(
        params=params_of(generate.answer, PARAMS),
        inputs={"questions": folder / "questions.jsonl", "model": model},
        results={},
        output=folder / "out.jsonl",
        scratch=folder / "scratch",
        runtime=Runtime(device="cpu", offline=True, **runtime),
        progress=lambda done, total, tokens=0: None,
        resources=Resources(),
    )
    return generate.answer(context)


def test_the_agreement_stands_in_the_result(tmp_path: Path, trained: Path) -> None:
    kept = parity.read(trained)
    assert kept is not None and len(kept.telling) >= parity.LEAST_TELLING
    found = answer(tmp_path, trained)["parity"]
    assert found["agreement"] > 0.8 and found["agreement_telling"] > 0.8 > found["base"]


def test_a_model_that_left_nothing_goes_without(tmp_path: Path) -> None:
    assert "parity" not in answer(tmp_path, models.folder("w2s:tiny-strong"))


def test_an_adapter_whose_scale_was_changed_is_refused_before_anything_is_drawn(tmp_path: Path, trained: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(trained, model)
    (model / adapters.CONFIG).write_text(json.dumps(adapters.read(model) | {"lora_alpha": 1}))
    with pytest.raises(UserError, match=r"(?s)scaled wrongly.*runtime\.check_engine=false"):
        answer(tmp_path, model)
    assert not (tmp_path / "out.jsonl").exists() and not list((tmp_path / "scratch").iterdir())


def test_the_base_served_in_the_place_of_the_model_is_refused_unless_the_check_is_off(
    tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = launch.engine

    def base(model: str, loading: Any) -> Any:
        return load("w2s:tiny-strong", loading)

    monkeypatch.setattr(launch, "engine", base)
    (tmp_path / "on").mkdir()
    with pytest.raises(UserError, match="adapter is lost"):
        answer(tmp_path / "on", trained)
    (tmp_path / "off").mkdir()
    assert "parity" not in answer(tmp_path / "off", trained, check_engine=False)


def test_too_little_memory_is_one_message_that_names_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(ScriptedEngine):
        def run(self, batch: Any, decoding: Decoding) -> Any:
            raise RuntimeError("torch.OutOfMemoryError: CUDA out of memory.")

    def say(request: Request, decoding: Decoding) -> str:
        return "x"

    monkeypatch.setattr(launch, "engine", lambda *_, **__: Full(say))
    with pytest.raises(UserError, match=r"(?s)too little memory.*bfloat16.*tensor_parallel"):
        answer(tmp_path, models.folder("w2s:tiny-strong"))


def test_a_context_too_short_for_the_demonstrations_is_refused_when_they_are_known(tmp_path: Path) -> None:
    """Weak ICL is the step after the demonstrations: nothing but the weak answers has been computed by then."""
    shots = [{"id": str(i), "question": "How many? " * 100, "response": "7 " * 300} for i in range(8)]
    jsonl.write(tmp_path / "shots.jsonl", shots)
    jsonl.write(tmp_path / "questions.jsonl", [{"id": "a", "question": "Tom has 3 apples. How many?"}])
    context = Context(
        params=params_of(generate.answer, PARAMS | {"dtype": "float32"}),
        inputs={"questions": tmp_path / "questions.jsonl", "demonstrations": tmp_path / "shots.jsonl"},
        results={},
        output=tmp_path / "out.jsonl",
        scratch=tmp_path,
        runtime=Runtime(device="cpu", offline=True),
        progress=lambda done, total, tokens=0: None,
        resources=Resources(model=models.find("w2s:tiny-strong")),
    )
    with pytest.raises(UserError, match=r"(?s)do not fit the model's context.*use fewer demonstrations"):
        generate.answer(context)
