"""TRL's own trainers take a step on what `agree`, `pairs` and `select` write."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from response_files import again, said, written

import w2s
from w2s import models

pytestmark = pytest.mark.slow
TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture(scope="module")
def trl() -> Any:
    return pytest.importorskip("trl")


def pieces(template: str | None) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(models.ASSETS / "tiny-strong")
    tokenizer.chat_template = template
    return AutoModelForCausalLM.from_pretrained(models.ASSETS / "tiny-strong", dtype="float32"), tokenizer


def loss(trainer: Any) -> float:
    return float(trainer.train().training_loss)


@pytest.mark.parametrize("format", ["trl", "messages"])
def test_trl_takes_a_step(trl: Any, tmp_path: Path, format: Any) -> None:
    """The loss of DPO before its first step is log 2: the model is its own reference."""
    import datasets

    weak = written(tmp_path / "weak.jsonl", *(said(n, 5) for n in (1, 2)))
    several = [said(n, answer, sample=k) for n in (1, 2) for k, answer in enumerate((5, 5, 5, 6))]
    samples = written(tmp_path / "samples.jsonl", *several)
    files = {verb: tmp_path / f"{verb}.jsonl" for verb in ("agree", "select", "pairs")}
    w2s.agree(weak, again(weak), files["agree"], task="gsm8k", format=format)
    w2s.select({"weak": weak}, files["select"], task="gsm8k", samples=samples, by="vote", format=format)
    w2s.pairs(weak, samples, files["pairs"], task="gsm8k", format=format)
    common: dict[str, Any] = {
        "output_dir": str(tmp_path / "out"), "max_steps": 1, "per_device_train_batch_size": 2, "report_to": [],
        "use_cpu": True, "save_strategy": "no", "bf16": False,
    }  # fmt: skip
    for verb, file in files.items():
        rows = datasets.load_dataset("json", data_files=str(file), split="train", cache_dir=str(tmp_path / "cache"))
        model, tokenizer = pieces(TEMPLATE if format == "messages" else None)
        if verb == "pairs":
            config = trl.DPOConfig(**common)
            trainer = trl.DPOTrainer(model=model, args=config, train_dataset=rows, processing_class=tokenizer)
            assert loss(trainer) == pytest.approx(math.log(2), abs=1e-3)
        else:
            trainer = trl.SFTTrainer(
                model=model, args=trl.SFTConfig(**common), train_dataset=rows, processing_class=tokenizer
            )
            assert 0 < loss(trainer) < 20
