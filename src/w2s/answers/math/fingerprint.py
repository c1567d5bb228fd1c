"""Keys of values and functions (ours).

A function is its values at fixed points (`points`): 64 digits at four small ones, 30 at 18 of all sizes.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import mpmath

from w2s.answers.math.cost import OverBudget
from w2s.answers.math.points import COARSE, DENSE, FINE, coordinate

DIGITS = 100  # of the working precision
_GUARD = 140  # digits of the second evaluation, which shows what the first one lost
_KEPT = 64  # digits compared
_ROUGH = 30  # at the coarse points, which are computed once
_SMALL = 60  # digits after the point, beyond which a value at a coarse point is 0
_NEAR = 80  # digits to which a value must agree with a small rational to be that rational
_DENOMINATOR = 10**12
_HEIGHT = 10**60  # numerator times denominator: far below the 10^80 at which such a rational could be found by chance
_LONGEST = 200  # characters of a key

CONTEXT: Any = mpmath.MPContext()
"""The arithmetic of all values; only this module changes its precision, under a lock."""
CONTEXT.dps = DIGITS
_LOCK = threading.RLock()
_TINY = {digits: CONTEXT.mpf(10) ** -digits for digits in (10, _SMALL, _KEPT + 4, 80)}
_TINIEST = Fraction(1, 10**_SMALL)

Value = Any  # Fraction | int | CONTEXT.mpf | CONTEXT.mpc: mpmath has no types
Function = Callable[[Mapping[str, Any]], Value]


def fingerprint(names: Sequence[str], value: Function, exact: bool = False, dense: bool = False) -> str | None:
    """The key of a function of `names`, or of a constant; None without values at two small points.

    An exception of `value` means no value. `exact`: the points are `Fraction`, not `CONTEXT.mpf`. `dense`: 68 points
    more, for steps or far kinks.
    """
    with _LOCK:
        used, values, rough = _values(names, value, exact, dense)
        if not used:
            return None if values[0] is None else _constant(values[0])
        if sum(each is not None for each in values) < 2:
            return None
        digits = [None if each is None else _digits(each) for each in values]
        digits += [None if each is None else _rough(each) for each in rough]
    if any(each is not None and each[1] == "0" for each in digits):
        # Real variables: outside the real domain it only counts that it is outside, so x sqrt(x) = sqrt(x^3).
        digits = [each if each is None or each[1] == "0" else ("complex", "") for each in digits]
    if (
        len(used) == 1
        and len(used[0]) == 1
        and all((_digits if at in FINE else _rough)(coordinate(used[0], at)) == each for at, each in enumerate(digits))
    ):
        return used[0].casefold()
    return _hashed(f"{'g' if dense else 'f'}({','.join(used)})", digits)


def proportional(names: Sequence[str], value: Function, exact: bool = False, dense: bool = False) -> str | None:
    """The key of "value = 0": the function up to a constant factor, or None."""
    with _LOCK:
        used, values, rough = _values(names, value, exact, dense)
        first = next((each for each in values if each is not None and each != 0), None)
        if not used or first is None or sum(each is not None for each in values) < 3:
            return None
        digits = [None if each is None else _ratio(each, first, _digits) for each in values]
        digits += [None if each is None else _ratio(each, first, _rough) for each in rough]
        return _hashed(f"{'1' if dense else '0'}=f({','.join(used)})", digits)


def constant(names: Sequence[str], value: Function) -> Value | None:
    """The value of a constant function; None if it varies or has none."""
    with _LOCK:
        first: Value | None = None
        for index in (FINE[0], COARSE[0], *FINE[1:], *COARSE[1:]):
            point = {name: coordinate(name, index) for name in names}
            here = _at(point, value, True) if index in FINE else _once(point, value, True)
            if first is None:
                first = here
            if first is None or (here is None and index in FINE):
                return None
            if here is not None and not (_same(here, first) if index in FINE else _rough(here) == _rough(first)):
                return None
        near = None if isinstance(first, (Fraction, CONTEXT.mpc)) else _rational(first)
        return first if near is None else near


def rational(value: Fraction) -> str:
    """The key of an exact value."""
    if value.numerator.bit_length() + value.denominator.bit_length() > 600:  # no decimal digits of huge integers
        return "#" + _hash(f"{value.numerator:x}/{value.denominator:x}")
    return short(str(value))


def short(key: str) -> str:
    """`key`, or its hash if over 200 characters."""
    return key if len(key) <= _LONGEST else "#" + _hash(key)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def _hashed(kind: str, digits: Sequence[tuple[str, str] | None]) -> str:
    values = ";".join("undefined" if each is None else "|".join(each) for each in digits)
    return short(f"{kind}#{_hash(kind + values)}")


def _values(
    names: Sequence[str], value: Function, exact: bool, dense: bool
) -> tuple[list[str], list[Value | None], list[Value | None]]:
    names = sorted(set(names))
    if not names:
        return [], [_at({}, value, exact)], []
    others = [*COARSE, *(DENSE if dense else ())]
    points = {index: {name: coordinate(name, index) for name in names} for index in (*FINE, *others)}
    values = [_at(points[index], value, exact) for index in FINE]
    rough = [_once(points[index], value, exact) for index in others]
    varies = any(not _same(each, values[0]) for each in values[1:]) or _vary(rough)
    used = names if varies else []
    if len(names) > 1:

        def moved(name: str, indices: Sequence[int]) -> Iterator[Mapping[str, Fraction]]:
            return ({**points[0], name: points[index][name]} for index in indices)

        used = [
            name
            for name in names
            if any(not _same(_at(point, value, exact), values[0]) for point in moved(name, FINE[1:]))
            or (varies and _vary([values[0], *(_once(point, value, exact) for point in moved(name, COARSE))]))
        ] or used
    return (used, values, rough) if used else ([], values[:1], [])


def _vary(values: Sequence[Value | None]) -> bool:
    return len({_rough(each) for each in values if each is not None}) > 1


def _once(point: Mapping[str, Fraction], value: Function, exact: bool) -> Value | None:
    try:
        at = value(_lifted_point(point, exact))
        return at if isinstance(at, (int, Fraction)) or CONTEXT.isfinite(at) else None
    except OverBudget:
        raise
    except Exception:
        return None


def _lifted_point(point: Mapping[str, Fraction], exact: bool) -> Mapping[str, Any]:
    return point if exact else {name: CONTEXT.mpf(x.numerator) / x.denominator for name, x in point.items()}


def _at(point: Mapping[str, Fraction], value: Function, exact: bool) -> Value | None:
    """The value at `point`, or None; pure cancellation gives 0."""
    results = []
    try:
        for digits in (DIGITS, _GUARD):
            CONTEXT.dps = digits
            at = value(_lifted_point(point, exact))
            if isinstance(at, (int, Fraction)):
                return Fraction(at)
            results.append(CONTEXT.convert(at))
            if not CONTEXT.isfinite(results[-1]):
                return None
        return _agreed(*results)
    except OverBudget:
        raise
    except Exception:  # undefined there, by whatever error the library has for it
        return None
    finally:
        CONTEXT.dps = DIGITS


def _agreed(rough: Value, fine: Value) -> Value | None:
    size = abs(fine)
    if rough == 0 or size < abs(rough) * _TINY[10]:  # shrinks with the precision: 0 but for rounding
        return Fraction(0)
    if abs(fine - rough) > size * _TINY[_KEPT + 4]:
        return None  # not enough digits left to say
    real, imaginary = _parts(fine)
    if abs(imaginary) < size * _TINY[80]:
        return real
    return CONTEXT.mpc(0, imaginary) if abs(real) < size * _TINY[80] else fine


def _same(left: Value | None, right: Value | None) -> bool:
    if left is None or right is None:
        return left is right
    return _digits(left) == _digits(right)


def _constant(value: Value) -> str:
    if isinstance(value, Fraction):
        return rational(value)
    parts = _parts(value)
    real, imaginary = (
        _decimal(part) if near is None else str(near) for near, part in ((_rational(part), part) for part in parts)
    )
    if imaginary == "0":
        return "e" if real == _E else real
    return "i" if (real, imaginary) == ("0", "1") else f"{real}|{imaginary}i"


def _parts(value: Value) -> tuple[Value, Value]:
    return (value.real, value.imag) if isinstance(value, CONTEXT.mpc) else (value, 0)


def _digits(value: Value) -> tuple[str, str]:
    real, imaginary = _parts(value)
    return _decimal(real), _decimal(imaginary) if imaginary else "0"


def _decimal(value: Value, digits: int = _KEPT) -> str:
    if isinstance(value, Fraction):
        value = _lifted(value)
    return str(mpmath.libmp.to_str(value._mpf_, digits)) if value else "0"


def _lifted(value: Value) -> Value:
    if not isinstance(value, Fraction):
        return value
    return CONTEXT.make_mpf(mpmath.libmp.from_rational(value.numerator, value.denominator, 500, "n"))


def _rough(value: Value) -> tuple[str, str]:
    if isinstance(value, (int, Fraction)):
        exact = Fraction(value)
        return _decimal(exact if abs(exact) > _TINIEST else Fraction(0), _ROUGH), "0"
    size = abs(value)
    if size < _TINY[_SMALL]:
        return "0", "0"
    least: Any = size * _TINY[_SMALL]
    real, imaginary = ("0" if abs(part) < least else _decimal(part, _ROUGH) for part in _parts(value))
    return real, imaginary


def _ratio(value: Value, by: Value, digits: Callable[[Value], tuple[str, str]]) -> tuple[str, str]:
    if isinstance(value, (int, Fraction)) and isinstance(by, Fraction):
        return digits(value / by)
    CONTEXT.dps = _GUARD
    try:
        ratio = _lifted(value) / _lifted(by)
        return digits(_agreed(ratio, ratio))
    finally:
        CONTEXT.dps = DIGITS


def _rational(value: Value) -> Fraction | None:
    if value == 0:
        return Fraction(0)
    sign, mantissa, exponent, _ = value._mpf_
    if not -300 < exponent + mantissa.bit_length() < 300:
        return None
    exact = Fraction(mantissa) * Fraction(2) ** exponent
    near = exact.limit_denominator(_DENOMINATOR)
    if abs(near - exact) * 10**_NEAR > exact or near.numerator * near.denominator > _HEIGHT:
        return None
    return -near if sign else near


_E = _decimal(+CONTEXT.e)
