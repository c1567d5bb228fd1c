"""Whether the values of a function at the usual points could hide a step or a bend of it (ours)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from w2s.answers.arithmetic import Tree, names, value
from w2s.answers.cost import Spent
from w2s.answers.fingerprint import CONTEXT, Value
from w2s.answers.probes import COARSE, DENSE, FINE, coordinate

STEPS = ("floor", "ceil")


def bent(tree: Tree, free: Sequence[str]) -> bool:
    """Whether `tree` has a floor or ceiling of the variables `free`, or a |...| whose inside changes sign only far out.

    Where it turns among the usual points they show it, and where it never does |x^2 + 1| is x^2 + 1.
    """
    for node in _nodes(tree):
        if names(node).isdisjoint(free):
            continue
        if node[0] in STEPS:
            return True
        near = {_positive(node[1], index) for index in (*FINE, *COARSE)} - {None}
        if len(near) == 1 and {_positive(node[1], index) for index in DENSE} - near - {None}:
            return True
    return False


def _nodes(tree: Tree) -> Iterator[Tree]:
    if tree[0] in ("abs", *STEPS):
        yield tree
    for part in tree[1:]:
        if isinstance(part, tuple):
            yield from _nodes(part)


def _positive(tree: Tree, index: int) -> bool | None:
    point: Mapping[str, Value] = {name: coordinate(name, index) for name in names(tree)}
    try:
        found = value(tree, point)
    except Spent:
        raise
    except Exception:
        return None
    return None if isinstance(found, CONTEXT.mpc) or found == 0 else bool(found > 0)
