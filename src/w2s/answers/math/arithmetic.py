"""The value of an expression tree: an exact fraction where possible, else an `mpmath` number (ours).

A term too small to show in the compared digits is an error, not zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from w2s.answers.math.cost import spend
from w2s.answers.math.fingerprint import CONTEXT, Value

Tree = tuple[Any, ...]
"""`("number", Fraction)`, `("name", str)`, `("constant", str)`, or an operation followed by its operands."""

_MAX_BITS = 20_000  # of an exact number
_MAX_LOG2 = 1_000_000  # of a power: beyond it nothing is computed
_MAX_FACTORIAL = 5000
_APART = 208  # bits, 62 digits: of two terms further apart than this one would vanish in the other
_SNAP = 24  # bits: what is left of a sum below its precision plus these is rounding alone

_COSTS = {  # microseconds on a slow core
    "sum": 4, "product": 4, "negative": 1, "inverse": 2, "degrees": 4, "abs": 2, "floor": 5, "ceil": 5, "power": 40,
    "factorial": 100, "binomial": 500, "erf": 80,
}  # fmt: skip
_COMPLEX = 1500  # more, for gamma off the real line
_BITS = 25  # of an exact number, that one more microsecond can work on

_ANGLES = frozenset(["sin", "cos", "tan", "cot", "sec", "csc"])


def names(tree: Tree) -> set[str]:
    """The variables in a tree."""
    if tree[0] == "name":
        return {tree[1]}
    return set().union(*(names(part) for part in tree[1:] if isinstance(part, tuple)))


def value(tree: Tree, point: Mapping[str, Value], angle: bool = False) -> Value:
    """The value of a tree at a point.

    Raises:
        ArithmeticError, ValueError: no value, or none to trust.
    """
    kind = tree[0]
    if kind == "number":
        return tree[1]
    if kind == "name":
        return point[tree[1]]
    if kind == "constant":
        return CONTEXT.mpc(0, 1) if tree[1] == "i" else +getattr(CONTEXT, tree[1])
    spend(_COSTS.get(kind, 30))
    if kind in _ANGLES:
        return _numeric(kind, value(tree[1], point, angle=True))
    parts = [value(part, point, angle) for part in tree[1:]]
    if kind == "sum":
        return _sum(parts)
    if kind == "product":
        return _product(parts)
    if kind == "negative":
        return -parts[0]
    if kind == "inverse":
        return 1 / parts[0]
    if kind == "power":
        return _raised(parts[0], parts[1])
    if kind == "degrees":
        return _product([parts[0], CONTEXT.pi / 180]) if angle else parts[0]
    if kind == "factorial":
        return _factorial(parts[0])
    if kind == "binomial":
        return _binomial(parts[0], parts[1])
    if kind == "abs":
        return abs(parts[0])
    if kind in ("floor", "ceil"):
        return _step(kind, parts[0])
    return _numeric(kind, parts[0])


def _exact(number: Value) -> bool:
    return isinstance(number, (int, Fraction))


def _lifted(number: Value) -> Value:
    return CONTEXT.mpf(number.numerator) / number.denominator if _exact(number) else number


def _trimmed(number: Value) -> Value:
    """`number`, inexact if huge, without a part that is rounding."""
    if _exact(number):
        bits = max(number.numerator.bit_length(), number.denominator.bit_length())
        if bits > 20 * _BITS:
            spend(bits // _BITS)
        return number if bits <= _MAX_BITS else _lifted(number)
    if isinstance(number, CONTEXT.mpc):
        if CONTEXT.mag(number.imag) < CONTEXT.mag(number.real) - CONTEXT.prec + _SNAP:
            return number.real
        if CONTEXT.mag(number.real) < CONTEXT.mag(number.imag) - CONTEXT.prec + _SNAP:
            return CONTEXT.mpc(0, number.imag)
    return number


def _sum(terms: list[Value]) -> Value:
    total: Value = Fraction(0)
    rest: Value = None
    for term in terms:
        if _exact(term):
            total = _trimmed(total + term)
        else:
            rest = term if rest is None else _added(rest, term)
    if rest is None:
        return total
    return _added(rest, _lifted(total)) if total else rest


def _added(left: Value, right: Value) -> Value:
    if left == 0 or right == 0:
        return left + right
    total = left + right
    high, low = CONTEXT.mag(left), CONTEXT.mag(right)
    high, low = max(high, low), min(high, low)
    if high - low > _APART:
        raise ArithmeticError("a term too small to see")
    if total == 0 or CONTEXT.mag(total) < high - CONTEXT.prec + _SNAP:
        return CONTEXT.mpf(0)
    return _trimmed(total)


def _product(factors: list[Value]) -> Value:
    total: Value = Fraction(1)
    rest: Value = None
    for factor in factors:
        if _exact(factor):
            total = _trimmed(total * factor)
        else:
            rest = factor if rest is None else _trimmed(rest * factor)
    if rest is None or total == 0:
        return total
    return rest if total == 1 else _trimmed(rest * _lifted(total))


def _raised(base: Value, exponent: Value) -> Value:
    if not _exact(exponent) and CONTEXT.im(exponent) == 0 and exponent == CONTEXT.nint(CONTEXT.re(exponent)):
        exponent = Fraction(int(exponent))
    if _exact(exponent) and exponent == 0:
        if base == 0:
            raise ArithmeticError("0^0")
        return Fraction(1)
    if base == 0:
        if (exponent if _exact(exponent) else CONTEXT.re(exponent)) < 0:
            raise ArithmeticError("1/0")
        return Fraction(0)
    if abs(_bits(base) * exponent) > _MAX_LOG2:
        raise ArithmeticError("too large")
    if not _exact(exponent):
        return _trimmed(CONTEXT.power(_lifted(base), exponent))
    if _exact(base):
        power = _exact_power(Fraction(base), Fraction(exponent))
        if power is not None:
            return power
    if exponent.denominator == 1:
        return _trimmed(_lifted(base) ** int(exponent))
    base = _lifted(base)
    if exponent.denominator % 2 and not isinstance(base, CONTEXT.mpc) and base < 0:  # a real odd root
        return (-1) ** (exponent.numerator % 2) * CONTEXT.power(-base, _lifted(exponent))
    return _trimmed(CONTEXT.power(base, _lifted(exponent)))


def _bits(number: Value) -> int:
    if _exact(number):
        return max(1, number.numerator.bit_length(), number.denominator.bit_length())
    return max(1, abs(CONTEXT.mag(number)))


def _exact_power(base: Fraction, exponent: Fraction) -> Fraction | None:
    root = exponent.denominator
    if root > 64 or (base < 0 and root % 2 == 0):
        return None
    if _bits(base) * abs(exponent.numerator) > _MAX_BITS * root:
        return None
    if root > 1:
        over, under = _root(abs(base.numerator), root), _root(base.denominator, root)
        if over is None or under is None:
            return None
        base = Fraction(over if base > 0 else -over, under)
    return base**exponent.numerator


def _root(number: int, degree: int) -> int | None:
    if degree == 2:
        near = math.isqrt(number)
    else:
        if number.bit_length() > 1000:
            return None
        near = round(float(number) ** (1 / degree)) if number.bit_length() < 1000 else 0
        while near**degree < number and (near + 1) ** degree <= number:
            near += max(1, (number - near**degree) // (degree * max(near, 1) ** (degree - 1) * 2))
    return near if near**degree == number else None


def _factorial(number: Value) -> Value:
    number = _whole(number)
    if _exact(number) and number.denominator == 1:
        if not 0 <= number <= _MAX_FACTORIAL:
            raise ArithmeticError("factorial")
        return _trimmed(Fraction(math.factorial(int(number))))
    return CONTEXT.gamma(_gamma(number) + 1)


def _binomial(over: Value, under: Value) -> Value:
    over, under = _whole(over), _whole(under)
    if _exact(over) and _exact(under) and over.denominator == under.denominator == 1:
        if not (0 <= over <= _MAX_FACTORIAL and under >= 0):
            raise ArithmeticError("binomial")
        return _trimmed(Fraction(math.comb(int(over), int(under))))
    return CONTEXT.binomial(_gamma(over), _gamma(under))


def _gamma(number: Value) -> Value:
    number = _bounded(_lifted(number), _MAX_FACTORIAL)
    if isinstance(number, CONTEXT.mpc):
        spend(_COMPLEX)
    return number


def _whole(number: Value) -> Value:
    if _exact(number) or isinstance(number, CONTEXT.mpc):
        return number
    near = CONTEXT.nint(number)
    rounding = CONTEXT.mpf(10) ** (20 - CONTEXT.dps)
    return Fraction(int(near)) if abs(near) < 2**60 and abs(number - near) < rounding else number


def _step(kind: str, number: Value) -> Value:
    number = _whole(number)
    if isinstance(number, CONTEXT.mpc) or abs(number) > 10**40:
        raise ArithmeticError(kind)
    if _exact(number):
        return Fraction(math.floor(number) if kind == "floor" else math.ceil(number))
    return Fraction(int(CONTEXT.floor(number) if kind == "floor" else CONTEXT.ceil(number)))


def _bounded(number: Value, limit: int) -> Value:
    if abs(number) > limit:
        raise ArithmeticError("too large")
    return number


def _numeric(kind: str, number: Value) -> Value:
    if number == 0 and kind in ("exp", "cos", "cosh", "sec", "sech"):
        return Fraction(1)
    if number == 0 and kind in ("sin", "tan", "sinh", "tanh", "arcsin", "arctan"):
        return Fraction(0)
    if number == 1 and kind in ("ln", "log"):
        return Fraction(0)
    number = _lifted(number)
    if kind in ("ln", "log", "lg"):
        log = CONTEXT.ln(number)
        return _trimmed(log / CONTEXT.ln(10) if kind == "log" else log)
    if number != 0 and CONTEXT.mag(number) < -_APART:
        raise ArithmeticError("too small")
    if kind == "exp":
        return _trimmed(CONTEXT.exp(_bounded(number, _MAX_LOG2 // 2)))
    if kind.startswith("arc"):
        near = CONTEXT.nint(number.real)
        if abs(number - near) < CONTEXT.mpf(10) ** -75:
            number = near
        return _trimmed(getattr(CONTEXT, "a" + kind[3:])(_bounded(number, 10**12)))
    result = getattr(CONTEXT, kind)(_bounded(number, 100 if kind.endswith("h") else 10**12))
    if kind in _ANGLES:
        if abs(result) > CONTEXT.mpf(10) ** 40:
            raise ArithmeticError("pole")
        if abs(result) < CONTEXT.mpf(10) ** -75:
            return Fraction(0)
    return _trimmed(result)
