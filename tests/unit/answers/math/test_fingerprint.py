from __future__ import annotations

import hashlib
import threading
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.answers.math.fingerprint import CONTEXT, DIGITS, coordinate, fingerprint, proportional, rational, short


def test_a_constant_that_is_a_small_fraction_is_that_fraction() -> None:
    assert fingerprint([], lambda _: CONTEXT.sqrt(2) * CONTEXT.sqrt(8)) == "4"
    assert fingerprint([], lambda _: CONTEXT.mpf(1) / 3) == "1/3"
    assert fingerprint([], lambda _: Fraction(-7, 21)) == "-1/3"


def test_what_cancels_is_zero_and_what_is_small_is_not() -> None:
    assert fingerprint([], lambda _: CONTEXT.sqrt(2) ** 2 - 2) == "0"
    assert fingerprint([], lambda _: CONTEXT.exp(-1000)) != fingerprint([], lambda _: CONTEXT.exp(-1001)) != "0"


def test_constants() -> None:
    assert fingerprint([], lambda _: +CONTEXT.pi).startswith("3.14159265358979323846264338327950288419716939937510")  # type: ignore[union-attr]
    assert fingerprint([], lambda _: CONTEXT.exp(1)) == "e"
    assert fingerprint([], lambda _: CONTEXT.sqrt(-1)) == "i"
    assert fingerprint([], lambda _: CONTEXT.mpc(6, -5)) == "6|-5i"


def test_nothing_where_there_is_no_value() -> None:
    assert fingerprint([], lambda _: CONTEXT.inf) is None
    assert fingerprint([], lambda _: 1 // 0) is None
    assert fingerprint(["x"], lambda point: CONTEXT.ln(point["x"] - point["x"])) is None


def test_a_variable_that_does_not_matter_drops_out() -> None:
    assert fingerprint(["x"], lambda point: point["x"] - point["x"] + 1) == "1"
    both = fingerprint(["x", "y"], lambda point: 2 * point["x"] + 0 * point["y"])
    assert both == fingerprint(["x"], lambda point: 2 * point["x"])


def test_exact_points_and_rounded_ones_give_one_key() -> None:
    def cubic(point):  # type: ignore[no-untyped-def]
        return point["x"] ** 3 / 7 - point["y"]

    assert fingerprint(["x", "y"], cubic) == fingerprint(["y", "x"], cubic, exact=True)


def test_real_variables() -> None:
    assert fingerprint(["x"], lambda p: CONTEXT.sqrt(p["x"] ** 2)) == fingerprint(["x"], lambda p: abs(p["x"]))
    assert fingerprint(["x"], lambda p: CONTEXT.sqrt(p["x"] ** 2)) != fingerprint(["x"], lambda p: p["x"])
    assert fingerprint(["x"], lambda p: p["x"] * CONTEXT.sqrt(p["x"])) == fingerprint(
        ["x"], lambda p: CONTEXT.sqrt(p["x"] ** 3)
    )
    assert fingerprint(["x"], lambda p: CONTEXT.mpc(0, 1) * p["x"]) != fingerprint(
        ["x"], lambda p: CONTEXT.mpc(0, -1) * p["x"]
    )


def test_one_variable_alone_is_its_letter() -> None:
    assert fingerprint(["X"], lambda point: point["X"]) == "x"
    assert fingerprint(["x"], lambda point: -point["x"]) != "x"


@given(st.fractions().filter(bool))
def test_an_equation_counts_up_to_a_factor(factor: Fraction) -> None:
    def circle(point):  # type: ignore[no-untyped-def]
        return point["x"] ** 2 + point["y"] ** 2 - 1

    assert proportional(["x", "y"], lambda point: factor * circle(point), exact=True) == proportional(
        ["x", "y"], circle, exact=True
    )
    assert proportional(["x", "y"], lambda point: circle(point) - factor, exact=True) != proportional(
        ["x", "y"], circle, exact=True
    )


@given(st.text(min_size=1, max_size=4))
def test_coordinates_are_fixed_no_integers_and_of_both_signs(name: str) -> None:
    values = [coordinate(name, index) for index in range(4)]
    assert all(value.denominator > 1 and 0.1 < abs(value) < 3 for value in values)
    assert len(set(map(abs, values))) == 4
    assert values[0] > 0 > values[1]


def test_the_points_never_change() -> None:
    digest = hashlib.sha256(b"x:0").digest()
    assert coordinate("x", 0) == Fraction(101 + int.from_bytes(digest[:4], "big") % 2600, 907)


@given(st.fractions())
def test_the_key_of_an_exact_value(value: Fraction) -> None:
    assert rational(value) == str(value)


def test_keys_are_short() -> None:
    huge = Fraction(1, 7**5000)
    assert len(rational(huge)) <= 200
    assert rational(huge) != rational(huge + 1) != rational(-huge)
    assert short("a" * 200) == "a" * 200
    assert len(short("a" * 201)) < 200


def test_threads_do_not_disturb_the_precision() -> None:
    keys: list[str | None] = []

    def work() -> None:
        for _ in range(20):
            keys.append(fingerprint(["x"], lambda point: CONTEXT.exp(point["x"]) * CONTEXT.sqrt(2)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 80
    assert len(set(keys)) == 1
    assert keys[0] is not None
    assert CONTEXT.dps == DIGITS


@pytest.mark.parametrize("names", [["x"], ["x", "y"], ["a_1", "b"]])
def test_names_are_part_of_the_key(names: list[str]) -> None:
    keys = {fingerprint([name, "q"], lambda point, name=name: point[name] + point["q"]) for name in names}  # type: ignore[misc]
    assert len(keys) == len(names)
