"""What a run does now: the file that it keeps, read by another; live, stopped, finished and damaged folders."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import w2s
from w2s.cli.verbs import app
from w2s.config.schema import Runtime
from w2s.errors import UserError
from w2s.flow import runner, status
from w2s.flow.decisions import plan
from w2s.flow.observer import StepOutcome
from w2s.flow.step import Step

SEEN: list[status.Status] = []
NOW = {"name": "second", "number": 2, "since": "2026-01-05T10:00:00+00:00"}
WHOLE = {"began": "2026-01-05T10:00:00+00:00", "left_seconds": 5.0, "now": [NOW]}


def first(context):
    return {}


def second(context):
    context.progress(3, 12, 60)
    SEEN.append(status.read(Path(context.params["folder"])))
    if context.params.get("stops"):
        (context.scratch / "part").write_text("x")
        raise KeyboardInterrupt
    return {}


def steps(folder: Path, **params: object) -> list[Step]:
    return [Step("first", first), Step("second", second, {"folder": str(folder), **params})]


def reported(folder: Path) -> None:
    """In place of `results.write`."""
    (folder / "results.json").write_text("{}")
    (folder / "report.html").write_text("<html></html>")


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    SEEN.clear()
    monkeypatch.setattr(status, "EVERY", 0.0)


def test_a_live_run_is_seen_from_outside(tmp_path: Path) -> None:
    made = steps(tmp_path)
    writer = status.Writer(tmp_path, plan(made, tmp_path))
    runner.run(made, tmp_path, Runtime(), writer)
    writer.close()
    (seen,) = SEEN
    assert (seen.state, seen.ended, seen.of) == ("running", 1, 2) and "process" in (seen.holder or "")
    (now,) = seen.now
    assert (now.name, now.number, now.done, now.total) == ("second", 2, 3, 12)
    assert seen.began is not None and now.since >= seen.began
    after = status.read(tmp_path)
    assert (after.state, after.ended, after.of, after.now) == ("finished", 2, 2, ())
    assert not (tmp_path / status.FILE).exists()


def test_a_stopped_run_says_what_is_left(tmp_path: Path) -> None:
    writer = status.Writer(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        runner.run(steps(tmp_path, stops=True), tmp_path, Runtime(), writer)
    writer.close()
    found = status.read(tmp_path)
    assert (found.state, found.ended, found.of, list(found.unfinished)) == ("stopped", 1, 2, ["second"])
    done = CliRunner().invoke(app, ["status", str(tmp_path)])
    assert done.exit_code == 0 and "stopped: 1 of 2 steps done" in done.stdout
    assert "the same `w2s run` goes on; there is partial work of second" in done.stdout


@pytest.mark.parametrize("text", ["", "{", "[]", '{"now": [{"name": 1}]}', '{"now": 3}', "[" * 100_000,
    *(json.dumps(WHOLE | field) for field in ({"began": 5}, {"began": "soon"}, {"left_seconds": "x"}, {"now": {}})),
    *(json.dumps(WHOLE | {"now": [NOW | field]}) for field in (
        {"since": "2026-01-05"}, {"done": "3"}, {"total": []}, {"number": {}}, {"left_seconds": "1"}, {"more": 1},
    )),
])  # fmt: skip
def test_a_damaged_file_says_nothing_wrong(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    runner.run(steps(tmp_path), tmp_path, Runtime())
    (tmp_path / status.FILE).write_text(text)
    assert status.read(tmp_path).state == "finished"
    monkeypatch.setattr("w2s.flow.lock.holder", lambda folder: "process 1 on here")
    found = status.read(tmp_path)
    assert (found.state, found.now, found.left_seconds) == ("running", [], None)


def third(context):
    context.output.mkdir()
    (context.output / "weights").write_text("weights")
    return {}


def remove_all(folder: Path) -> None:
    for file in (folder / "records").iterdir():
        file.unlink()


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda folder: (folder / "records/first.json").unlink(), "record missing: records/first.json"),
        (remove_all, "record missing: records/third.json"),
        (lambda folder: (folder / "records/first.json").write_text("{"), "record changed on disk: records/first.json"),
        (lambda folder: (folder / "models/third/weights").unlink(), "output missing: models/third/weights"),
        (lambda folder: (folder / "models/third/weights").write_text("we"), "weights has 2 bytes, not 7"),
        (lambda folder: (folder / "models/third/weights").write_text("other weights"), "has 13 bytes, not 7"),
        (lambda folder: (folder / ".reached.json").write_text("{}x"), "record changed on disk: .reached.json"),
    ],
)  # fmt: skip
def test_a_damaged_run_is_not_finished(tmp_path: Path, damage, line: str) -> None:
    made = [Step("first", first), Step("third", third, output="models/third", kind="train")]
    runner.run(made, tmp_path, Runtime())
    assert status.read(tmp_path).state == "finished" and status.read(tmp_path).problems == []
    damage(tmp_path)
    found = status.read(tmp_path)
    assert found.state == "damaged" and any(line in each for each in found.problems)
    done = CliRunner().invoke(app, ["status", str(tmp_path)])
    said = " ".join(done.stdout.split())
    assert done.exit_code == 0 and "finished" not in said and line in said
    assert "the same `w2s run` makes again what is damaged; `w2s check` reads every file" in said
    runner.run(made, tmp_path, Runtime())
    assert status.read(tmp_path).state == "finished"


def test_a_stopped_run_names_damage_too(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        runner.run(steps(tmp_path, stops=True), tmp_path, Runtime())
    (tmp_path / "records/first.json").unlink()
    done = CliRunner().invoke(app, ["status", str(tmp_path)])
    assert done.exit_code == 0 and done.stdout.startswith("stopped: 1 of 2 steps done")
    assert "record missing: records/first.json" in done.stdout and "goes on" in done.stdout


def test_of_many_problems_some_are_named(tmp_path: Path) -> None:
    from w2s.cli import outlook

    lines = outlook.status(status.Status(str(tmp_path), "damaged", 9, 9, problems=[f"problem {n}" for n in range(9)]))
    assert "  problem 5" in lines and "  problem 6" not in lines and "  and 3 more" in lines


def test_a_killed_run_is_not_taken_for_a_live_one(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom w2s.flow.lock import Lock\n"
        "with Lock(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(600)\n"
    )
    runner.run(steps(tmp_path), tmp_path, Runtime())
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    assert status.read(tmp_path).holder == f"process {other.pid} on {__import__('socket').gethostname()}"
    other.kill()
    other.wait()
    assert (tmp_path / ".lease").exists() and status.read(tmp_path).state == "finished"


def test_another_run_s_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / status.FILE).write_text("{}")
    status.Writer(tmp_path).close()
    assert (tmp_path / status.FILE).exists()


def test_it_is_written_now_and_then_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "EVERY", 5.0)
    clock = [0.0]
    writer, step = status.Writer(tmp_path, clock=lambda: clock[0]), Step("first", first)
    writer.started(step, "", 1, 1)
    for clock[0], done, written in ((1.0, 1, 0), (4.9, 2, 0), (5.1, 3, 3), (6.0, 4, 3)):
        writer.progress(step, done, 9, 0)
        assert json.loads((tmp_path / status.FILE).read_text())["now"][0]["done"] == written
    writer.finished(step, StepOutcome("done"))
    assert json.loads((tmp_path / status.FILE).read_text())["now"] == []


def test_of_several_seeds_each_is_named(tmp_path: Path) -> None:
    for seed in (0, 1):
        folder = tmp_path / f"seed-{seed}"
        runner.run(steps(folder), folder, Runtime(), last=lambda folder=folder: reported(folder))
    assert [Path(each.folder).name for each in w2s.status(tmp_path)] == ["seed-0", "seed-1"]
    done = CliRunner().invoke(app, ["status", str(tmp_path)])
    assert done.stdout == "seed-0: finished, 2 of 2 steps done\nseed-1: finished, 2 of 2 steps done\n"
    found = json.loads(CliRunner().invoke(app, ["status", str(tmp_path), "--json"]).stdout)
    assert [each["state"] for each in found] == ["finished", "finished"]


@pytest.mark.parametrize("name", ["results.json", "report.html"])
def test_a_run_without_its_report_is_not_finished(tmp_path: Path, name: str) -> None:
    """Its report is the last that a run writes, or somebody removed it; whichever, the same command writes it."""
    runner.run(steps(tmp_path), tmp_path, Runtime(), last=lambda: reported(tmp_path))
    assert [each.state for each in w2s.status(tmp_path)] == ["finished"]
    (tmp_path / name).unlink()
    (found,) = w2s.status(tmp_path)
    assert (found.state, found.ended, found.of) == ("damaged", 2, 2)
    line = f"report missing: {name}; `w2s report` writes it again"
    assert found.problems == w2s.check(tmp_path).problems == [line]
    said = CliRunner().invoke(app, ["status", str(tmp_path)]).stdout
    assert said.startswith(f"damaged: 2 of 2 steps done\n  {line}\n") and "the same `w2s run`" in said


def test_a_run_that_writes_its_report_is_running(tmp_path: Path) -> None:
    seen: list[status.Status] = []
    runner.run(steps(tmp_path), tmp_path, Runtime(), last=lambda: seen.extend(w2s.status(tmp_path)))
    assert [(each.state, each.ended, each.of) for each in seen] == [("running", 2, 2)]


def test_a_stopped_run_has_no_report_to_miss(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        runner.run(steps(tmp_path, stops=True), tmp_path, Runtime())
    (found,) = w2s.status(tmp_path)
    assert (found.state, found.problems, w2s.check(tmp_path).problems) == ("stopped", [], [])


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no run"):
        w2s.status(tmp_path)
    with pytest.raises(UserError, match="is missing"):
        w2s.status(tmp_path / "none")


def test_a_line_of_a_live_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from w2s.cli import outlook

    monkeypatch.setattr(outlook, "_since", lambda stamp: 125.0)
    now = status.Now("control_m_plus_samples", 41, "x", 340, 4000, 1234.4, 600.0)
    found = status.Status("runs/tiny", "running", 40, 69, "x", [now], 3700.0, holder="process 7 on here")
    assert outlook.status(found) == [
        "running: 40 of 69 steps done, by process 7 on here, for 2 min 05 s",
        "  step 41, control_m_plus_samples: 340 of 4,000, 1,234 tokens/s, for 2 min 05 s,",
        "    about 10 min 00 s left",
        "  about 1 h 01 min left",
    ]
    assert max(map(len, outlook.status(found))) <= 80


def test_a_seed_that_has_not_begun_is_named_beside_the_others(tmp_path: Path) -> None:
    runner.run(steps(tmp_path / "seed-0"), tmp_path / "seed-0", Runtime())
    (tmp_path / "seed-1").mkdir()
    reported(tmp_path / "seed-0")
    done = CliRunner().invoke(app, ["status", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "seed-0: finished, 2 of 2 steps done" in done.stdout
    assert "seed-1: stopped, 0 steps on record done" in done.stdout
