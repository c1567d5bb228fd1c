"""Every verb that writes, stopped before each of its changes to files: no half file, and the same command goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chaos import INT, KILL, TERM, Commands, Stop, content, names

from w2s.data import jsonl

SCRIPT = """
def answer(request, decoding):
    return f"It is.\\n#### {(len(request.id) + request.sample) % 3}"
"""
TASK = ("--task", "gsm8k")
VERBS = {
    "sample": (
        "sample", "--model", "scripted:script:answer", "--task", "jsonl", "--split", "weak.jsonl", "--n", "9",
        "--engine", "scripted", "--out", "out/made.jsonl",
    ),
    "grade": ("grade", *TASK, "--gold", "gold.jsonl", "--responses", "weak.jsonl", "--out", "out/made.jsonl"),
    "agree": ("agree", *TASK, "--weak", "weak.jsonl", "--strong", "strong.jsonl", "--out", "out/made.jsonl.gz"),
    "pairs": ("pairs", *TASK, "--weak", "weak.jsonl", "--samples", "samples.jsonl", "--out", "out/made.jsonl"),
    "tasks": ("tasks", "arith", "--limit", "20", "--out", "out"),
}  # fmt: skip
OLD = b"made by another command\n"


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    folder = tmp_path_factory.mktemp("verbs")
    (folder / "script.py").write_text(SCRIPT)
    for name, shift in (("weak", 0), ("strong", 1)):
        rows = ({"id": n, "question": f"What is {n}?", "response": f"#### {n + n % 2 * shift}"} for n in range(20))
        jsonl.write(folder / f"{name}.jsonl", rows)
    jsonl.write(folder / "gold.jsonl", ({"id": n, "answer": str(n)} for n in range(20)))
    rows = ({"id": n, "sample": k, "question": f"What is {n}?", "response": f"#### {n + (k == 4)}"}
            for n in range(20) for k in range(5))  # fmt: skip
    jsonl.write(folder / "samples.jsonl", rows)
    with Commands(folder) as running:
        yield running


@pytest.mark.parametrize(
    ("verb", "every"),
    [
        pytest.param(verb, every, marks=[pytest.mark.nightly] if every == 1 else [])
        for verb in VERBS
        for every in (1, 10 if verb == "tasks" else 3)
    ],
)
def test_a_verb_stopped_before_changes_of_files_goes_on(
    commands: Commands, verb: str, every: int, measured: Callable[..., None]
) -> None:
    """Before each change, or every third or tenth.

    The file that is there before is whole until the new one is; what is left over goes.
    """
    out = commands.folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    assert commands.run(*VERBS[verb]).code == 0
    whole = content(out)
    final = next(iter(whole))
    stops = 0
    while True:
        shutil.rmtree(out)
        out.mkdir()
        (out / final).write_bytes(OLD)
        stop = Stop((KILL, TERM, KILL, INT)[stops % 4], events=stops * every + 1, text=str(commands.folder))
        if not commands.run(*VERBS[verb], stop=stop).by(stop):
            break
        stops += 1
        left = content(out)
        assert left[final] in (OLD, whole[final])
        assert all(left[name] == whole[name] for name in whole.keys() & left.keys() - {final})
        assert commands.run(*VERBS[verb]).code == 0
        assert content(out) == whole, stop
        assert names(commands.folder / "out") == sorted(whole)
    assert stops >= 2, verb
    measured("verbs stopped at changes of files", stops=stops)


def test_a_report_stopped_before_any_change_of_files_goes_on(
    commands: Commands, finished_copy: Path, measured: Callable[..., None]
) -> None:
    folder = str(finished_copy)
    assert commands.run("report", folder).code == 0
    whole = content(finished_copy)
    stops = 0
    while True:
        for name in ("results.json", "report.html"):
            (finished_copy / name).write_bytes(OLD)
        stop = Stop((KILL, TERM, KILL, INT)[stops % 4], events=stops + 1, text=folder)
        if not commands.run("report", folder, stop=stop).by(stop):
            break
        stops += 1
        left = content(finished_copy)
        assert all(left[name] in (OLD, whole[name]) for name in ("results.json", "report.html"))
        assert commands.run("report", folder).code == 0
        assert content(finished_copy) == whole, stop
    assert stops >= 4
    assert json.loads(whole["results.json"])["models"]
    measured("verbs stopped at changes of files", stops=stops)


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    folder = tmp_path_factory.mktemp("trainings")
    jsonl.write(folder / "rows.jsonl", ({"prompt": f"{n}?", "completion": f" {n}."} for n in range(24)))
    with Commands(folder, torch=True) as running:
        yield running


TRAIN = (
    "train", "--model", "w2s:tiny-weak", "--data", "rows.jsonl", "--out", "out/model", "epochs=1", "batch_size=4",
    "runtime.save_minutes=0.001",
)  # fmt: skip
TRAIN_PLACES = (
    Stop(place="w2s.training.loop:Trainer._backward"),
    Stop(TERM, place="w2s.training.loop:Trainer._backward", call=3),
    Stop(place="w2s.training.loop:Trainer._backward", call=6),
    Stop(place="w2s.training.loop:Trainer.save", after=True),
    Stop(INT, place="w2s.training.loop:Trainer.save"),
)


@pytest.mark.slow
@pytest.mark.nightly
def test_a_training_stopped_anywhere_leaves_no_half_model_and_goes_on(
    trainings: Commands, measured: Callable[..., None]
) -> None:
    out = trainings.folder / "out"
    assert trainings.run(*TRAIN).code == 0
    whole = content(out)
    stops = 0
    for stop in (*TRAIN_PLACES, *(Stop(KILL, events=n, text=str(out)) for n in range(1, 40, 3))):
        shutil.rmtree(out)
        if not trainings.run(*TRAIN, stop=stop).by(stop):
            assert stop.events
            break
        stops += 1
        assert not (out / "model").exists() or content(out / "model") == content_of(whole)
        assert trainings.run(*TRAIN).code in (0, 2)  # 2: the stop came after the last change, and the model is there
        assert content(out) == whole, stop
        assert names(out)[1:] == sorted(whole)
    assert stops >= 8
    measured("verbs stopped at changes of files", stops=stops)


def content_of(whole: dict[str, bytes]) -> dict[str, bytes]:
    """The files of `out/model`, by their names in it."""
    return {name.removeprefix("model/"): data for name, data in whole.items()}
