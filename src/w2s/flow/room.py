"""Whether a cluster has room for what is asked of it, were nothing else on it. Knows Ray's nodes as mappings only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from w2s.errors import UserError

Nodes = Sequence[Mapping[str, float]]
"""What each node has, by Ray's names: "CPU", "GPU"."""


def rooms(nodes: Nodes, cpus: int, gpus: int) -> list[int]:
    """How many processes with so many CPUs (at least 1) and GPUs each node has room for."""
    return [min(_has(node, "CPU") // cpus, _has(node, "GPU") // gpus if gpus else _has(node, "CPU")) for node in nodes]


def need(nodes: Nodes, count: int, cpus: int, gpus: int) -> None:
    """Refuse what would never start: Ray waits for ever, in case that nodes join.

    Args:
        nodes: those that are there.
        count: processes that are needed at once.
        cpus: of each, on one node.
        gpus: likewise.

    Raises:
        UserError: no node has room for one process, or all together have none for `count`.
    """
    room = sum(rooms(nodes, cpus, gpus))
    if room >= count:
        return
    most = {name: max((_has(node, name) for node in nodes), default=0) for name in ("CPU", "GPU")}
    if room:
        field, expected = "runtime.train_workers", room
    elif gpus > most["GPU"]:
        field, expected = "runtime.tensor_parallel", most["GPU"]
    else:  # or the nodes with enough GPUs have too few CPUs
        field = "runtime.threads"
        expected = max(_has(node, "CPU") for node in nodes if _has(node, "GPU") >= gpus)
    shown = ", ".join(f"{_has(node, 'CPU')} CPUs and {_has(node, 'GPU')} GPUs" for node in nodes[:8])
    raise UserError(
        f"{count} x {cpus} CPUs and {gpus} GPUs are asked for, each on one node, and the cluster has room for {room} "
        f"(its nodes: {shown}{', ...' if len(nodes) > 8 else ''})",
        field=field,
        expected=f"at most {max(1, expected)}",
        mend=f"lower {field}, or let more or larger nodes join before the run starts",
    )


def _has(node: Mapping[str, float], name: str) -> int:
    return int(node.get(name, 0))
