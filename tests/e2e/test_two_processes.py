"""One training on one process, in many passes, and on two processes (gloo): the same losses and the same weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from ports import free_ports
from safetensors.torch import load_file

from w2s.models import parity, resolve

pytestmark = pytest.mark.slow

LORA = {"lora": {"rank": 4}, "learning_rate": 1e-3}
NLL = {"nll_weight": 0.5, "weight_decay": 0.1}
SETTINGS = {
    "sft": ("sft", {}),
    "dpo": ("dpo", NLL),
    "orpo": ("orpo", {}),
    "sft, LoRA": ("sft", LORA),
    "dpo, LoRA": ("dpo", LORA),
    "sft, adapter": ("sft", {**LORA, "lora": {"rank": 4, "save": "adapter"}}),
    "dpo, from that adapter": ("dpo", {**LORA, "lora": {"rank": 4, "save": "adapter"}}),
}
"""Name -> loss and settings. One goes on from what the one before it made in the same layout."""
LAYOUTS: dict[str, tuple[int, dict[str, Any]]] = {
    "8": (1, {}),
    "1x8": (1, {"micro_batch": 1, "gradient_checkpointing": True}),
    "2 processes": (2, {}),
    "2 processes, 1x4": (2, {"micro_batch": 1, "gradient_checkpointing": True}),
    "FSDP, 2x2": (2, {"sharding": "fsdp", "micro_batch": 2, "gradient_checkpointing": True}),
}
"""Name -> number of processes and runtime."""
PUSHED = {"8", "2 processes", "FSDP, 2x2"}, {"sft, adapter", "dpo, from that adapter", "dpo"}
"""The layouts and settings of a push; the others are trained at night."""


def some(names: Iterable[str], pushed: set[str]) -> list[Any]:
    return [pytest.param(name, marks=() if name in pushed else pytest.mark.nightly) for name in names]


WORKER = """
import dataclasses, json, os, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from w2s.config.schema import Preference, Runtime
from w2s.records import Example, Preference as Pair
from w2s.training import checkpoint, preference, sft
from w2s.training.setup import Setup

loads, load_model = [], checkpoint.load_model
checkpoint.load_model = lambda *args, **keywords: loads.append(1) or load_model(*args, **keywords)
pairs = [
    Pair(f"{i:02d}", f"Tom has {i} apples and buys {7 * i % 10}." + " Then he rests." * (i % 3) + "\\n",
         f" {i} + {7 * i % 10} = {i + 7 * i % 10}." * (1 + i % 2), f" {i + 7 * i % 10 + 1} apples.")
    for i in range(21)
]
results = []
for port, model, out, loss, runtime, settings in json.load(sys.stdin):
    os.environ["MASTER_PORT"] = str(port)
    config = Preference.model_validate({"learning_rate": 1e-4, "epochs": 2, "batch_size": 8} | settings)
    told = []
    loads.clear()
    setup = Setup(seed=3, runtime=Runtime(device="cpu", **runtime))
    on_progress = lambda *step: told.append(step)
    if loss == "sft":
        examples = [Example(pair.id, pair.prompt, pair.chosen) for pair in pairs]
        result = sft.train(Path(model), examples, Path(out), config, setup, on_progress=on_progress)
    else:
        result = preference.train(Path(model), pairs, Path(out), config, setup, loss, on_progress=on_progress)
    form = "adapter_model" if (settings.get("lora") or {}).get("save") == "adapter" else "model"
    assert Path(out, f"{form}.safetensors").is_file()
    results.append(dataclasses.asdict(result) | {"told": told, "loads": len(loads)})
print(json.dumps(results))
"""


def wait(workers: list[subprocess.Popen[str]], outputs: list[Path]) -> list[str]:
    """What the processes print, when all have ended; where one fails, the others would wait for it for ever."""
    try:
        while any(worker.poll() is None for worker in workers):
            if any(worker.poll() for worker in workers):
                break
            time.sleep(0.1)
    finally:
        for worker in workers:
            worker.kill()
    texts = [output.read_text() for output in outputs]
    assert [worker.wait() for worker in workers] == [0, 0, 0], "\n\n".join(text[-3000:] for text in texts)
    return [text.splitlines()[-1] for text in texts]


@pytest.fixture(scope="module")
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], tuple[list[dict], dict, Path]]:
    """(layout, settings) -> results of all processes, the weights and the folder. Each does one after the other."""
    jobs: dict[int, list[list]] = {1: [], 2: []}
    folders = {}
    layouts, names = (set(LAYOUTS), set(SETTINGS)) if request.config.getoption("nightly") else PUSHED
    ports = iter(free_ports(len(layouts) * len(names)))
    for layout, (processes, runtime) in LAYOUTS.items():
        for name, (loss, settings) in SETTINGS.items():
            if layout not in layouts or name not in names:
                continue
            folders[layout, name] = out = tmp_path_factory.mktemp("trained")
            before = folders.get((layout, "sft, adapter"))
            model = str(before) if name == "dpo, from that adapter" else resolve("w2s:tiny-strong").path_or_id
            jobs[processes].append([next(ports), model, str(out), loss, runtime, settings])
    workers, outputs = [], []
    for processes, rank in ((1, 0), (2, 0), (2, 1)):
        group = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "MASTER_ADDR": "127.0.0.1"}
        outputs.append(tmp_path_factory.mktemp("worker") / "output")
        with open(outputs[-1], "w") as output:
            worker = subprocess.Popen(
                [sys.executable, "-c", WORKER],
                env=os.environ | {name: str(value) for name, value in group.items()},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        assert worker.stdin is not None
        worker.stdin.write(json.dumps(jobs[processes]))
        worker.stdin.close()
        workers.append(worker)
    alone, first, second = (json.loads(line) for line in wait(workers, outputs))
    found = {}
    for (layout, name), folder in folders.items():
        results = [alone.pop(0)] if LAYOUTS[layout][0] == 1 else [first.pop(0), second.pop(0)]
        (weights,) = Path(folder).glob("*.safetensors")
        found[layout, name] = results, load_file(weights), folder
    return found


@pytest.mark.parametrize("layout", some(list(LAYOUTS)[1:], PUSHED[0]))
@pytest.mark.parametrize("name", some(SETTINGS, PUSHED[1]))
def test_however_a_batch_is_shared_the_training_is_the_same(trained, layout, name):
    """21 examples in batches of 8: the last one has 5, so 3 and 2 for two processes, and one of them ends before.

    float32, no dropout. Adam divides by the size of the gradient, so rounding shows in the weights where it is near 0.
    """
    ((expected,), weights, _), (results, found, _) = trained["8", name], trained[layout, name]
    assert expected["steps"] == 6
    assert expected["curve"][0] != pytest.approx(expected["curve"][-1], rel=1e-3)
    for result in results:
        assert result["curve"] == pytest.approx(expected["curve"], abs=1e-5)
        assert {key: result[key] for key in ("steps", "examples", "tokens")} == {
            key: expected[key] for key in ("steps", "examples", "tokens")
        }
        if expected["margin_first"] is not None:
            for key in ("chosen_logp_first", "chosen_logp_last", "margin_first", "margin_last", "chosen_drop_most"):
                assert result[key] == pytest.approx(expected[key], rel=1e-5, abs=1e-4), key
    assert [len(result["told"]) for result in results] == [7, 0][: len(results)]
    assert found.keys() == weights.keys()
    for key, tensor in weights.items():
        torch.testing.assert_close(found[key], tensor, rtol=0, atol=5e-5, msg=lambda text, key=key: f"{key}: {text}")


def test_under_fsdp_only_the_first_process_ever_holds_the_whole_model(trained):
    """It loads it to start from, and once more to put the trained weights in, unless only an adapter is written.

    What adapters became is read again.
    """
    for name in {name for _, name in trained}:
        settings = SETTINGS[name][1]
        again = int("lora" in settings)
        whole = int((settings.get("lora") or {}).get("save") != "adapter")
        assert [result["loads"] for result in trained["FSDP, 2x2", name][0]] == [1 + whole + again, 0]
        assert [result["loads"] for result in trained["2 processes", name][0]] == [1 + again, 1 + again]


@pytest.mark.parametrize("layout", some(list(LAYOUTS)[1:], PUSHED[0]))
@pytest.mark.parametrize("name", some([name for name in SETTINGS if "lora" in SETTINGS[name][1]], PUSHED[1]))
def test_what_the_trained_model_says_is_kept_alike(trained, layout, name):
    """By the first process, whoever asked which prompt: 21 different ones."""
    kept, expected = parity.read(trained[layout, name][2]), parity.read(trained["8", name][2])
    assert kept == expected and len(kept.prompts) == 21
