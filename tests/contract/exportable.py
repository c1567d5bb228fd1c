"""A finished run that can be exported, with results by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from w2s import models
from w2s.config import load
from w2s.config.schema import Runtime
from w2s.flow import runner
from w2s.flow.step import Step
from w2s.models import files

PAIR = {
    "id": 1, "prompt": "Question: 1+1?\nAnswer:", "chosen": " 2", "rejected": " 3", "weak_role": "chosen",
    "confidence": 0.75,
}  # fmt: skip
ROW = {"id": 1, "source": "weak", "prompt": "Question: 1+1?\nAnswer:", "completion": " 2", "prediction": "2"}


def _model(context: Any) -> dict[str, Any]:
    """The shipped strong model, in float32 as trainings write it."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(models.ASSETS / "tiny-strong", context.output)
    weights = context.output / "model.safetensors"
    save_file({name: tensor.float() for name, tensor in load_file(weights).items()}, weights, {"format": "pt"})
    if template := context.params.get("template"):
        (context.output / "chat_template.jinja").write_text(template)
        config = context.output / "tokenizer_config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"eos_token": "<eos>"}))
    return {}


def _adapter(context: Any) -> dict[str, Any]:
    """Rank 1 on the first query projection of the shipped strong model: B is zero but for one 0.5, A is all ones."""
    import numpy
    from safetensors.numpy import save_file

    name = "model.layers.0.self_attn.q_proj"
    size = files.read_json(models.ASSETS / "tiny-strong/config.json")["hidden_size"]
    up, down = numpy.zeros((size, 1), numpy.float32), numpy.ones((1, size), numpy.float32)
    up[3, 0] = 0.5
    context.output.mkdir()
    weights = {f"base_model.model.{name}.lora_A.weight": down, f"base_model.model.{name}.lora_B.weight": up}
    save_file(weights, context.output / "adapter_model.safetensors")
    config = {
        "base_model_name_or_path": context.params["base"], "r": 1, "lora_alpha": 1, "target_modules": ["q_proj"],
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "layers_to_transform": [0],
    }  # fmt: skip
    (context.output / "adapter_config.json").write_text(json.dumps(config))
    return {}


def _rows(context: Any) -> dict[str, Any]:
    context.output.write_text("".join(json.dumps(row) + "\n" for row in context.params["rows"]))
    return {}


def figures(right: int) -> dict[str, Any]:
    return {"accuracy": right / 10, "ci95": [0.05, 0.9], "correct": right, "n": 10, "pgr": None, "pgr_ci95": None}


RESULTS: dict[str, Any] = {
    "name": "tiny", "task": "gsm8k", "seed": 3, "finished": True, "n_test": 10, "damage": [],
    "caveats": ["one seed (3)"], "versions": {"w2s": "0.1.0"},
    "models": {
        "weak_floor": figures(2), "m_plus": {**figures(6), "what": "Stage I", "pgr": 0.5, "pgr_ci95": [0.1, 0.9]},
        "strong_ceiling": figures(9), "control_strong_only": figures(5),
    },
    "strategies": {"weak_to_strong": {"model": "m_plus", "control": "control_strong_only"}},
    "paired": {"m_plus vs weak_floor": {"difference": 0.4, "ci95": [0.1, 0.7], "mcnemar_p": 0.125}},
    "selection": {
        "stage1_iter2": {"kept": 1, "of": 4, "precision": 0.5, "precision_ci95": [0.1, 0.9], "what": "Stage I.2"},
        "stage2_pairs": {"kept": 1, "of": 4, "precision": None},
        "control_stage2_pairs": {"kept": 0, "of": 4},
    },
}  # fmt: skip


TEMPLATE = (
    "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{{ eos_token if m['role'] == 'assistant' else '' }}"
    "{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
)


def made(folder: Path, base: str, *overrides: str) -> Path:
    """A run's folder: a model, an adapter on `base`, training rows, and results by hand."""
    steps = [
        Step(
            "m_plus",
            _model,
            {"template": TEMPLATE if "prompt=chat" in overrides else None},
            output="models/m_plus",
            kind="train",
        ),
        Step("m_pro_dpo", _adapter, {"base": base}, output="models/m_pro_dpo", kind="train"),
        Step("stage1_iter2", _rows, {"rows": [ROW]}, output="data/stage1_iter2.jsonl", kind="data"),
        Step("stage2_pairs", _rows, {"rows": [PAIR]}, output="data/stage2_pairs.jsonl", kind="data"),
    ]
    runner.run(steps, folder, Runtime(progress=False))
    (folder / "recipe.yaml").write_text(load.dump(load.load("tiny", list(overrides))))
    (folder / "results.json").write_text(json.dumps(RESULTS))
    return folder


def front(card: str) -> dict[str, Any]:
    """The hub's part of a card."""
    return yaml.safe_load(card.split("---\n")[1])
