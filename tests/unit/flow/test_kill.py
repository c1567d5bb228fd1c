"""SIGKILL before every call that changes the folder, then a second run: the bytes are those of an unbroken run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from w2s.flow import runner

TOY = '''
import json, os, shutil, signal, sys
from pathlib import Path
from w2s.config.schema import Runtime
from w2s.flow import runner, store
from w2s.flow.step import Step

def answers(context):
    journal = context.scratch / "journal.txt"
    made = len(journal.read_text().split()) if journal.exists() else 0
    with open(journal, "a") as file:
        for number in range(made, 4):
            tick()
            file.write(f"{number * context.params['factor']}\\n")
            file.flush()
    context.output.write_text(journal.read_text())
    return {"tokens": 4}

def model(context):
    context.output.mkdir()
    text = context.inputs["data"].read_text()
    for name in ("config", "weights"):
        tick()
        (context.output / name).write_text(name + text)
    return {"size": len(text)}

def graph(factor):
    data = Step("answers", answers, {"factor": factor}, output="data/answers.txt")
    return [Step("model", model, {}, {"data": data}, output="models/m")]

left = None
def tick():
    global left
    if left is not None:
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

def before(function):
    def ticking(*args, **kwargs):
        tick()
        return function(*args, **kwargs)
    return ticking

def watch():
    for name in ("replace", "rename", "unlink", "remove", "rmdir", "mkdir", "truncate", "utime"):
        setattr(os, name, before(getattr(os, name)))
    os.fsync = lambda descriptor: None  # of use against power cuts only: no kill point, and slow
    # no look at the content may save what the order of renames should
    store.integrity.Hashes.equal = lambda *_, **__: True

def child(factor, folder, events=None):
    """Runs in a process of its own, which dies before event number `events`; True if it came to its end."""
    global left
    pid = os.fork()
    if pid == 0:
        left = events
        watch()
        runner.run(graph(factor), folder, Runtime())
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert status == 0, status
    return True

def snapshot(folder):
    found = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    for name in [name for name in found if name.startswith("records/")]:
        record = json.loads(found[name])
        found[name] = {key: record[key] for key in ("fingerprint", "inputs", "result", "files", "status", "payload")}
    return {name: data for name, data in found.items() if name != ".lock"}

root = Path(sys.argv[1])
for factor in (1, 2):
    child(factor, root / f"unbroken{factor}")
clean = {factor: snapshot(root / f"unbroken{factor}") for factor in (1, 2)}
assert sorted(clean[1]) == [".reached.json", "data/answers.txt", "models/m/config", "models/m/weights",
                            "records/answers.json", "records/model.json"], sorted(clean[1])
# both factors give files of the same sizes under the same names: only identity can tell them apart
for start in (None, 1):  # an empty folder, and one whose outputs are of another identity and get replaced
    events = 0
    while True:
        folder = root / f"broken-{start}-{events}"
        if start:
            shutil.copytree(root / f"unbroken{start}", folder)
        whole = child(2, folder, events)
        back = 1 if events % 2 and start else 2  # half of the time the user goes back to what was there before
        assert child(back, folder)
        assert snapshot(folder) == clean[back], (start, events, back)
        shutil.rmtree(folder)
        if whole:
            break
        events += 1 if start else 5  # the first case is nearly all in the second
    print(start, events)
'''


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_anywhere_it_finishes_with_the_same_bytes(tmp_path):
    (tmp_path / "toy.py").write_text(TOY)
    src = str(Path(runner.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "toy.py", str(tmp_path)],
        cwd=tmp_path,
        env={"PYTHONPATH": src},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    points = [int(line.split()[1]) for line in done.stdout.splitlines()]
    assert len(points) == 2 and min(points) >= 20, done.stdout
