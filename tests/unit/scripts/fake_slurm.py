"""A scheduler of one node for tests, as `sbatch` and as `scontrol` in PATH: tasks of an array run one after another.

`sbatch` refuses options that Slurm does not have. Once a task's program has made the file `running`, its time is up:
the script gets the signal that it asked for. A task that was queued again runs once more. FAKE_SLURM: a folder for it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

KNOWN = {"job-name", "gres", "cpus-per-task", "mem", "time", "signal", "requeue", "open-mode", "output", "array"}
FOLDER = Path(os.environ["FAKE_SLURM"])


def options(words: list[str]) -> dict[str, str]:
    found = dict(word.removeprefix("--").partition("=")[::2] for word in words)
    unknown = found.keys() - KNOWN - {"parsable"}
    if unknown:
        raise SystemExit(f"sbatch: unrecognized option {unknown}")
    return found


def sbatch(words: list[str]) -> int:
    given = [word for word in words if word.startswith("--")]
    script, *arguments = [word for word in words if not word.startswith("--")]
    text = Path(script).read_text(encoding="utf-8")
    asked = options([*re.findall(r"^#SBATCH (\S+)$", text, re.MULTILINE), *given])
    first, _, last = asked["array"].partition("-")
    codes = [task(script, arguments, asked, number) for number in range(int(first), int(last or first) + 1)]
    print("77")
    return max(codes)


def task(script: str, arguments: list[str], asked: dict[str, str], number: int) -> int:
    ours = {"SLURM_ARRAY_JOB_ID": "77", "SLURM_ARRAY_TASK_ID": str(number), "SLURM_SUBMIT_DIR": os.getcwd()}
    queued, running = FOLDER / f"requeued-77_{number}", FOLDER / "running"
    while True:
        queued.unlink(missing_ok=True)
        with (FOLDER / f"log-{number}").open("a") as log:
            job = subprocess.Popen(["bash", script, *arguments], env={**os.environ, **ours}, stdout=log, stderr=log)
            while job.poll() is None:
                if running.exists():
                    running.unlink()
                    assert re.fullmatch(r"B:USR1@\d+", asked["signal"])
                    job.send_signal(signal.SIGUSR1)
                time.sleep(0.01)
        if not queued.exists():
            return job.returncode
        assert "requeue" in asked


def scontrol(words: list[str]) -> int:
    command, name = words
    assert command == "requeue"
    (FOLDER / f"requeued-{name}").touch()
    return 0


if __name__ == "__main__":
    raise SystemExit({"sbatch": sbatch, "scontrol": scontrol}[sys.argv[1]](sys.argv[2:]))
