"""Keys of equations and inequalities, solved for a variable where possible (ours)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from w2s.answers.math.arithmetic import Tree, names, value
from w2s.answers.math.cost import OverBudget
from w2s.answers.math.fingerprint import CONTEXT, Value, constant, fingerprint, proportional
from w2s.answers.math.points import COARSE, DENSE, FINE, coordinate

_SYMBOL = r"(?:[A-Za-z]|\\[A-Za-z]+)(?:_(?:[A-Za-z0-9]+|\{[^{}]*\}))?'{0,2}"
DERIVATIVE = re.compile(
    r"\\frac\s?\{\s?(?:d|\\mathrm\s?\{d\})\s?(?:\^\s?\{?[0-9n]\}?)?\s?[A-Za-z]?\s?\}\s?\{\s?(?:d|\\mathrm\s?\{d\})\s?"
    r"[A-Za-z](?:\s?\^\s?\{?[0-9n]\}?)?\s?\}|(?<![A-Za-z\\])d(?:\^[0-9])?\s?[A-Za-z]?\s?/\s?d\s?[A-Za-z](?:\^[0-9])?(?![A-Za-z])"
)
r"""Leibniz's derivative: \frac{d}{dx}, dy/dx."""
_NAMED = re.compile(
    rf"{_SYMBOL}"
    r"|\\frac\s?\{d[A-Za-z]\}\s?\{d[A-Za-z]\}|d[A-Za-z]\s?/\s?d[A-Za-z]"
    r"|(?:[fghFGHPQ]|\\(?:phi|psi|Phi|Psi)|gcd|lcm|det|deg|max|min|dim|rank|tr|[Aa]rea|[Vv]olume)(?:_(?:[A-Za-z0-9]|\{[^{}]*\}))?(?:\^\{?-1\}?|'{1,2})?\s?\([^()]*\)"
    r"|[A-EI-VWp-w]'{0,2}\s?\([A-Za-z0-9, ]*\)"  # A(x) names an area, but x(x-1) is a product
    r"|\\(?:sin|cos|tan|cot|sec|csc)\s?(?:[A-Za-z]|\\[a-z]+)"
    r"|(?:m\s?)?\\(?:angle|triangle|overline|widehat|vec|hat)\b\s?\{?\s?[A-Za-z' ]*\}?"
    r"|\|?[A-Z]{2,4}\|?"  # AB, ABC
    r"|[A-Za-z]{1,3}(?:\s?:\s?[A-Za-z]{1,3}){1,3}"  # a:b, AB:BC
    r"|\\frac\s?\{\s?[A-Z]{2,4}\s?\}\s?\{\s?[A-Z]{2,4}\s?\}|[A-Z]{2}\s?/\s?[A-Z]{2}"  # AB/BC
    rf"|\(\s?{_SYMBOL}(?:\s?,\s?{_SYMBOL})+\s?\)"  # (x, y)
)
_STEPS = ("floor", "ceil")
_TARGETS = 6  # variables tried: an equation in more is compared as it stands


class Bound(NamedTuple):
    """The key of an interval's end, and whether the interval has it."""

    key: str
    closed: bool


def named(text: str) -> bool:
    """Whether `text` only names the other side of "=": x, f(x), AB, (x, y)."""
    return _NAMED.fullmatch(text) is not None


def symbol(text: str) -> bool:
    """Whether `text` is one variable."""
    return re.fullmatch(_SYMBOL, text) is not None and text not in (r"\pi", r"\infty", "e", "i", r"\emptyset")


def equation(left: Tree, right: Tree) -> str | None:
    """The key of left = right, where one side has variables.

    Linear in a variable, by a constant factor: the key of its solution. The order of variables is fixed, so that all
    spellings agree. |2x-7| = 3: two solutions. Else: left - right, up to a constant factor.
    """
    free = names(left) | names(right)
    for target in sorted(free, key=_preference)[:_TARGETS]:
        solved = _solved(left, right, target)
        if solved is not None:
            others = sorted(free - {target})
            return fingerprint(
                others, solved[0], exact=True, dense=needs_dense(left, others) or needs_dense(right, others)
            )
    ends = _absolute(left, right)
    if ends is not None:
        return "{" + ",".join(sorted(set(ends))) + "}" if ends[0] != ends[1] else ends[0]
    dense = needs_dense(left, sorted(free)) or needs_dense(right, sorted(free))
    return proportional(sorted(free), _difference(left, right), exact=True, dense=dense)


def _preference(name: str) -> tuple[int, list[int]]:
    rank = 0 if name == "z" else 1 if name == "y" else 2 if name[0].isupper() else 3
    return rank, [-ord(character) for character in name]


def inequality(left: Tree, sign: str, right: Tree) -> tuple[Bound | None, Bound | None] | str | None:
    """The meaning of left < right, for a sign of "<", ">", "<=", ">=".

    Returns:
        The lower and upper bound of the only variable, a key if there are more or two rays, or None.
    """
    free = sorted(names(left) | names(right))
    for target in sorted(free, key=lambda name: (name != "y", _preference(name)))[:_TARGETS]:
        solved = _solved(left, right, target)
        if solved is not None:
            break
    else:
        return _between(left, sign, right) or _signed(left, sign, right)
    bound, positive = solved
    others = [name for name in free if name != target]
    key = fingerprint(others, bound, exact=True, dense=needs_dense(left, others) or needs_dense(right, others))
    below = (sign[0] == "<") == positive
    if key is None:
        return None
    if len(free) > 1:
        return f"{target}{'<' if below else '>'}{sign[1:]}{key}"
    end = Bound(key, sign.endswith("="))
    return (None, end) if below else (end, None)


def needs_dense(tree: Tree, free: Sequence[str]) -> bool:
    """Whether the usual points could hide a step or far kink of `tree`."""
    for node in _nodes(tree):
        if names(node).isdisjoint(free):
            continue
        if node[0] in _STEPS:
            return True
        near = {_positive(node[1], index) for index in (*FINE, *COARSE)} - {None}
        if len(near) == 1 and {_positive(node[1], index) for index in DENSE} - near - {None}:
            return True
    return False


def _nodes(tree: Tree) -> Iterator[Tree]:
    if tree[0] in ("abs", *_STEPS):
        yield tree
    for part in tree[1:]:
        if isinstance(part, tuple):
            yield from _nodes(part)


def _positive(tree: Tree, index: int) -> bool | None:
    point: Mapping[str, Value] = {name: coordinate(name, index) for name in names(tree)}
    try:
        here = value(tree, point)
    except OverBudget:
        raise
    except Exception:
        return None
    return None if isinstance(here, CONTEXT.mpc) or here == 0 else bool(here > 0)


def _difference(left: Tree, right: Tree) -> Callable[[Mapping[str, Value]], Value]:
    tree = ("sum", left, ("negative", right))
    return lambda point: value(tree, point)


def _solved(left: Tree, right: Tree, target: str) -> tuple[Callable[[Mapping[str, Value]], Value], bool] | None:
    """`target` as a function, and whether left - right grows."""
    if _broken(left, target) or _broken(right, target):
        return None
    gap = _difference(left, right)

    def step(point: Mapping[str, Value]) -> Value:
        return _minus(gap({**point, target: point[target] + 1}), gap(point))

    free = sorted(names(left) | names(right))
    somewhere = {name: coordinate(name, FINE[0]) for name in free}
    slope = constant(free, step)
    if slope is None or slope == 0 or isinstance(slope, CONTEXT.mpc):
        return None

    def solution(point: Mapping[str, Value]) -> Value:
        start = gap({**point, target: Fraction(0)})
        return _ratio(
            start, -(slope if isinstance(slope, Fraction) else step(somewhere))
        )  # at the precision of the moment

    return solution, slope > 0


def _broken(tree: Tree, target: str) -> bool:
    if tree[0] in ("abs", *_STEPS):
        return target in names(tree)
    return any(_broken(part, target) for part in tree[1:] if isinstance(part, tuple))


def _absolute(left: Tree, right: Tree) -> tuple[str, str] | None:
    """Keys of the solutions of |ax + b| = c, smaller first."""
    if right[0] == "abs":
        left, right = right, left
    free = names(left)
    if left[0] != "abs" or len(free) != 1 or names(right):
        return None
    inside, (target,) = left[1], free
    if _broken(inside, target):
        return None
    slope = constant([target], lambda point: _minus(value(inside, {target: point[target] + 1}), value(inside, point)))
    size = constant([], lambda point: value(right, point))
    if slope is None or size is None or slope == 0 or any(isinstance(each, CONTEXT.mpc) for each in (slope, size)):
        return None
    if size < 0:
        return None

    def end(side: int) -> str | None:
        def at(point: Mapping[str, Value]) -> Value:
            start = value(inside, {target: Fraction(0)})
            factor = _minus(value(inside, {target: Fraction(1)}), start)
            return _ratio(_minus(_times(side if slope > 0 else -side, value(right, {})), start), factor)

        return fingerprint([], at, exact=True)

    low, high = end(-1), end(1)
    return None if low is None or high is None else (low, high)


def _between(left: Tree, sign: str, right: Tree) -> tuple[Bound, Bound] | str | None:
    """Bounds of |ax + b| < c; for > a key."""
    if right[0] == "abs":
        left, sign, right = right, sign.translate(str.maketrans("<>", "><")), left
    ends = _absolute(left, right)
    if ends is None or ends[0] == ends[1]:
        return None
    closed = sign.endswith("=")
    if sign[0] == "<":
        return Bound(ends[0], closed), Bound(ends[1], closed)
    rays = f"(-inf,{ends[0]}{']' if closed else ')'}", f"{'[' if closed else '('}{ends[1]},inf)"
    return "u" + ",".join(united(list(rays)))


def _signed(left: Tree, sign: str, right: Tree) -> str | None:
    free = sorted(names(left) | names(right))
    if len(free) < 2:
        return None
    tree = ("sum", left, ("negative", right))
    dense = needs_dense(tree, free)
    key = proportional(free, _difference(left, right), exact=True, dense=dense)
    here = next((each for each in (_positive(tree, index) for index in FINE) if each is not None), None)
    if key is None or here is None:
        return None
    return f"{'<' if (sign[0] == '<') == here else '>'}{sign[1:]}{key}"


def _minus(left: Value, right: Value) -> Value:
    return value(("sum", ("name", "l"), ("negative", ("name", "r"))), {"l": left, "r": right})


def _ratio(over: Value, under: Value) -> Value:
    return value(("product", ("name", "o"), ("inverse", ("name", "u"))), {"o": over, "u": under})


def _times(side: int, number: Value) -> Value:
    return number if side > 0 else -number


def united(keys: list[str]) -> list[str]:
    """The sorted keys of a union's parts; those that touch are one."""
    sets = [key for key in keys if key.startswith("{") and not re.search(r"[(\[{]", key[1:])]
    spans = [(key, ends) for key in keys if (ends := _ends(key)) is not None]
    others = sorted(set(keys) - set(sets) - {key for key, _ in spans})
    if sets:
        others.append("{" + ",".join(sorted({part for key in sets for part in key[1:-1].split(",")})) + "}")
    merged: list[tuple[str, tuple[_End, _End]]] = []
    for key, (start, end) in sorted(spans, key=lambda span: span[1]):
        if merged and (start[0], start[1]) <= (merged[-1][1][1][0], merged[-1][1][1][1]):
            last, (first, reach) = merged[-1]
            if end > reach:
                joined = last.partition(",")[0] + "," + key.partition(",")[2]
                merged[-1] = (joined, (first, end))
        else:
            merged.append((key, (start, end)))
    return [*(key for key, _ in merged), *others]


_End = tuple[float | Fraction, int]


def _ends(key: str) -> tuple[_End, _End] | None:
    """(1, 2] is (1, 1) to (2, 1); [1, 2) is (1, 0) to (2, 0)."""
    parts = key[1:-1].split(",")
    if key[:1] not in ("(", "[") or key[-1:] not in (")", "]") or len(parts) != 2:
        return None
    try:
        start, end = (float(part) if part.endswith("inf") else Fraction(part) for part in parts)
    except ValueError:
        return None
    return ((start, int(key[0] == "(")), (end, int(key[-1] == "]"))) if start < end else None
