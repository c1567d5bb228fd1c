"""A damaged file of a finished run is named by every verb, and never used; a finished run is not replaced."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

import w2s as api
from w2s.flow.store import Store

pytestmark = pytest.mark.slow

WEIGHTS = "models/{}/model.safetensors"


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)


def words(text: str) -> str:
    """Without the line breaks of tables."""
    return "".join(text.split())


def test_a_whole_run_is_whole(w2s: Any, finished: Path) -> None:
    done = w2s("check", str(finished))
    assert done.returncode == 0 and done.stdout.endswith("were read: all as written\n"), done.stdout


def test_swapped_weights_and_a_changed_bit_are_named_and_made_again(
    w2s: Any, small: tuple[str, ...], finished: Path, finished_copy: Path
) -> None:
    """M_plus gets the weights of the naive baseline, and its answers are to be made again; DPO's lose one bit."""
    swapped, flipped = (finished_copy / WEIGHTS.format(name) for name in ("m_plus", "m_pro_dpo"))
    assert flipped.stat().st_size > 1_000_000
    shutil.copy(finished_copy / WEIGHTS.format("full_weak_ft"), swapped)
    (finished_copy / "records" / "test_m_plus.json").unlink()
    flip(flipped)
    lines = [f"output changed on disk: {WEIGHTS.format(name)} has other content" for name in ("m_plus", "m_pro_dpo")]
    checked = w2s("check", str(finished_copy))
    assert checked.returncode == 2 and set(lines) < set(checked.stdout.splitlines())
    planned = w2s("plan", *small, "--out", str(finished_copy), "--json")
    reasons = {step["name"]: step["reason"] for step in json.loads(planned.stdout)["steps"]}
    assert [reasons["m_plus"], reasons["m_pro_dpo"]] == lines
    reported = w2s("report", str(finished_copy))
    assert all(words(f"damage: {line}") in words(reported.stdout) for line in lines)
    done = w2s("run", *small, "--out", str(finished_copy))
    assert done.returncode == 0, done.stderr
    assert all(line in done.stderr for line in lines)
    for name in ("m_plus", "m_pro_dpo"):
        assert (finished_copy / WEIGHTS.format(name)).read_bytes() == (finished / WEIGHTS.format(name)).read_bytes()
    answers = "data/test_m_plus.jsonl"
    assert (finished_copy / answers).read_bytes() == (finished / answers).read_bytes()
    assert w2s("check", str(finished_copy)).returncode == 0


def test_an_edited_verdict_is_named_and_not_believed_by_a_run(
    w2s: Any, small: tuple[str, ...], finished: Path, finished_copy: Path
) -> None:
    path = finished_copy / "data" / "test_m_plus.jsonl"
    right = json.loads((finished / "results.json").read_text())["models"]["m_plus"]
    path.write_text(path.read_text().replace('"wrong"', '"correct"', 1))
    reported = w2s("report", str(finished_copy))
    assert reported.returncode == 0 and words("damage: output changed on disk: data/test_m_plus") in words(
        reported.stdout
    )
    results = json.loads((finished_copy / "results.json").read_text())
    assert results["models"]["m_plus"]["correct"] == right["correct"] + 1 and len(results["damage"]) == 1
    done = w2s("run", *small, "--out", str(finished_copy))
    assert done.returncode == 0, done.stderr
    results = json.loads((finished_copy / "results.json").read_text())
    assert results["models"]["m_plus"] == right and results["damage"] == []


def test_another_seed_does_not_replace_a_finished_run(w2s: Any, small: tuple[str, ...], finished_copy: Path) -> None:
    before = content(finished_copy)
    planned = w2s("plan", *small, "--seed", "1", "--out", str(finished_copy))
    assert planned.returncode == 0 and "m_plus" in planned.stdout.partition("would be replaced")[2]
    for more in (["--seed", "1"], ["--limit", "10"]):
        done = w2s("run", *small, *more, "--out", str(finished_copy))
        assert done.returncode == 2 and "Traceback" not in done.stderr
        assert all(word in done.stderr for word in ("models (", "evaluations (", "--replace", "--out NEW"))
        assert len(done.stderr) < 800
    assert content(finished_copy) == before


def changed_one_bit(path: Path) -> None:
    """With the size and the times that the file had."""
    status = path.stat()
    flip(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def files(folder: Path, *parts: str) -> list[Path]:
    return [
        path for part in parts for path in sorted((folder / part).rglob("*")) if path.stat().st_size and path.is_file()
    ]


def test_one_bit_of_any_output_is_named_by_check_and_by_plan(finished: Path, finished_copy: Path) -> None:
    """All outputs lose a bit at once: each has a line, and no step is reused."""
    outputs = [*files(finished_copy, "data", "models"), finished_copy / "recipe.yaml"]
    for path in outputs:
        changed_one_bit(path)
    problems = api.check(finished_copy).problems
    names = [path.relative_to(finished_copy).as_posix() for path in outputs]
    assert sorted(problems) == sorted(f"output changed on disk: {name} has other content" for name in names)
    steps = api.plan(finished / "recipe.yaml", out=finished_copy).steps
    reasons = {step.name: step.reason for step in steps if step.reason.startswith("output changed on disk: ")}
    with_output = {record["name"] for record in Store(finished).records() if record["files"]}
    assert reasons.keys() == with_output


def test_one_bit_of_any_record_is_named_by_check_and_by_plan(finished: Path, finished_copy: Path) -> None:
    records = [*files(finished_copy, "records"), finished_copy / ".reached.json"]
    for path in records:
        changed_one_bit(path)
    problems = api.check(finished_copy).problems
    for path in records:
        name = path.relative_to(finished_copy).as_posix()
        assert f"record changed on disk: {name} is not what was written" in problems
    steps = api.plan(finished / "recipe.yaml", out=finished_copy).steps
    named = {step.name for step in steps if step.reason.startswith("record changed on disk: ")}
    assert named == {*Store(finished).names()} and not any(step.decision == "reuse" for step in steps)


@pytest.mark.parametrize("name", ["results.json", "report.html"])
def test_one_bit_of_a_report_is_named(finished_copy: Path, name: str) -> None:
    changed_one_bit(finished_copy / name)
    [problem] = api.check(finished_copy).problems
    assert problem.startswith("report changed on disk: ") and name in problem


@pytest.mark.nightly
def test_one_bit_of_each_file_alone_is_named(finished: Path, finished_copy: Path) -> None:
    """At three places of each; an exponent's letter (1e-05, 1E-05) may change, and the record stays the same."""
    source = random.Random(0)
    for path in files(finished_copy, "data", "models", "records"):
        whole, name = path.read_bytes(), path.relative_to(finished_copy).as_posix()
        for place in (0, len(whole) - 1, source.randrange(len(whole))):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << source.randrange(8)]) + whole[place + 1 :])
            same = path.parent.name == "records" and Store(finished).record(path.stem) == Store(finished_copy).record(
                path.stem
            )
            assert same or any(name in problem for problem in api.check(finished_copy).problems), (name, place)
        path.write_bytes(whole)
    assert api.check(finished_copy).problems == []
