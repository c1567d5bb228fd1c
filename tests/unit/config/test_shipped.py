"""The shipped presets: every value says where it comes from, and every preset can be planned from local files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from w2s import models, recipe
from w2s.config import load
from w2s.config.schema import FilesTask
from w2s.models import architecture

FOLDER = Path(load.__file__).parent / "presets"
FILES = sorted(FOLDER.glob("*.yaml"))
SOURCE = re.compile(r"# (paper\b|released (code|data|adapters)\b|release's README|ours, not in the paper)")
NO_RESULT = ("extends", "name", "runtime")
PAPER = [
    *(f"{task}-{weak}-to-llama2-70b" for task in ("gsm8k", "math") for weak in ("llama2-7b", "gemma-2b", "mistral-7b")),
    "olympicarena-llama3-8b-to-70b",
]


def leaves(node: yaml.Node, at: str = "") -> Iterator[tuple[str, int]]:
    """The path of every value in a recipe file, with its line from 0."""
    if not isinstance(node, yaml.MappingNode):
        yield at, node.start_mark.line
        return
    for key, value in node.value:
        yield from leaves(value, f"{at}.{key.value}".lstrip("."))


def unsourced(text: str) -> list[str]:
    """The values of a recipe file whose line does not say where they come from."""
    lines = text.splitlines()
    return [
        path
        for path, line in leaves(yaml.compose(text, yaml.SafeLoader))
        if path.partition(".")[0] not in NO_RESULT and not SOURCE.search(lines[line])
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_value_says_where_it_comes_from(file: Path) -> None:
    assert unsourced(file.read_text()) == []


def test_a_value_without_source_is_found() -> None:
    text = "seed: 3\ntraining:\n  epochs: 2 # ours, not in the paper\n  batch_size: 4 # why\nruntime: {threads: 2}\n"
    assert unsourced(text) == ["seed", "training.batch_size"]


@pytest.mark.parametrize("name", PAPER)
def test_a_paper_preset_says_how_it_is_launched_on_what_and_for_how_long(name: str) -> None:
    opening = (FOLDER / f"{name}.yaml").read_text().partition("\nextends:")[0].partition("\ntask:")[0]
    assert f"w2s run {name}" in opening
    assert "GPUs of 80 GB" in opening and "GPU-hours" in opening and "disk" in opening.casefold()
    assert len(load.describe(name)) < 130


@pytest.mark.parametrize("name", PAPER)
def test_a_paper_preset_has_the_paper_s_settings(name: str) -> None:
    run = load.load(name)
    made, task = run.recipe, run.recipe.task
    assert isinstance(task, FilesTask)
    assert task.name == name.partition("-")[0] == task.answer
    assert (made.few_shot.k, made.sampling.n, made.sampling.temperature, made.sampling.top_p) == (4, 10, 1.0, 1.0)
    assert (made.selection.confidence, made.selection.reject_confidence) == (0.6, 0.8)
    assert made.selection.max_pairs == (1 if task.name == "gsm8k" else 3)
    assert made.selection.match == ("equivalent" if task.name == "olympicarena" else "string")
    assert not made.sampling.adaptive
    assert made.max_new_tokens == (1024 if task.name == "gsm8k" else 2048)
    assert made.preference.losses == ("dpo", "orpo")
    assert made.training.lora is not None and made.training.lora.rank == 8
    assert made.engine == "vllm" and run.runtime.tensor_parallel == 4


@pytest.mark.parametrize("name", PAPER)
def test_the_disk_that_a_paper_preset_names_holds_what_it_writes(name: str) -> None:
    """Merged, Llama2-70b takes 4 x 68.98e9 bytes = 276 GB; adapters of rank 8 have 103,546,880 parameters = 0.4 GB.

    Those are 80 layers x 8 x the sum of (inputs + outputs) over q, k, v, o, gate, up and down: 16384 + 9216 + 9216 +
    16384 + 3 x 36864 = 161,792. Ten are trained at most. Llama3-70b has the same layers.
    """
    made = load.load(name).recipe
    assert made.training.lora is not None and made.preference.lora is not None
    assert made.training.lora.save == made.preference.lora.save == "adapter"
    strong = architecture.find(models.find(made.strong, may_be_missing=True))
    assert strong.adapter_parameters(made.training.lora) == 80 * 8 * 161_792 == 103_546_880
    whole = strong.weight_bytes("float32")
    assert whole is not None and whole == pytest.approx(282e9 if "llama3" in name else 276e9, rel=0.005)


def test_the_weak_and_strong_models_are_the_paper_s() -> None:
    found = {(load.load(name).recipe.weak, load.load(name).recipe.strong) for name in PAPER}
    strong = "meta-llama/Llama-2-70b-hf"
    assert found == {
        ("meta-llama/Llama-2-7b-hf", strong),
        ("google/gemma-2b", strong),
        ("mistralai/Mistral-7B-v0.1", strong),
        ("meta-llama/Meta-Llama-3-8B-Instruct", "meta-llama/Meta-Llama-3-70B"),
    }


@pytest.mark.parametrize("name", [name for name in load.names() if name.count("-") > 1])
def test_a_preset_is_planned_from_local_files_without_its_models(name: str, tmp_path: Path) -> None:
    overrides = ["runtime.offline=true"]
    for split in ("train_1", "train_2", "test"):
        rows = [{"id": f"{split}{n}", "question": f"{split} {n}?", "answer": str(n), "solution": "x"} for n in range(3)]
        file = tmp_path / f"{split}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        overrides.append(f"task.{split}={file}")
    steps = recipe.build(load.load(name, overrides), planning=True)
    assert {"m_plus", "m_pro_dpo", "m_pro_orpo"} <= {step.name for step in steps}


@pytest.mark.parametrize("name", PAPER)
def test_stage_1_is_augmented_where_the_released_sets_are(name: str) -> None:
    selection = load.load(name).recipe.selection
    target = {"math-gemma-2b-to-llama2-70b": 1000, "math-mistral-7b-to-llama2-70b": 2000}.get(name)
    assert selection.augment_to == target
    assert selection.augment == ("sampled" if target is None else "disagreeing")
