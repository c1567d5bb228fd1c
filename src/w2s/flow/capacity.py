"""Whether a cluster can hold the requested processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from w2s.errors import UserError

Nodes = Sequence[Mapping[str, float]]
"""Resources per node, by Ray's names: "CPU", "GPU"."""


def slots(nodes: Nodes, cpus: int, gpus: int) -> list[int]:
    """Processes that fit on each node; `cpus` (at least 1) and `gpus` per process."""
    return [min(_count(n, "CPU") // cpus, _count(n, "GPU") // gpus if gpus else _count(n, "CPU")) for n in nodes]


def require(nodes: Nodes, processes: int, cpus: int, gpus: int) -> None:
    """Refuse what Ray would wait for forever.

    Raises:
        UserError: fewer than `processes` fit.
    """
    fit = sum(slots(nodes, cpus, gpus))
    if fit >= processes:
        return
    most = {name: max((_count(node, name) for node in nodes), default=0) for name in ("CPU", "GPU")}
    if fit:
        field, limit = "runtime.train_workers", fit
    elif gpus > most["GPU"]:
        field, limit = "runtime.tensor_parallel", most["GPU"]
    else:  # or the nodes with enough GPUs have too few CPUs
        field = "runtime.threads"
        limit = max(_count(node, "CPU") for node in nodes if _count(node, "GPU") >= gpus)
    some = ", ".join(f"{_count(node, 'CPU')} CPUs and {_count(node, 'GPU')} GPUs" for node in nodes[:8])
    raise UserError(
        f"{processes} processes with {cpus} CPUs and {gpus} GPUs each are needed, each on one node, and {fit} fit into "
        f"the cluster (its nodes: {some}{', ...' if len(nodes) > 8 else ''})",
        field=field,
        expected=f"at most {max(1, limit)}",
        hint=f"lower {field}, or add more or larger nodes before the run starts",
    )


def _count(node: Mapping[str, float], name: str) -> int:
    return int(node.get(name, 0))
