"""A training of TRL that is killed and started again goes on from its last whole checkpoint, to the same bytes.

One process imports torch and TRL, and forks one for each training: to import takes longer than to train.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_models

pytest.importorskip("trl")
pytestmark = pytest.mark.slow

STEPS = 8
"""21 examples in batches of 8, two epochs and a half: 3 + 3 + 2."""
LORA = {"rank": 4, "dropout": 0.2}
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "sft, LoRA": ("sft", {"lora": LORA}),
    "sft": ("sft", {"weight_decay": 0.1}),
    "dpo": ("dpo", {"nll_weight": 0.5}),
    "dpo, LoRA": ("dpo", {"lora": {**LORA, "save": "adapter"}}),
    "orpo": ("orpo", {"max_chosen_drop": None}),
}
"""Dropout needs the random states; DPO its reference, which with LoRA is an adapter beside the trained one."""

WORKER = """
import dataclasses, json, os, signal, sys, traceback
from pathlib import Path
import torch
torch.set_num_threads(1)
from w2s.config.schema import Preference, Runtime, Training, Trl
from w2s.records import Example, Preference as Pair
from w2s.training import trainers, trl_states
from w2s.training.setup import Setup

functions = {kind: trainers.load("trl", kind) for kind in ("sft", "preference")}
pairs = [
    Pair(f"{i:02d}", f"A question has {i} and {7 * i % 10}." + " It is an answer." * (i % 3) + "\\n",
         f" {i} + {7 * i % 10} = {i + 7 * i % 10}." * (1 + i % 2), f" {i + 7 * i % 10 + 1} apples.")
    for i in range(21)
]

def train(job):
    told, marked = [], []
    mark = trl_states.Watch._mark
    def marking(self):
        marked.append(1)
        if len(marked) == job["kill_in_save"]:
            os.kill(os.getpid(), signal.SIGKILL)
        mark(self)
        if len(marked) == job["kill_after_save"]:
            os.kill(os.getpid(), signal.SIGKILL)
    trl_states.Watch._mark = marking
    def on_progress(done, total):
        told.append((done, total))
        if done == job["stop"] and len(told) > 1:
            os.kill(os.getpid(), job["signal"])
    kind = Training if job["loss"] == "sft" else Preference
    given = {"learning_rate": 1e-3, "epochs": 2.5, "batch_size": 8, "warmup_ratio": 0.2} | job["settings"]
    runtime = Runtime(device="cpu", micro_batch=4, save_minutes=job["minutes"])
    setup = Setup(seed=3, runtime=runtime, state=Path(job["state"]), trl=Trl())
    arguments = [Path(job["out"]), kind(**given), setup]
    if job["loss"] == "sft":
        examples = [Example(pair.id, pair.prompt, pair.chosen) for pair in pairs]
        result = functions["sft"](Path(job["model"]), examples, *arguments, on_progress=on_progress)
    else:
        result = functions["preference"](Path(job["model"]), pairs, *arguments, job["loss"], on_progress=on_progress)
    content = {"result": dataclasses.asdict(result) | {"seconds": 0}, "told": told}
    Path(job["out"] + ".json").write_text(json.dumps(content))

codes = []
for job in json.load(sys.stdin):
    child = os.fork()
    if child == 0:
        log, code = open(job["log"], "w"), 1
        os.dup2(log.fileno(), 1), os.dup2(log.fileno(), 2)
        try:
            train(job)
            code = 0
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(code)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(codes))
"""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "dpo, LoRA" else pytest.mark.nightly) for name in SETTINGS]
)
def test_a_killed_training_of_trl_ends_in_the_same_bytes(name: str, tmp_path: Path) -> None:
    """Killed at the end of step 6 (whole: 5), while the checkpoint of step 7 is written (whole: 6), and after that of
    the last step, in the middle of a pass."""
    loss, settings = SETTINGS[name]
    model = tiny_models.make("llama", tmp_path / "model", False)

    def job(out: str, state: str, **how: Any) -> dict[str, Any]:
        paths = {"model": str(model), "out": str(tmp_path / out), "state": str(tmp_path / state)}
        log = {"log": str(tmp_path / f"{out}-{len(jobs)}.log")}
        plain = {"stop": None, "signal": signal.SIGKILL, "kill_in_save": None, "kill_after_save": None, "minutes": 1e-9}
        return paths | log | {"loss": loss, "settings": settings} | plain | how

    jobs: list[dict[str, Any]] = []
    jobs += [job("whole", "none", minutes=0)]
    jobs += [job("again", "state", stop=6)]
    jobs += [job("again", "state", kill_in_save=2)]
    jobs += [job("again", "state", kill_after_save=2)]
    jobs += [job("again", "state")]
    jobs += [job("ended", "other", stop=4, signal=signal.SIGTERM)]
    jobs += [job("ended", "other")]
    done = subprocess.run(
        [sys.executable, "-c", WORKER], input=json.dumps(jobs), capture_output=True, text=True, env=os.environ
    )
    logs = "\n".join(Path(each["log"]).read_text()[-2000:] for each in jobs if Path(each["log"]).exists())
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [0, *[-signal.SIGKILL] * 3, 0, -signal.SIGTERM, 0], logs
    whole, again, ended = (json.loads((tmp_path / f"{out}.json").read_text()) for out in ("whole", "again", "ended"))
    assert [step for step, _ in whole["told"]] == [*range(STEPS + 1)]
    assert [step for step, _ in again["told"]] == [8], "7 was not finished: the third process saved it, and 8"
    assert ended["told"][0][0] == 4, "SIGTERM saves at the end of its step"
    assert whole["result"] == again["result"] == ended["result"]
    for out in ("again", "ended"):
        for file in (tmp_path / "whole").iterdir():
            assert file.read_bytes() == (tmp_path / out / file.name).read_bytes(), file.name
