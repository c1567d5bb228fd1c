"""The fixed points at which functions are compared (ours)."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from functools import cache

FINE = range(4)
"""Small values; functions are compared to 64 digits."""
COARSE = range(4, 22)
"""Values from 0.5 to 400 of both signs; compared to 30 digits."""
DENSE = range(22, 90)
"""Values from 0.001 to 10^10 of both signs."""

_SIZES = ((0.5, 1.5), (1.5, 2.5), (2.5, 3.5), (3.5, 5), (5, 7), (7, 10), (10, 15), (15, 30), (200, 400))
_PRIMES = (907, 911, 919, 929)


@cache
def coordinate(name: str, index: int) -> Fraction:
    """The `index`-th fixed value of the variable `name`, never 0; the first is positive, the second negative."""
    if index in COARSE:
        return _coarse(name, index - COARSE.start)
    if index in DENSE:
        return _dense(name, index - DENSE.start)
    over = 101 + _random(name, index) % 2600
    under = _PRIMES[index % 4]
    size = Fraction(over if over % under else over + 1, under)
    first = _odd(name, index) if index > 1 else 0
    return -size if (0, 1, first, 1 - _odd(name, 2))[index % 4] else size


def _coarse(name: str, index: int) -> Fraction:
    place = _order(name, len(COARSE)).index(index)
    low, high = _SIZES[place // 2]
    under = _PRIMES[index % 4]
    span = int((high - low) * under) - 4
    over = int(low * under) + 1 + _random(name, COARSE.start + index) % span
    # Odd numerators and even ones, over odd denominators: (-1)^x takes both values.
    over += (over + index) % 2
    size = Fraction(over if over % under else over + 2, under)
    return -size if place % 2 else size


def _dense(name: str, index: int) -> Fraction:
    place = _order(name, len(DENSE)).index(index)
    sign = -1 if place % 2 else 1
    size = place // 2
    if size < 12:
        return sign * Fraction(size + 1, 2)
    exponent = (size - 12) * 12 // 21 - 3
    return sign * Fraction(101 + _random(name, DENSE.start + index) % 899, 101) * Fraction(10) ** exponent


@cache
def _order(name: str, count: int) -> list[int]:
    return sorted(range(count), key=lambda place: hashlib.sha256(f"{name}:{count}:{place}".encode()).digest())


def _random(name: str, index: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{name}:{index}".encode()).digest()[:4], "big")


def _odd(name: str, index: int) -> int:
    return hashlib.sha256(f"{name}:{index}".encode()).digest()[4] % 2
