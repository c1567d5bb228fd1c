"""A recipe whose models TRL trains, online stage included, through the command line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("trl")

Cli = Callable[..., subprocess.CompletedProcess[str]]


def test_what_trl_has_not_is_refused_before_anything_is_written(w2s: Cli, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for arguments, field in (
        (["strategies=[vote_reward]"], "trainer"),
        (["trainer=trl", "strategies=[scpo]"], "strategies"),
        (["trl.packing=true"], "trl.packing"),
    ):
        done = w2s("run", "tiny", "task.train_1=5", "task.train_2=5", "task.test=5", *arguments, "--out", str(out))
        assert done.returncode == 2 and f"[{field}]" in done.stderr and "hint" in done.stderr, done.stderr
        assert not out.exists()


@pytest.mark.nightly
def test_a_whole_recipe_is_trained_by_trl(w2s: Cli, small: tuple[str, ...], tmp_path: Path) -> None:
    out = tmp_path / "run"
    settings = ["trainer=trl", "strategies=[weak_to_strong, vote_reward]", "preference.batch_size=16"]
    done = w2s("run", *small, *settings, "--out", str(out))
    assert done.returncode == 0, done.stderr
    results = json.loads((out / "results.json").read_text())
    assert {"m_plus", "m_pro_dpo", "vote_reward"} <= results["models"].keys()
    assert results["strategies"]["vote_reward"]["weak_contribution"] is None, "it uses no weak label"
    records = {name: json.loads((out / "records" / f"{name}.json").read_text()) for name in ("m_plus", "vote_reward")}
    assert all(record["payload"]["params"]["trainer"] == "trl" for record in records.values())
    assert {"trl", "accelerate"} <= records["m_plus"]["provenance"].keys()
    checks = records["vote_reward"]["result"]["checks"]
    assert checks[0]["step"] == 0 and len(checks) > 1
    again = w2s("plan", *small, *settings, "trainer=w2s", "strategies=weak_to_strong", "--out", str(out))
    assert 'trainer removed (was "trl")' in again.stdout
    same = w2s("run", *small, *settings, "--out", str(out))
    assert same.returncode == 0 and json.loads((out / "records" / "m_plus.json").read_text()) == records["m_plus"]
