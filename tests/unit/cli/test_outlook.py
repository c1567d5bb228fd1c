"""The first lines of a plan."""

from __future__ import annotations

from w2s.cli import outlook
from w2s.costs.budget import Budget, Cost
from w2s.costs.disk import StepBytes
from w2s.costs.plan import Plan
from w2s.findings import Finding
from w2s.flow.decisions import PlannedStep

STEP = PlannedStep("m", "train", "run", "not made yet", 5, None)


def made(*findings: Finding, cost: Cost | None = None, **more: object) -> Plan:
    costs = (cost or Cost("strong", "train", 1, 0, 5, 20 * 2**30, 7620.0, None),)
    return Plan([STEP], Budget(costs, {}, {}, (), 1), {}, (), findings=findings, **more)  # type: ignore[arg-type]


def test_the_answer_comes_in_order_and_at_most_80_wide() -> None:
    gone = Finding("there is no model './nope' " + "and this is a long story " * 4, "strong", refusal=True)
    note = Finding("half of it is small", "limit", "take more")
    sizes = {"disk": [StepBytes("m", 427 * 10**9)], "free_disk": 3 * 10**9, "fetched": 14 * 10**9}
    lines = outlook.lines(made(gone, note, **sizes, free_memory=2**30))
    assert lines[0].startswith("missing   strong: there is no model './nope'") and lines[1].startswith(" " * 10)
    assert lines[-6:] == [
        "disk      427 GB at most, 3 GB free, and 14 GB of models to fetch",
        "memory    20.0 GiB and activations (strong train), 1.0 GiB free",
        "time      2 h 07 min",
        "steps     1 run, not made yet: m",
        "          --steps shows each with its tokens and time",
        "note      limit: half of it is small (take more)",
    ]
    assert max(map(len, lines)) <= 80


def test_what_is_unknown_is_said() -> None:
    unknown = Cost("strong", "train", 1, 0, 5, None, None, None)
    assert outlook.lines(made(cost=unknown, disk=[StepBytes("m", None)]))[:4] == [
        "missing   nothing",
        "disk      unknown",
        "memory    unknown: a model's size is not known here (--parameters)",
        "time      unknown: --speed-test measures it",
    ]


def test_of_a_generation_memory_is_about_what_is_said() -> None:
    """3 GiB = 3 * 2**30 bytes; the engine `scripted` has no model, and needs 0."""
    for bytes_, said in ((3 * 2**30, "about 3.0 GiB (strong generate)"), (0, "little")):
        cost = Cost("strong", "generate", 1, 0, 5, bytes_, 60.0, None)
        assert outlook.lines(made(cost=cost))[2] == f"memory    {said}"


def test_a_finished_run_is_one_line() -> None:
    reused = PlannedStep("m", "train", "reuse", "unchanged", 0, 0.0)
    plan = Plan([reused], Budget((), {}, {}, (), 1), {}, ())
    assert outlook.lines(plan) == ["missing   nothing: every step is reused"]


def test_steps_stand_by_reason_and_the_first_are_named() -> None:
    """Of eight that are not made yet the six that train are named; what changed is first, what is reused last."""
    steps = [PlannedStep(f"a{n}", "train" if n > 1 else "", "run", "not made yet", 5, None) for n in range(8)]
    steps += [PlannedStep("b", "train", "reuse", "unchanged", 0, 0.0)] * 3
    steps += [PlannedStep("c", "train", "rerun", "seed changed from 0 to 1", 5, None)]
    plan = Plan(steps, Budget((), {}, {}, (), 1), {}, ())
    assert outlook.lines(plan)[4:] == [
        "steps     1 rerun, seed changed from 0 to 1: c",
        "          8 run, not made yet: a2, a3, a4, a5, a6, a7 and 2 more",
        "          3 reuse",
        "          --steps shows each with its tokens and time",
    ]
