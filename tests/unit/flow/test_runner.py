from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest

from w2s.config.schema import Runtime
from w2s.data import disk, sealed
from w2s.errors import BranchEnds, UserError
from w2s.flow import runner
from w2s.flow.decisions import plan
from w2s.flow.observer import StepOutcome
from w2s.flow.step import Step
from w2s.flow.store import Store

CALLS: list[str] = []


@pytest.fixture(autouse=True)
def _no_calls():
    CALLS.clear()


def numbers(context):
    CALLS.append("numbers")
    context.output.write_text("".join(f"{n}\n" for n in range(context.params["n"])))
    context.progress(1, 2)
    return {"tokens": 100, "shape": (1, 2), "loss": float("nan")}


def total(context):
    CALLS.append("total")
    context.output.mkdir()
    lines = context.inputs["numbers"].read_text().split()
    (context.output / "deep").mkdir()
    (context.output / "deep" / "total.txt").write_text(str(sum(map(int, lines)) * context.params.get("times", 1)))
    return {"lines": len(lines), "shape": context.results["numbers"]["shape"]}


def verdict(context):
    CALLS.append("verdict")
    return {"total": (context.inputs["total"] / "deep" / "total.txt").read_text()}


def ends(context):
    CALLS.append("ends")
    if context.params.get("really", True):
        raise BranchEnds("nothing agrees")
    context.output.write_text("x")
    return {}


def fails(context):
    CALLS.append("fails")
    (context.scratch / "partial").write_text("1")
    raise (context.params["error"] and UserError("bad gold")) or KeyboardInterrupt()


def looks(context):
    CALLS.extend(Store(context.cache.parent).reached())
    return {}


def careless(context):
    return {"path": Path("x")} if context.params["what"] == "result" else {}


def graph(n: int = 4, times: int = 1, version: int = 1) -> list[Step]:
    first = Step("numbers", numbers, {"n": n}, output="data/numbers.txt", kind="generate", expected_tokens=300)
    second = Step("total", total, {"times": times}, {"numbers": first}, output="models/total", version=version)
    return [Step("verdict", verdict, {}, {"total": second})]


class Seen:
    def __init__(self):
        self.events = []

    def __getattr__(self, event):
        return lambda step, *rest: self.events.append((event, step.name, *rest))


def run(steps, folder, observer=None):
    return runner.run(steps, folder, Runtime(), observer, replace=True)


def decided(steps, folder):
    return {step.name: (step.decision, step.reason) for step in plan(steps, folder)}


def test_a_run_makes_everything_once_and_then_reuses_it(tmp_path):
    first = run(graph(), tmp_path / "new")
    assert CALLS == ["numbers", "total", "verdict"]
    assert first["verdict"].result == {"total": "6"}
    seen = Seen()
    second = run(graph(), tmp_path / "new", seen)
    assert len(CALLS) == 3
    assert [event[:2] for event in seen.events] == [("reused", name) for name in ("numbers", "total", "verdict")]
    assert {name: (o.result, o.seconds) for name, o in second.items()} == {
        name: (o.result, o.seconds) for name, o in first.items()
    }
    assert all(o.reused for o in second.values()) and not any(o.reused for o in first.values())
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        ".lock", ".reached.json", "data", "models", "records",
    ]  # fmt: skip


def test_results_are_what_json_gives_back_also_the_first_time(tmp_path):
    assert run(graph(), tmp_path)["numbers"].result == {"tokens": 100, "shape": [1, 2], "loss": None}


def test_the_record_holds_identity_result_files_and_provenance(tmp_path):
    run(graph(), tmp_path)
    record = json.loads((tmp_path / "records" / "total.json").read_text())
    assert record["payload"]["params"] == {"times": 1}
    assert record["inputs"]["numbers"]["fingerprint"] == graph()[0].inputs["total"].inputs["numbers"].fingerprint
    # sha256 of the one byte "6", from `printf 6 | sha256sum`
    assert record["files"] == [
        {
            "path": "models/total/deep/total.txt",
            "bytes": 1,
            "sha256": "e7f6c011776e8db7cd330b54174fd76f7d0216b612387a5ffcfb81e6f0919683",
        }
    ]
    assert {"w2s", "python", "host"} <= record["provenance"].keys()
    assert record["provenance"]["numpy"] == metadata.version("numpy")  # be it loaded here or in a worker
    assert (record["schema"], record["status"], record["output"]) == (2, "done", "models/total")


def places(context):
    paths = [context.output, context.scratch, context.cache, *context.inputs.values()]
    context.output.write_text("x")
    return {"absolute": [path.is_absolute() for path in paths]}


def test_a_relative_folder_gives_steps_absolute_paths_and_the_same_identities(tmp_path, monkeypatch):
    """Ray's workers have another folder of their own. `plan` gets the short path too, and finds what was made."""
    steps = [
        Step("places", places, {}, {"numbers": graph()[0].inputs["total"].inputs["numbers"]}, output="data/places")
    ]
    monkeypatch.chdir(tmp_path)
    assert run(steps, Path("runs/new"))["places"].result == {"absolute": [True] * 4}
    assert {name: decision for name, (decision, _) in decided(steps, Path("runs/new")).items()} == {
        "numbers": "reuse",
        "places": "reuse",
    }
    assert str(tmp_path) not in (tmp_path / "runs" / "new" / "records" / "places.json").read_text()


def test_plan_computes_and_writes_nothing(tmp_path):
    folder = tmp_path / "none"
    assert decided(graph(), folder) == dict.fromkeys(("numbers", "total", "verdict"), ("run", "not made yet"))
    assert not folder.exists() and not CALLS


def test_a_changed_field_reruns_its_step_and_all_below_with_reasons(tmp_path):
    run(graph(), tmp_path)
    assert decided(graph(n=5), tmp_path) == {
        "numbers": ("rerun", "n changed from 4 to 5"),
        "total": ("rerun", "input numbers reruns"),
        "verdict": ("rerun", "input total reruns"),
    }
    assert decided(graph(times=2, version=2), tmp_path) == {
        "numbers": ("reuse", "unchanged"),
        "total": ("rerun", "code version changed 1 -> 2; times changed from 1 to 2"),
        "verdict": ("rerun", "input total reruns"),
    }
    assert run(graph(n=5), tmp_path)["verdict"].result == {"total": "10"}
    assert CALLS == ["numbers", "total", "verdict"] * 2


def test_an_input_that_reran_before_a_kill_is_a_changed_input(tmp_path):
    run(graph(), tmp_path)
    run([graph(n=5)[0].inputs["total"].inputs["numbers"]], tmp_path)
    assert decided(graph(n=5), tmp_path)["total"] == ("rerun", "input numbers changed")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.unlink(), "output missing: data/numbers.txt"),
        (lambda path: path.write_text("0\n"), "output changed on disk: data/numbers.txt has 2 bytes, not 8"),
        (lambda path: path.write_text("0\n1\n2\n4\n"), "output changed on disk: data/numbers.txt has other content"),
    ],
)
def test_a_damaged_output_is_made_again_and_the_rest_is_reused(tmp_path, damage, reason):
    run(graph(), tmp_path)
    damage(tmp_path / "data" / "numbers.txt")
    planned = decided(graph(), tmp_path)
    assert planned["numbers"] == ("run", reason) and planned["total"][0] == "reuse"
    outcome = run(graph(), tmp_path)
    assert [name for name, o in outcome.items() if not o.reused] == ["numbers"]
    assert (tmp_path / "data" / "numbers.txt").read_text() == "0\n1\n2\n3\n"


def test_a_step_that_came_out_different_under_one_identity_reruns_what_it_feeds(tmp_path, monkeypatch):
    run(graph(), tmp_path)
    (tmp_path / "records" / "numbers.json").unlink()
    other = lambda context: context.output.write_text("9\n") and {"shape": []}  # noqa: E731
    step = graph()[0].inputs["total"].inputs["numbers"]
    object.__setattr__(step, "run", numbers)
    assert step.fingerprint and step.payload  # cached before the function changes under its name
    object.__setattr__(step, "run", other)
    run([step], tmp_path)
    assert decided(graph(), tmp_path)["total"] == ("rerun", "input numbers has other content")
    assert run(graph(), tmp_path)["verdict"].result == {"total": "9"}


@pytest.mark.parametrize(
    "content", [b"", b'{"schema": 1', b"[]", b"\xff", b'{"schema": 0}', b"[" * 10**6, b'{"schema": 1, "name": "total"}']
)
def test_a_record_that_cannot_be_read_is_no_record(tmp_path, content, caplog):
    run(graph(), tmp_path)
    (tmp_path / "records" / "total.json").write_bytes(content)
    reason = "record changed on disk: records/total.json is not what was written"
    assert decided(graph(), tmp_path)["total"] == ("run", reason)
    assert run(graph(), tmp_path)["verdict"].reused
    assert caplog.messages == [f"total is made again: {reason}"]


def test_an_output_that_moves_is_made_at_its_new_place(tmp_path):
    run([Step("numbers", numbers, {"n": 2}, output="data/a.txt")], tmp_path)
    moved = [Step("numbers", numbers, {"n": 2}, output="data/b.txt")]
    assert decided(moved, tmp_path)["numbers"] == ("rerun", "output moves from data/a.txt to data/b.txt")
    run(moved, tmp_path)
    assert (tmp_path / "data" / "b.txt").exists()


def branch(really: bool = True) -> list[Step]:
    end = Step("agreement", ends, {"really": really}, output="data/kept.jsonl")
    below = Step("hybrid", numbers, {"n": 3}, {"data": end}, output="models/hybrid")
    return [Step("m_plus", numbers, {"n": 3}, {"base": below}, output="models/m_plus"), *graph()]


def test_a_branch_that_ends_is_recorded_and_the_rest_goes_on(tmp_path):
    seen = Seen()
    outcome = run(branch(), tmp_path, seen)
    why = "agreement ended: nothing agrees"
    assert outcome["agreement"] == StepOutcome("ended", {}, outcome["agreement"].seconds, False, "nothing agrees")
    assert outcome["hybrid"] == outcome["m_plus"] == StepOutcome("skipped", message=why)
    assert outcome["verdict"].status == "done"
    assert [event[:2] for event in seen.events[:4]] == [
        ("started", "agreement"),
        ("ended", "agreement"),
        ("skipped", "hybrid"),
        ("skipped", "m_plus"),
    ]
    assert decided(branch(), tmp_path)["agreement"] == ("reuse", "unchanged")
    assert decided(branch(), tmp_path)["m_plus"] == ("skip", why)
    again = run(branch(), tmp_path)
    assert again["agreement"].reused and CALLS.count("ends") == 1


def test_a_branch_that_ends_now_leaves_nothing_of_an_earlier_one(tmp_path):
    run(branch(really=False), tmp_path)
    assert (tmp_path / "data" / "kept.jsonl").exists() and (tmp_path / "models" / "m_plus").exists()
    run(branch(really=True), tmp_path)
    assert not (tmp_path / "data" / "kept.jsonl").exists() and not (tmp_path / "models" / "m_plus").exists()
    assert {record["name"] for record in Store(tmp_path).records()} == {"agreement", "numbers", "total", "verdict"}


def test_the_folder_says_what_its_last_run_reached(tmp_path):
    """The first run makes all. The second one stops at its first step, the third skips what needs an ended one."""
    assert Store(tmp_path).reached() is None
    run(graph(), tmp_path)
    first = {name: Store(tmp_path).record(name)["fingerprint"] for name in ("numbers", "total", "verdict")}
    assert Store(tmp_path).reached() == first
    with pytest.raises(UserError):
        run([graph()[0].inputs["total"], Step("bad", fails, {"error": True}, output="data/bad"), *graph()], tmp_path)
    assert Store(tmp_path).reached() == {name: first[name] for name in ("numbers", "total")}
    assert Store(tmp_path).record("verdict")["fingerprint"] == first["verdict"]
    run(branch(), tmp_path)
    assert list(Store(tmp_path).reached()) == ["agreement", "hybrid", "m_plus", "numbers", "total", "verdict"]


def test_what_was_reached_is_told_before_the_next_step_begins(tmp_path):
    run([*graph(), Step("look", looks)], tmp_path)
    assert CALLS == ["numbers", "total", "verdict"] * 2


@pytest.mark.parametrize("content", [b"", b'{"numbers', b"[]", b"\xff"])
def test_what_a_power_cut_spoiled_names_nothing(tmp_path, content):
    run(graph(), tmp_path)
    (tmp_path / ".reached.json").write_bytes(content)
    assert Store(tmp_path).reached() == {}


def test_a_reused_run_waits_for_the_disk_twice(tmp_path, monkeypatch):
    """Where it begins and where it ends, be the steps 3 or 60: each of both syncs the file and its folder."""
    run(graph(), tmp_path)
    synced = []
    monkeypatch.setattr(disk, "_sync", synced.append)
    run(graph(), tmp_path)
    assert synced == [tmp_path / "..reached.json.part", tmp_path] * 2


@pytest.mark.parametrize(("user_error", "raised"), [(True, UserError), (False, KeyboardInterrupt)])
def test_a_step_that_fails_stops_the_run_and_loses_nothing(tmp_path, user_error, raised):
    steps = [*graph(), Step("bad", fails, {"error": user_error}, output="data/bad")]
    with pytest.raises(raised):
        run(steps, tmp_path)
    planned = decided(steps, tmp_path)
    assert planned["verdict"][0] == "reuse"
    assert planned["bad"] == ("run", "partial work is continued")


@pytest.mark.parametrize(("what", "error"), [("result", TypeError), ("nothing", RuntimeError)])
def test_a_careless_step_is_our_failure_and_leaves_the_old_output(tmp_path, what, error):
    run([Step("s", numbers, {"n": 1}, output="data/s")], tmp_path)
    with pytest.raises(error):
        run([Step("s", careless, {"what": what}, output="" if what == "result" else "data/s")], tmp_path)
    assert (tmp_path / "data" / "s").read_text() == "0\n"
    assert (tmp_path / "records" / "s.json").exists()


def test_nothing_of_a_half_written_output_is_left_in_a_later_one(tmp_path):
    store, step = Store(tmp_path), graph()[0].inputs["total"]
    output, _ = store.open(step)
    output.mkdir()
    (output / "torn").write_text("x")
    run(graph(), tmp_path)
    assert [path.name for path in (tmp_path / "models" / "total").rglob("*")] == ["deep", "total.txt"]


def test_expected_seconds_come_from_records_of_the_kind_then_from_given_rates(tmp_path):
    """100 tokens took 4 s: 25 tokens/s, so 300 expected tokens take 12 s; with a rate of 50/s alone, 6 s."""
    steps = graph()
    assert [step.expected_seconds for step in plan(steps, tmp_path)] == [None, None, None]
    assert [step.expected_seconds for step in plan(steps, tmp_path, {"generate": 50})] == [6.0, None, None]
    run(steps, tmp_path)
    path = tmp_path / "records" / "numbers.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(sealed.seal({**record, "seconds": 4.0})))
    planned = plan(graph(n=9), tmp_path, {"generate": 50})
    assert (planned[0].expected_tokens, planned[0].expected_seconds) == (300, 12.0)
    assert planned[1].expected_seconds == json.loads((tmp_path / "records" / "total.json").read_text())["seconds"]
    assert (
        plan(steps, tmp_path)[0].expected_tokens,
        plan(steps, tmp_path)[0].expected_seconds,
    ) == (
        0,
        0.0,
    )
    path.write_text(json.dumps(sealed.seal({**record, "seconds": 4.0, "resumed": True})))
    assert plan(graph(n=9), tmp_path, {"generate": 50})[0].expected_seconds == 6.0


def test_the_observer_gets_start_progress_and_end(tmp_path):
    seen = Seen()
    run(graph(), tmp_path, seen)
    assert seen.events[:2] == [("started", "numbers", "not made yet", 1, 3), ("progress", "numbers", 1, 2, 0)]
    assert seen.events[2][:2] == ("finished", "numbers")


def test_a_folder_that_is_a_file_is_the_user_s_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be used as a run folder"):
        run(graph(), tmp_path / "file")
