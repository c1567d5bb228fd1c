r"""Equations and inequalities: solved for their variable where it stands alone or enters linearly (ours)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import NamedTuple

from w2s.answers.arithmetic import Tree, names, value
from w2s.answers.bends import STEPS as _STEPS
from w2s.answers.bends import bent
from w2s.answers.fingerprint import CONTEXT, Value, constant, fingerprint, proportional
from w2s.answers.probes import FINE, coordinate

_SYMBOL = r"(?:[A-Za-z]|\\[A-Za-z]+)(?:_(?:[A-Za-z0-9]+|\{[^{}]*\}))?'{0,2}"
DERIVATIVE = re.compile(
    r"\\frac\s?\{\s?(?:d|\\mathrm\s?\{d\})\s?(?:\^\s?\{?[0-9n]\}?)?\s?[A-Za-z]?\s?\}\s?\{\s?(?:d|\\mathrm\s?\{d\})\s?"
    r"[A-Za-z](?:\s?\^\s?\{?[0-9n]\}?)?\s?\}|(?<![A-Za-z\\])d(?:\^[0-9])?\s?[A-Za-z]?\s?/\s?d\s?[A-Za-z](?:\^[0-9])?(?![A-Za-z])"
)
r"""A derivative as Leibniz writes it: \frac{d}{dx}, dy/dx."""
_NAMED = re.compile(
    rf"{_SYMBOL}"
    r"|\\frac\s?\{d[A-Za-z]\}\s?\{d[A-Za-z]\}|d[A-Za-z]\s?/\s?d[A-Za-z]"
    r"|(?:[fghFGHPQ]|\\(?:phi|psi|Phi|Psi)|gcd|lcm|det|deg|max|min|dim|rank|tr|[Aa]rea|[Vv]olume)(?:_(?:[A-Za-z0-9]|\{[^{}]*\}))?(?:\^\{?-1\}?|'{1,2})?\s?\([^()]*\)"
    r"|[A-EI-VWp-w]'{0,2}\s?\([A-Za-z0-9, ]*\)"  # A(x) names an area, but x(x-1) is a product
    r"|\\(?:sin|cos|tan|cot|sec|csc)\s?(?:[A-Za-z]|\\[a-z]+)"
    r"|(?:m\s?)?\\(?:angle|triangle|overline|widehat|vec|hat)\b\s?\{?\s?[A-Za-z' ]*\}?"
    r"|\|?[A-Z]{2,4}\|?"  # AB, ABC
    rf"|\(\s?{_SYMBOL}(?:\s?,\s?{_SYMBOL})+\s?\)"  # (x, y)
)


_TARGETS = 6  # variables tried: an equation in more is compared as it stands


class Bound(NamedTuple):
    """An end of an interval: the key of the number, and whether it belongs to the interval."""

    key: str
    closed: bool


def named(text: str) -> bool:
    """Whether `text` only names what stands on the other side of "=": x, f(x), AB, (x, y)."""
    return _NAMED.fullmatch(text) is not None


def symbol(text: str) -> bool:
    """Whether `text` is one variable."""
    return re.fullmatch(_SYMBOL, text) is not None and text not in (r"\pi", r"\infty", "e", "i", r"\emptyset")


def equation(left: Tree, right: Tree) -> str | None:
    r"""The key of left = right, where one side has variables.

    Linear in a variable with a constant factor: the key of what that variable equals, so that y=2x+1 and 4x-2y+2=0
    have one key. Of several such variables z comes first, then y, capitals, and the rest from the end of the alphabet:
    the choice must be one for all spellings of an equation, and these are what people solve for. |2x-7| = 3 is its two
    solutions. Else the key of "= 0" up to a constant factor.
    """
    free = names(left) | names(right)
    for target in sorted(free, key=_preference)[:_TARGETS]:
        solved = _solved(left, right, target)
        if solved is not None:
            others = sorted(free - {target})
            return fingerprint(others, solved[0], exact=True, dense=bent(left, others) or bent(right, others))
    ends = _absolute(left, right)
    if ends is not None:
        return "{" + ",".join(sorted(set(ends))) + "}" if ends[0] != ends[1] else ends[0]
    dense = bent(left, sorted(free)) or bent(right, sorted(free))
    return proportional(sorted(free), _difference(left, right), exact=True, dense=dense)


def _preference(name: str) -> tuple[int, list[int]]:
    rank = 0 if name == "z" else 1 if name == "y" else 2 if name[0].isupper() else 3
    return rank, [-ord(character) for character in name]


def inequality(left: Tree, sign: str, right: Tree) -> tuple[Bound | None, Bound | None] | str | None:
    r"""What left < right says, for a sign of "<", ">", "<=", ">=".

    Returns:
        Lower and upper bound of the only variable; with more variables the key of the bound on `y`, and for |x| > 2
        that of the two rays; None where it is neither linear nor of this kind.
    """
    free = sorted(names(left) | names(right))
    target = "y" if "y" in free else free[0] if len(free) == 1 else None
    solved = _solved(left, right, target) if target is not None else None
    if target is None or solved is None:
        return _between(left, sign, right)
    bound, positive = solved
    others = [name for name in free if name != target]
    key = fingerprint(others, bound, exact=True, dense=bent(left, others) or bent(right, others))
    below = (sign[0] == "<") == positive
    if key is None:
        return None
    if len(free) > 1:
        return f"{target}{'<' if below else '>'}{sign[1:]}{key}"
    end = Bound(key, sign.endswith("="))
    return (None, end) if below else (end, None)


def _difference(left: Tree, right: Tree) -> Callable[[Mapping[str, Value]], Value]:
    tree = ("sum", left, ("negative", right))
    return lambda point: value(tree, point)


def _solved(left: Tree, right: Tree, target: str) -> tuple[Callable[[Mapping[str, Value]], Value], bool] | None:
    """What `target` equals as a function of the others, and whether left - right grows with it; None if not linear."""
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
    """Whether `target` stands in an absolute value or under a step: there no probe makes sure that it is linear."""
    if tree[0] in ("abs", *_STEPS):
        return target in names(tree)
    return any(_broken(part, target) for part in tree[1:] if isinstance(part, tuple))


def _absolute(left: Tree, right: Tree) -> tuple[str, str] | None:
    """The keys of the two solutions of |ax + b| = c, the smaller one first, for numbers a, b and c >= 0."""
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
    """What |ax + b| < c says: two bounds, or for > the key of two rays."""
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


def _minus(left: Value, right: Value) -> Value:
    return value(("sum", ("name", "l"), ("negative", ("name", "r"))), {"l": left, "r": right})


def _ratio(over: Value, under: Value) -> Value:
    return value(("product", ("name", "o"), ("inverse", ("name", "u"))), {"o": over, "u": under})


def _times(side: int, number: Value) -> Value:
    return number if side > 0 else -number


def united(keys: list[str]) -> list[str]:
    """The keys of the parts of a union, sorted; sets and intervals that touch or overlap are one."""
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
    """Where the interval of a key starts and ends: (1, 2] from (1, 1) to (2, 1), [1, 2) from (1, 0) to (2, 0)."""
    parts = key[1:-1].split(",")
    if key[:1] not in ("(", "[") or key[-1:] not in (")", "]") or len(parts) != 2:
        return None
    try:
        start, end = (float(part) if part.endswith("inf") else Fraction(part) for part in parts)
    except ValueError:
        return None
    return ((start, int(key[0] == "(")), (end, int(key[-1] == "]"))) if start < end else None
