"""What fits into a cluster, by hand."""

from __future__ import annotations

import pytest

from w2s.errors import UserError
from w2s.flow import capacity

TWO = [{"CPU": 16.0, "GPU": 6.0}, {"CPU": 8.0, "GPU": 8.0}]
"""Fourteen GPUs; a worker of four fits one node once, the other twice."""


@pytest.mark.parametrize(
    ("cpus", "gpus", "expected"),
    [(1, 4, [1, 2]), (8, 4, [1, 1]), (1, 0, [16, 8]), (16, 0, [1, 0]), (16, 8, [0, 0]), (1, 14, [0, 0])],
)
def test_each_process_lies_on_one_node(cpus: int, gpus: int, expected: list[int]) -> None:
    assert capacity.slots(TWO, cpus, gpus) == expected
    assert capacity.slots([{"memory": 1.0}], cpus, gpus) == [0]  # a head that takes no work


@pytest.mark.parametrize(
    ("count", "cpus", "gpus", "field", "most"),
    [
        (1, 1, 12, "tensor_parallel", 8),  # fourteen in all, on two nodes
        (1, 17, 0, "threads", 16),
        (1, 16, 8, "threads", 8),  # the node with eight GPUs has eight CPUs
        (15, 1, 1, "train_workers", 14),
        (4, 8, 4, "train_workers", 2),
    ],
)
def test_the_field_to_lower_is_named(count: int, cpus: int, gpus: int, field: str, most: int) -> None:
    with pytest.raises(UserError, match=rf"(?s)runtime\.{field}\].*expected: at most {most}\b"):
        capacity.require(TWO, count, cpus, gpus)


def test_what_fits_passes() -> None:
    capacity.require(TWO, 14, 1, 1)
    capacity.require(TWO, 3, 1, 4)
    with pytest.raises(UserError, match=r"runtime\.threads"):
        capacity.require([{"memory": 1.0}], 1, 1, 0)
