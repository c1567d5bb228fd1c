"""The recipe on a Ray cluster of three nodes, one of them lost in the middle, against the same without Ray."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="Ray is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.timeout(1200)]

OVERRIDES = ("task.train_2=110", "sampling.n=10", "baselines=[]", "runtime.threads=1", "runtime.device=cpu")


def contents(folder: Path) -> dict[str, bytes]:
    """Data and weights of a run."""
    found = [*(folder / "data").rglob("*.jsonl"), *(folder / "models").rglob("*.safetensors")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(found)}


def fingerprints(folder: Path) -> dict[str, str]:
    """Of every step but the one that writes recipe.yaml, which says where the run happened."""
    records = [path for path in (folder / "records").iterdir() if path.stem != "recipe"]
    return {path.stem: json.loads(path.read_text())["fingerprint"] for path in records}


def sampling(folder: Path) -> bool:
    """Whether a batch of samples is on disk: of 1,100 texts, which are more than one batch, others are under way then.

    The journal goes when the step ends.
    """
    return any(b"\n" in path.read_bytes() for path in folder.glob(".work/m_plus_samples-*/scratch/journal-*.jsonl"))


def test_a_cluster_gives_the_same_files_though_a_node_is_lost(w2s: Any, small: tuple[str, ...], tmp_path: Path) -> None:
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    try:
        options = ("runtime.launcher=ray", f"runtime.address={cluster.address}", "runtime.workers=2")
        command = [sys.executable, "-m", "w2s", "run", *small, *OVERRIDES, *options, "--out", str(tmp_path / "ray")]
        with (tmp_path / "log").open("wb") as log:
            run = subprocess.Popen(command, stdout=log, stderr=log)
            sampled = tmp_path / "ray" / "records" / "m_plus_samples.json"
            while run.poll() is None and not sampled.exists() and not sampling(tmp_path / "ray"):
                time.sleep(0.02)
            assert run.poll() is None and not sampled.exists(), "sampling was over before a node could be lost"
            cluster.remove_node(nodes[1])
            assert run.wait(900) == 0, (tmp_path / "log").read_text()[-3000:]
    finally:
        ray.shutdown()
        cluster.shutdown()
    local = w2s("run", *small, *OVERRIDES, "--out", str(tmp_path / "local"))
    assert local.returncode == 0, local.stderr
    assert fingerprints(tmp_path / "ray") == fingerprints(tmp_path / "local")
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    models = [json.loads((tmp_path / name / "results.json").read_text())["models"] for name in ("ray", "local")]
    assert models[0] == models[1]
