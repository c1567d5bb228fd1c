from __future__ import annotations

import pytest

from w2s.answers.math.text import mathematical, prose, quantities, text_key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("2 hours and 30 minutes", "2 hour;30 minute"),
        ("30 min, 2 hrs", "2 hour;30 minute"),
        ("5 feet 6 1/2 inches", "5 foot;13/2 inch"),
        ("$3 bills, and 2 gold coins", "3 bill;2 gold coin"),
        ("-2 degrees and 3 percent", "-2 degree;3 percent"),
        ("2 hours", None),
        ("2 hours and 30", None),
        ("3 cm and 5 cm", None),
        ("5xy and 3 cm", None),
        ("3 half and 2 thirds", None),
        ("2 or 3 hours and 5 minutes", None),
        ("1.2.3.4 km 5 m", None),
    ],
)
def test_quantities(text: str, key: str | None) -> None:
    assert quantities(text) == key


@pytest.mark.parametrize("text", ["dog cat", "Tom Amy Bob", "east west", "N/A"])
def test_prose(text: str) -> None:
    assert prose(text)


@pytest.mark.parametrize("text", ["ab", "x y", "dog", "xy sin ab", "pi rr", "3 cats", "n/a", "ab-cd"])
def test_no_prose(text: str) -> None:
    assert not prose(text)


def test_text_keys() -> None:
    assert text_key("The  East Wind") == "eastwind"
    assert text_key(r"\int_0^{A} f(x)") == r"\int_0^Af(x)"
    assert text_key("1, 2, ..., N") == "1,2,...,N"
    assert text_key("N/A") == "n/a"
    assert text_key("1 2") == "1 2"
    assert mathematical("F_n")
    assert not mathematical("the area = 5")
