"""A training of TRL on several processes, as an accelerate config says: `accelerate launch` of this module."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from w2s.config import schema as configs
from w2s.errors import UserError
from w2s.records import Example, Preference
from w2s.training import trainers
from w2s.training.history import TrainResult, measures
from w2s.training.loop import OnProgress
from w2s.training.setup import Setup

_INSIDE = "W2S_LAUNCHED"
_TOLD = "w2s-told "
"""In front of JSON: its kind, "progress" or "measure", and values."""
_LINES = 20
"""Of a failed training's output, in its message."""


def needed(runtime: configs.Runtime) -> bool:
    """Whether this process is to start others."""
    return runtime.accelerate is not None and _INSIDE not in os.environ


def run(
    loss: str,
    base: Path,
    examples: Sequence[Example] | Sequence[Preference],
    out: Path,
    config: configs.Training,
    setup: Setup,
    on_progress: OnProgress | None,
) -> TrainResult:
    """As `trl.fine_tune` (loss "sft") or `trl.prefer`, in processes of accelerate.

    Raises:
        UserError: as these.
        RuntimeError: the processes failed; with the end of their output.
    """
    with tempfile.TemporaryDirectory() as folder:
        job, result = Path(folder) / "job.json", Path(folder) / "result.json"
        trl = (setup.trl or configs.Trl()).model_dump(mode="json")
        content = {
            "loss": loss,
            "paths": [str(base), str(out), None if setup.state is None else str(setup.state), str(result)],
            "examples": [asdict(example) for example in examples],
            "config": config.model_dump(mode="json"),
            "setup": [setup.seed, setup.dtype, setup.runtime.model_dump(mode="json"), trl],
        }
        job.write_text(json.dumps(content), encoding="utf-8")
        launch = ["-m", "accelerate.commands.launch", "--config_file", str(setup.runtime.accelerate)]
        command = [sys.executable, *launch, "-m", "w2s.training.trl_launch", str(job)]
        environment = {**os.environ, _INSIDE: str(os.getpid())}
        lines: list[str] = []
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environment
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if (told := _read(line)) is None:
                    lines = [*lines, line.rstrip()][-_LINES:]
                elif told[0] == "measure":
                    measures.tell(*told[1:])
                elif on_progress is not None:
                    on_progress(*told[1:])
            code = process.wait()
        finally:
            process.terminate()  # nothing where it has ended; else accelerate stops its processes
            process.wait()
        answer = json.loads(result.read_bytes()) if result.is_file() else {}
    if "error" in answer:
        error = answer["error"]
        raise UserError(error.pop("problem"), **error)
    if code or "result" not in answer:
        raise RuntimeError(answer.get("failed") or f"accelerate ended with code {code}:\n" + "\n".join(lines))
    return TrainResult(**answer["result"])


def _read(line: str) -> list[Any] | None:
    """What a line tells; None: it is other output."""
    _, found, text = line.partition(_TOLD)
    try:
        told = json.loads(text) if found else None
    except ValueError:
        return None
    return told if isinstance(told, list) else None


def main(job: Path) -> None:
    """One of the processes; it ends where the command that launched it has ended."""
    threading.Thread(target=_end_with, args=(int(os.environ[_INSIDE]),), daemon=True).start()
    content = json.loads(job.read_bytes())
    base, out, state, result = (None if path is None else Path(path) for path in content["paths"])
    seed, dtype, runtime, own = content["setup"]
    setup = Setup(seed, dtype, None, configs.Runtime.model_validate(runtime), state, configs.Trl.model_validate(own))
    assert base is not None and out is not None and result is not None

    def tell(kind: str, *values: Any) -> None:
        if os.environ.get("RANK", "0") == "0":
            os.write(1, f"\n{_TOLD}{json.dumps([kind, *values])}\n".encode())  # at once: other processes write too

    loss = content["loss"]
    supervised = loss == "sft"
    if not supervised:  # all processes read the reference before FSDP would give them the weights
        os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"
    example, kind = (Example, configs.Training) if supervised else (Preference, configs.Preference)
    answer: dict[str, Any]
    try:
        train = trainers.load("trl", "sft" if supervised else "preference")
        examples, config = [example(**each) for each in content["examples"]], kind.model_validate(content["config"])
        more = {} if supervised else {"loss": loss}
        with measures.heard(partial(tell, "measure")):
            trained = train(base, examples, out, config, setup, on_progress=partial(tell, "progress"), **more)
        answer = {"result": asdict(trained)}
    except UserError as error:
        fields = ("problem", "line", "field", "expected", "hint")
        answer = {"error": {name: getattr(error, name) for name in fields}}
        answer["error"]["file"] = None if error.file is None else str(error.file)
    except Exception:
        answer = {"failed": traceback.format_exc()}
    first = not result.is_file()  # the first that fails has the reason
    if first and (os.environ.get("RANK", "0") == "0" or "result" not in answer):
        result.write_text(json.dumps(answer), encoding="utf-8")
    if "result" not in answer:
        sys.exit(1)


def _end_with(process: int) -> None:
    """Else a killed command's training would go on beside the one that continues it."""
    while True:
        time.sleep(1)
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
