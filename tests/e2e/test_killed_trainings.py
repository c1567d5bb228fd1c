"""A training that is killed and started again ends in the bytes of an unbroken one.

One process imports torch, and forks one for each training: to import takes longer than to train.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from ports import free_ports

pytestmark = pytest.mark.slow

LORA = {"rank": 4, "dropout": 0.2}
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "sft": ("sft", {"weight_decay": 0.1}),
    "sft, LoRA": ("sft", {"lora": LORA}),
    "dpo": ("dpo", {"nll_weight": 0.5}),
    "dpo, LoRA": ("dpo", {"lora": {**LORA, "save": "adapter"}}),
}
"""Name -> loss and settings. Dropout needs the random state; DPO needs the reference and the fall of chosen texts."""
STEPS = 8
"""21 examples in batches of 8, two epochs and a half: 3 + 3 + 2."""
FSDP, DDP = {"sharding": "fsdp"}, {"sharding": "none"}

WORKER = """
import dataclasses, json, os, signal, sys, tempfile, traceback
from pathlib import Path
import torch
torch.set_num_threads(1)
from w2s import cli
from w2s.config.schema import Preference, Runtime, Training
from w2s.data import disk
from w2s.records import Example, Preference as Pair
from w2s.training import preference, saver, sft
from w2s.training.loop import Trainer
from w2s.training.setup import Setup

pairs = [
    Pair(f"{i:02d}", f"A question has {i} and {7 * i % 10}." + " It is an answer." * (i % 3) + "\\n",
         f" {i} + {7 * i % 10} = {i + 7 * i % 10}." * (1 + i % 2), f" {i + 7 * i % 10 + 1} apples.")
    for i in range(21)
]
counts = {"steps": 0, "moves": 0}
backward, move = Trainer._backward, disk.move

def die(number):
    os.kill(os.getpid(), number)

def train(job):
    told = []
    if "command" in job:
        def counted(*arguments):
            counts["steps"] += 1
            if counts["steps"] == job["stop"]:
                die(signal.SIGTERM)
            return backward(*arguments)
        Trainer._backward = counted
        return cli.main(job["command"])
    saver.Saver._due = lambda self: self._team.rank == 0  # every step
    def moved(source, place):
        counts["moves"] += 1
        if counts["moves"] == job["kill_in_save"]:
            die(signal.SIGKILL)
        move(source, place)
    disk.move = moved
    def on_progress(done, total):
        told.append((done, total))
        if done == job["kill"] and len(told) > 1:
            die(signal.SIGKILL)
    kind = Training if job["loss"] == "sft" else Preference
    base = {"learning_rate": 1e-3, "epochs": 2.5, "batch_size": 8, "warmup_ratio": 0.2, "max_chosen_drop": None}
    config = kind.model_validate({name: value for name, value in (base | job["settings"]).items()
                                  if name in kind.model_fields})
    out, state = Path(job["out"]), job["state"] and Path(job["state"])
    setup = Setup(seed=3, runtime=Runtime(device="cpu", micro_batch=2, **job["runtime"]), state=state)
    if job["loss"] == "sft":
        examples = [Example(pair.id, pair.prompt, pair.chosen) for pair in pairs]
        result = sft.train(Path(job["model"]), examples, out, config, setup, on_progress=on_progress)
    else:
        result = preference.train(Path(job["model"]), pairs, out, config, setup, job["loss"], on_progress=on_progress)
    if os.environ["RANK"] == "0":
        content = {"result": dataclasses.asdict(result) | {"seconds": 0}, "told": told}
        Path(f"{out}.json").write_text(json.dumps(content))
    return 0

def import_all(model):
    # What a training imports, so that no child has to. No backward pass: with a GPU its threads forbid to fork.
    Trainer._backward = lambda *_: (1.0, 0.0, 0.0)
    config = Training(epochs=1, lora={"rank": 1})
    with tempfile.TemporaryDirectory() as out:
        setup = Setup(runtime=Runtime(device="cpu"))
        sft.train(Path(model), [Example("a", "A question", " 4")], Path(out), config, setup)
    Trainer._backward = backward

jobs, codes = json.load(sys.stdin), []
import_all(jobs[0]["model"])
for job in jobs:
    children = []
    for rank in range(job["processes"]):
        child = os.fork()
        if child == 0:
            log = open(job["log"], "w")
            os.dup2(log.fileno(), 1), os.dup2(log.fileno(), 2)
            group = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": job["processes"], "MASTER_ADDR": "127.0.0.1",
                     "MASTER_PORT": job["port"]}
            os.environ |= {name: str(value) for name, value in group.items()}
            code = 1
            try:
                code = train(job)
            except BaseException:
                traceback.print_exc()
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(code)
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    codes.append([os.waitstatus_to_exitcode(status) for status in statuses])
print(json.dumps(codes))
"""


class Jobs:
    """Trainings one after the other; a kill is at the end of a step, before its state, or before a state's rename."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.jobs = folder, []
        self.model = tiny_models.make("llama", folder / "base", chat=False)

    def add(
        self,
        name: str,
        out: str,
        state: str | None = None,
        *,
        kill: int = 0,
        kill_in_save: int = 0,
        runtime: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        loss, own = SETTINGS[name]
        job = {"loss": loss, "settings": {**own, **settings}, "model": str(self.model), "out": str(self.folder / out)}
        job |= {"state": state and str(self.folder / state), "kill": kill, "kill_in_save": kill_in_save}
        self._add(job, runtime)

    def command(self, *arguments: str, stop: int) -> None:
        self._add({"command": list(arguments), "stop": stop, "model": str(self.model)})

    def _add(self, job: dict[str, Any], runtime: dict[str, Any] | None = None) -> None:
        job |= {"runtime": runtime or {}, "processes": 1 if runtime is None else 2, "port": 0}
        self.jobs.append({**job, "log": str(self.folder / f"log-{len(self.jobs)}")})

    def run(self) -> list[list[int]]:
        """The exit codes of each one's processes; -9: killed."""
        together = [job for job in self.jobs if job["processes"] > 1]
        for job, port in zip(together, free_ports(len(together)), strict=True):
            job["port"] = port
        done = subprocess.run(
            [sys.executable, "-c", WORKER], input=json.dumps(self.jobs), capture_output=True, text=True, env=os.environ
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def log(self, number: int) -> str:
        return (self.folder / f"log-{number}").read_text()

    def result(self, out: str) -> tuple[dict[str, Any], list[list[int]]]:
        content = json.loads((self.folder / f"{out}.json").read_text())
        return content["result"], content["told"]

    def files(self, out: str) -> dict[str, bytes]:
        place = self.folder / out
        return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


@pytest.mark.parametrize("settings", [pytest.param(["sft, LoRA", "dpo"]), pytest.param(["sft", "dpo, LoRA"])])
def test_killed_at_several_steps_a_training_ends_in_the_same_bytes(tmp_path: Path, settings: list[str]) -> None:
    """Killed at step 1, before any state; at 4, after 3 were saved; at 4 again; before the second state of the next
    one, which would have been 5, is in its place. So the last one begins at 4."""
    jobs, codes = Jobs(tmp_path), []
    for name in settings:
        jobs.add(name, f"{name}-whole")
        for how in ({"kill": 1}, {"kill": 4}, {"kill": 4}, {"kill_in_save": 2}, {}):
            jobs.add(name, f"{name}-killed", f"{name}-state", **how)
        codes += [[0], [-9], [-9], [-9], [-9], [0]]
    assert jobs.run() == codes
    for name in settings:
        (whole, fresh), (killed, resumed) = jobs.result(f"{name}-whole"), jobs.result(f"{name}-killed")
        assert whole == killed and len(set(whole["curve"])) >= STEPS - 1  # the first step may only warm up
        assert fresh == [[n, STEPS] for n in range(STEPS + 1)] and resumed == [[n, STEPS] for n in range(4, STEPS + 1)]
        assert jobs.files(f"{name}-whole") == jobs.files(f"{name}-killed")


@pytest.mark.nightly
def test_over_two_processes_too(tmp_path: Path) -> None:
    """Under FSDP and not; and one process goes on from what two saved, with other last bits."""
    jobs = Jobs(tmp_path)
    for name, runtime, settings in (("fsdp", FSDP, "sft, LoRA"), ("ddp", DDP, "dpo")):
        jobs.add(settings, f"{name}-whole", runtime=runtime)
        jobs.add(settings, f"{name}-killed", f"{name}-state", kill=4, runtime=runtime)
        jobs.add(settings, f"{name}-killed", f"{name}-state", kill=6, runtime=runtime)
        jobs.add(settings, f"{name}-killed", f"{name}-state", runtime=runtime)
    jobs.add("dpo", "alone", "ddp-state")
    codes = jobs.run()
    assert [code[0] for code in codes] == [0, -9, -9, 0, 0, -9, -9, 0, 0]
    for name in ("fsdp", "ddp"):
        (whole, _), (killed, resumed) = jobs.result(f"{name}-whole"), jobs.result(f"{name}-killed")
        assert whole == killed and resumed[0] == [5, STEPS]
        assert jobs.files(f"{name}-whole") == jobs.files(f"{name}-killed")
    alone, told = jobs.result("alone")
    assert told == [[STEPS, STEPS]] and alone["curve"] == jobs.result("ddp-whole")[0]["curve"]


def test_a_damaged_state_is_not_used_nor_one_of_other_settings(tmp_path: Path) -> None:
    """The state before it is: killed at 4, states 2 and 3 are there."""
    jobs = Jobs(tmp_path)
    jobs.add("sft", "whole")
    jobs.add("sft", "killed", "state", kill=4)
    jobs.add("sft", "other", learning_rate=2e-3)
    assert jobs.run() == [[0], [-9], [0]]
    states = sorted(path.name for path in (tmp_path / "state").iterdir())
    assert states == ["state-000000002", "state-000000003"]
    tensors = tmp_path / "state" / states[-1] / "tensors-00000.safetensors"
    content = bytearray(tensors.read_bytes())
    content[-5] ^= 1
    tensors.write_bytes(content)

    jobs.jobs.clear()
    jobs.add("sft", "killed", "state")
    jobs.add("sft", "foreign", "state", learning_rate=2e-3)
    assert jobs.run() == [[0], [0]]
    assert jobs.result("killed")[1][0] == [2, STEPS] and jobs.files("killed") == jobs.files("whole")
    assert jobs.log(0).count("is not used") == 1 and "other content); it goes on from step 2" in jobs.log(0)
    assert jobs.result("foreign")[1][0] == [0, STEPS] and jobs.files("foreign") == jobs.files("other")
    assert jobs.log(1).count("is not used") == 1 and "another training); it starts from step 0" in jobs.log(1)


def test_a_stopped_command_saves_its_step_and_goes_on(tmp_path: Path) -> None:
    """SIGTERM in the midst of step 3 of 6: three are done. Nothing else is due in the default ten minutes."""
    jobs, data = Jobs(tmp_path), tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps({"prompt": f"{i} and", "completion": f" {i}"}) + "\n" for i in range(12)))
    settings = ("learning_rate=1e-3", "batch_size=4", "epochs=2", "runtime.device=cpu", "runtime.threads=1")
    for out, stop in (("whole", 0), ("out", 3), ("out", 0)):
        out = str(tmp_path / out)
        jobs.command("train", "--model", str(jobs.model), "--data", str(data), "--out", out, *settings, stop=stop)
    assert jobs.run() == [[0], [143], [0]]
    assert "w2s: stopped; the same command goes on" in jobs.log(1) and "Traceback" not in jobs.log(1)
    assert "resumes at step 3 of 6" in jobs.log(2) and "resumes" not in jobs.log(0) + jobs.log(1)
    assert jobs.files("out") == jobs.files("whole")
    assert not list(tmp_path.glob(".*"))
