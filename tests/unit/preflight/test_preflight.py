"""What is missing is known before anything is computed: through the command line, and on machines made by hand."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import w2s
from w2s import cli, models, preflight, recipe
from w2s.config import load
from w2s.costs import plan as costs
from w2s.preflight import machine
from w2s.preflight.machine import Gpu, Machine

SMALL = ["tiny", "task.train_1=5", "task.train_2=5", "task.test=5"]
ALL = {
    name: "99" for name in ("torch", "transformers", "peft", "safetensors", "vllm", "ray", "pandas", "pyarrow", "gguf")
}
HERE = Machine(versions=ALL, memory=64 * 2**30, free_memory=64 * 2**30, cpus=2)


def plan(folder: Path, *overrides: str, here: Machine = HERE) -> costs.Plan:
    prepared = recipe.prepare("tiny", [*SMALL[1:], *overrides], out=folder, planning=True)
    return preflight.examine(
        prepared.run, prepared.steps, costs.plan(prepared.run, prepared.steps, folder), folder, here
    )


def refusals(made: costs.Plan) -> list[str]:
    return [str(finding) for finding in made.findings if finding.refusal]


def without(monkeypatch: pytest.MonkeyPatch, *libraries: str) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name in libraries else find(name, *rest)
    )


def test_a_run_without_torch_stops_before_its_folder_changes(tmp_path: Path, monkeypatch, capsys) -> None:
    without(monkeypatch, "torch")
    said = "w2s: this needs torch, which is not installed\n  hint: pip install 'w2s-reasoning[train]'\n"
    for verb in ("run", "plan"):
        assert cli.main([verb, *SMALL, "--out", str(tmp_path / "run")]) == 2
        assert capsys.readouterr().err == said
    assert not (tmp_path / "run").exists()
    without(monkeypatch, "torch", "peft")
    with pytest.raises(w2s.UserError, match="this needs torch and peft, which are not installed"):
        w2s.train("w2s:tiny-weak", _rows(tmp_path), tmp_path / "model")


def _rows(folder: Path) -> Path:
    (folder / "rows.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    return folder / "rows.jsonl"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("strong=./nope", r"\[strong\]: there is no model './nope'"),
        ("models.teacher=nope.gguf", r"nope.gguf \[models.teacher\]: there is no such file"),
        ("weak=owner/name", r"\[weak\]: the model owner/name is not on this machine"),
        ("engine=vllm", r"\[engine\]: engine=vllm needs vllm, which is not installed"),
        ("runtime.device=cuda", r"\[runtime.device\]: there is no GPU that CUDA may use"),
    ],
)
def test_a_plan_and_a_run_refuse_alike(tmp_path: Path, monkeypatch, capsys, override: str, said: str) -> None:
    monkeypatch.setattr(machine, "_nvidia_smi", lambda: ("", None))
    without(monkeypatch, "vllm")
    arguments = [*SMALL, override, "runtime.offline=true", "--out", str(tmp_path / "run")]
    assert cli.main(["plan", *arguments]) == 2
    planned = capsys.readouterr()
    assert planned.out.startswith("missing   ") and "weak_floor" in planned.out  # the plan is printed all the same
    assert cli.main(["run", *arguments]) == 2
    for text in (planned.err, capsys.readouterr().err):
        assert len(re.findall(said, text)) == 1, text
    assert not (tmp_path / "run").exists()


def test_several_refusals_come_at_once_and_in_json(tmp_path: Path, monkeypatch, capsys) -> None:
    without(monkeypatch, "vllm")
    arguments = [*SMALL, "engine=vllm", "strong=./nope", "--out", str(tmp_path / "run")]
    assert cli.main(["plan", *arguments, "--json"]) == 2
    printed = capsys.readouterr()
    found = json.loads(printed.out)["findings"]
    assert [each["field"] for each in found if each["refusal"]] == ["strong", "engine"]
    assert printed.err.startswith("w2s: 2 things stand in the way:\n- [strong]: there is no model './nope'\n")


def test_a_finished_run_needs_nothing(tmp_path: Path) -> None:
    prepared = recipe.prepare("tiny", SMALL[1:], out=tmp_path)
    made = costs.plan(prepared.run, prepared.steps, tmp_path)
    reused = replace(made, steps=[replace(step, decision="reuse") for step in made.steps])
    assert preflight.examine(prepared.run, prepared.steps, reused, tmp_path, Machine()).findings == ()


def test_sampling_with_an_engine_that_is_not_here_stops_first(tmp_path: Path, monkeypatch) -> None:
    without(monkeypatch, "vllm")
    with pytest.raises(w2s.UserError, match="engine=vllm needs vllm, which is not installed"):
        w2s.sample("owner/not-here", "arith", "test", tmp_path / "out.jsonl", engine="vllm")


def test_a_file_or_a_read_only_folder_is_no_place_for_a_run(tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "file").write_text("mine")
    assert cli.main(["plan", *SMALL, "--out", str(tmp_path / "file")]) == 2
    assert "[--out]: cannot be written (it is a file)" in capsys.readouterr().err
    monkeypatch.setattr(machine.os, "access", lambda place, mode: False)
    assert cli.main(["run", *SMALL, "--out", str(tmp_path / "new")]) == 2
    assert f"no right to write to {tmp_path}" in capsys.readouterr().err and not (tmp_path / "new").exists()


def test_a_full_disk_is_refused_with_what_is_needed(tmp_path: Path, monkeypatch, capsys) -> None:
    """Models of the run: the weak one (1,525,056 parameters), 11 of the strong one (2,410,560), 4 bytes each: 112.2 MB.
    The last training has two saved states beside it, of 12 bytes per parameter: 57.9 MB. Responses are a few kB."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(10**9, 9 * 10**8, 10**8))
    assert 4 * (1_525_056 + 11 * 2_410_560) + 2 * 12 * 2_410_560 == 170_018_304
    assert cli.main(["run", *SMALL, "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert (
        "[--out]: 170 MB are written, and 100 MB are free on the disk of" in said and "(models: 11 of 9.64 MB" in said
    )
    assert not (tmp_path / "run").exists()
    adapters = [f"{part}.lora.{field}" for part in ("training", "preference") for field in ("rank=2", "save=adapter")]
    assert cli.main(["plan", *SMALL, *adapters, "--out", str(tmp_path / "run")]) == 0


def test_the_answer_of_a_plan_comes_first(tmp_path: Path, monkeypatch, capsys) -> None:
    assert cli.main(["plan", *SMALL, "--out", str(tmp_path / "run")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["missing", "disk", "memory", "time"]
    assert lines[0] == "missing   nothing" and lines[1].startswith("disk      170 MB at most, ")


def test_a_supposed_size_is_noted_and_refuses_nothing(tmp_path: Path) -> None:
    made = w2s.plan(*SMALL, out=tmp_path, assumptions=costs.Assumptions(parameters={"strong": 9e12}))
    said = [finding.problem for finding in made.findings if "needs at least" in finding.problem]
    assert said and not any(finding.refusal for finding in made.findings)


def test_a_model_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """Full training takes 16 bytes per parameter: 38.6 MB for the strong model, 24.4 MB for the weak one."""
    little = replace(HERE, memory=30_000_000, free_memory=30_000_000)
    (said,) = refusals(plan(tmp_path, here=little))
    assert said.startswith("[strong]: training with the strong model needs at least 0.0 GiB of memory")
    assert not refusals(plan(tmp_path, here=replace(little, memory=38_568_960)))
    assert len(refusals(plan(tmp_path, here=replace(little, memory=38_568_959)))) == 1


def test_servers_and_scripts_have_no_weights_to_train(tmp_path: Path) -> None:
    said = refusals(plan(tmp_path, "strong=openai:served"))
    assert said == [
        "[strong]: openai:served has no weights here, and engine=transformers loads them\n"
        "  hint: give a model with weights, and engine=transformers or vllm"
    ]
    said = refusals(plan(tmp_path, "weak=scripted:a:b", "strong=scripted:a:c", "engine=scripted"))
    assert [text.split(":")[0] for text in said] == ["[weak]", "[engine]", "[strong]"]
    assert "[weak]: scripted:a:b has no weights here, and weak_floor is trained from it" in said[0]


def test_a_cut_model_takes_room_in_the_cache(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("W2S_CACHE", str(tmp_path / "cache"))
    assert cli.main(["plan", *SMALL, "weak=w2s:tiny-strong#layers=0,1", "--out", str(tmp_path / "run")]) == 0
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", load.names())
def test_presets_say_what_a_bare_machine_lacks(name: str) -> None:
    run = load.load(name)
    found = {field: models.find(getattr(run.recipe, field), offline=True) for field in ("weak", "strong")}
    said = preflight.of_job(preflight.Job(run.recipe.engine, True, run.runtime, found), Machine())
    assert said[0].refusal and said[0].hint == "pip install 'w2s-reasoning[train]'"
    ready = replace(HERE, cpus=64, gpus=(Gpu("A", 80 * 2**30, 79 * 2**30),) * 8, driver_cuda="13.0", torch_cuda="12.8")
    assert not preflight.of_job(preflight.Job(run.recipe.engine, True, run.runtime, found), ready)


def test_looking_at_a_machine_without_nvidia_smi(monkeypatch) -> None:
    def absent(*arguments: Any, **options: Any) -> None:
        raise FileNotFoundError("nvidia-smi")

    monkeypatch.setattr(subprocess, "run", absent)
    here = machine.look()
    assert here.gpus == () and here.driver_cuda is None and "torch" in here.versions
    assert here.memory is not None and here.free_memory is not None and 0 < here.free_memory <= here.memory
