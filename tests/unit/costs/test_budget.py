"""A plan's costs, by hand on a small recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from w2s import cli, recipe
from w2s.config import load
from w2s.costs import budget, memory, speed_test
from w2s.costs.budget import Rate
from w2s.errors import UserError
from w2s.flow import decisions
from w2s.flow.work import NO_WORK

SMALL = ["task.train_1=5", "task.train_2=8", "task.test=4", "baselines=[weak_floor]", "preference.losses=[dpo]",
         "training.epochs=2", "weak_training.epochs=1", "max_new_tokens=100", "sampling.n=10"]  # fmt: skip


def planned(tmp_path: Path, *overrides: str, devices: int | None = None, **rates: float) -> Any:
    run = load.load("tiny", [*SMALL, *overrides])
    steps = recipe.build(run, planning=True)
    known = {name.replace("_", " "): Rate(rate, "assumed") for name, rate in rates.items()}
    plan = decisions.plan(steps, tmp_path / "none", {name: rate.tokens_per_second for name, rate in known.items()})
    return plan, budget.budget(plan, steps, run.recipe, known, devices=devices, runtime=run.runtime)


def test_tokens_and_loads_by_hand(tmp_path: Path) -> None:
    """A response is taken to have 35 of 100 tokens, a training example twice that; all selections keep everything.

    Weak model: 8 answers to train_2 and 4 to test; 5 examples, one epoch. Strong: icl_answers, iter1_weak_ft_answers
    and iter1_icl_ft_answers 8 each, m_plus_samples 80, tests of m_plus, m_pro_dpo and two Stage I models 4 each;
    trained twice on 8 examples, on 16 (both sides), and on 8 pairs (two texts each), two epochs each.
    """
    _, found = planned(tmp_path)
    table = {(cost.model, cost.kind): cost for cost in found.costs}
    assert table["weak", "generate"].tokens == 35 * (8 + 4) and table["weak", "generate"].loads == 2
    assert (table["weak", "train"].tokens, table["weak", "train"].loads) == (70 * 5, 1)
    assert table["strong", "generate"].tokens == 35 * (3 * 8 + 80 + 4 * 4) and table["strong", "generate"].loads == 8
    assert table["strong", "train"].tokens == 70 * 2 * (8 + 8 + 16 + 2 * 8) and table["strong", "train"].loads == 4
    assert table["strong", "train"].memory_bytes == 16 * 2_410_560
    assert table["strong", "train"].prefill_tokens == 0 < table["strong", "generate"].prefill_tokens
    assert found.seconds is None and found.device_hours is None and found.assumed == ()


def test_time_at_assumed_rates(tmp_path: Path) -> None:
    """Strong: 35 * 120 = 4200 tokens at 100, 70 * 96 = 6720 at 70; weak: 420 at 10, 350 at 5: 42 + 96 + 42 + 70 s."""
    rates = {"strong_generate": 100, "strong_train": 70, "weak_generate": 10, "weak_train": 5}
    plan, found = planned(tmp_path, devices=8, **rates)
    assert [cost.seconds for cost in found.costs] == pytest.approx([42, 70, 42, 96])
    assert found.seconds == pytest.approx(250) and found.device_hours == pytest.approx(250 * 8 / 3600)
    read = json.loads(json.dumps(budget.as_dict(plan, found)))
    assert read["device_hours"] == pytest.approx(250 * 8 / 3600) and len(read["steps"]) == len(plan)
    assert read["models"]["strong"] == {
        "reference": "w2s:tiny-strong", "parameters": 2_410_560, "layers": 5, "kv_heads": 6, "head_dim": 32,
    }  # fmt: skip


def test_copies_of_the_model_are_counted_where_the_runtime_makes_them(tmp_path: Path) -> None:
    """The strong model has 2,410,560 parameters of 16 bytes in training: once with FSDP, four times with DDP. Three
    workers generate with a copy each. Training holds four devices, more than the three of generation."""
    ray = ("runtime.launcher=ray", "runtime.train_workers=4", "runtime.workers=3")
    found = [planned(tmp_path, *more)[1] for more in ((), ray, (*ray, "runtime.sharding=fsdp"))]
    peaks = [{cost.kind: cost.memory_bytes for cost in one.costs if cost.model == "strong"} for one in found]
    assert [peak["train"] for peak in peaks] == [16 * 2_410_560, 4 * 16 * 2_410_560, 16 * 2_410_560]
    assert peaks[0]["generate"] and [peak["generate"] for peak in peaks[1:]] == [3 * peaks[0]["generate"]] * 2
    assert [one.devices for one in found] == [1, 4, 4]
    # Without a word about workers, 12 devices in groups of 2 are 6 of them.
    _, wide = planned(tmp_path, "runtime.launcher=ray", "runtime.tensor_parallel=2", devices=12)
    assert wide.devices == 12 and wide.costs[-2].memory_bytes == 6 * peaks[0]["generate"]


def test_a_paper_preset_holds_all_eight_devices() -> None:
    """Two groups of four generate, eight processes share one training: 250 s are 2,000 device-seconds, not 1,000."""
    runtime = load.load("gsm8k-llama2-7b-to-llama2-70b").runtime
    devices = memory.devices(runtime)
    assert (devices, memory.copies("generate", runtime, devices), memory.copies("train", runtime, devices)) == (8, 2, 1)
    local = runtime.model_copy(update={"launcher": "local"})
    assert (memory.devices(local), memory.copies("generate", local, 4)) == (4, 1)  # train_workers is Ray's


def test_models_that_are_not_here_are_planned_for_and_unknown_stays_unknown(tmp_path: Path) -> None:
    _, found = planned(
        tmp_path,
        "strong=meta-llama/Llama-2-70b-hf",
        "weak=some/model",
        "runtime.offline=true",
        "engine=vllm",
        "dtype=float32",
    )
    table = {(cost.model, cost.kind): cost for cost in found.costs}
    assert found.models["strong"].parameters == 68_976_648_192 and found.models["weak"].parameters is None
    assert table["weak", "generate"].memory_bytes is None and table["weak", "train"].memory_bytes is None
    # float32 weights, 8 questions of 10 samples: 80 rows of 100 tokens and a prompt, 655,360 bytes per token.
    weights, rows = 4 * 68_976_648_192, 80 * 100 * 655_360
    peak = table["strong", "generate"].memory_bytes
    assert peak is not None and weights + rows < peak < weights + 4 * rows
    assert len(found.assumed) == 2 and "some/model" in found.assumed[0]


def test_a_run_that_is_made_costs_nothing(tmp_path: Path) -> None:
    run = load.load("tiny", SMALL)
    steps = recipe.build(run)
    plan = [decisions.PlannedStep(s.name, s.kind, "reuse", "unchanged", 0, 0.0, s.rate, NO_WORK) for s in steps]
    found = budget.budget(plan, steps, run.recipe, {})
    assert found.costs == () and found.seconds == 0


@pytest.mark.parametrize(
    ("text", "by_role", "expected"),
    [
        ("2000", False, {"weak": 2000.0, "strong": 2000.0}),
        ("strong=70e9,weak=7e9", True, {"strong": 70e9, "weak": 7e9}),
        ("weak=5", False, {"weak": 5.0}),
    ],
)
def test_figures(text: str, by_role: bool, expected: dict[str, float]) -> None:
    assert budget.figures(text, "--x", by_role) == expected


@pytest.mark.parametrize(
    ("text", "by_role"),
    [("fast", False), ("0", False), ("-1", False), ("nan", False), ("inf", False), ("", False), ("7e9", True),
     ("middle=3", True), ("weak=1,weak=2", True), ("weak=1,", True)],
)  # fmt: skip
def test_figures_that_make_no_sense(text: str, by_role: bool) -> None:
    with pytest.raises(UserError, match="cannot be used"):
        budget.figures(text, "--x", by_role)


def test_the_verb_prints_costs_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "none")]
    rates = ["--tokens-per-second", "strong=100,weak=10", "--train-tokens-per-second", "strong=70,weak=5"]
    assert cli.main(["plan", *SMALL, *out, *rates, "--devices", "8"]) == 0
    text = capsys.readouterr().out
    assert "at these rates: 0.556 GPU-hours on 8 devices" in text and "100 assumed" in text
    assert "strong  w2s:tiny-strong, 2.41 M parameters" in text
    assert cli.main(["plan", *SMALL, *out, "--json", "--parameters", "strong=5e9"]) == 0
    read = json.loads(capsys.readouterr().out)
    assert read["models"]["strong"]["parameters"] == 5_000_000_000 and read["seconds"] is None
    assert not (tmp_path / "none").exists()
    assert cli.main(["plan", *SMALL, *out, "--parameters", "5e9"]) == 2


@pytest.mark.parametrize("option", ["--speed-test", "--probe"])
def test_measured_speeds_stand_behind_those_of_the_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    measured = {"generate": {"weak": 30.0, "strong": 20.0}, "train": {"weak": 3.0, "strong": 2.0}}
    monkeypatch.setattr(speed_test, "measure", lambda run, questions: measured if len(questions) == 8 else None)
    arguments = ["plan", *SMALL, "--out", str(tmp_path / "none"), option, "--tokens-per-second", "weak=100", "--json"]
    assert cli.main(arguments) == 0
    rates = {(c["model"], c["kind"]): c["rate"] for c in json.loads(capsys.readouterr().out)["costs"]}
    assert rates["weak", "generate"] == {"tokens_per_second": 100.0, "source": "assumed"}
    assert rates["strong", "train"] == {"tokens_per_second": 2.0, "source": "measured"}
