"""A trained model's completions, on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from w2s.errors import UserError
from w2s.models import parity
from w2s.models.parity import Parity

KEPT = Parity(16, 0.5, ("p", "q"), ("a", "ä\n"), ("a", "b"))


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    parity.write(KEPT, tmp_path)
    assert parity.read(tmp_path) == parity.read(str(tmp_path)) == KEPT
    assert KEPT.telling == [1]


@pytest.mark.parametrize("reference", ["w2s:tiny-weak", "owner/name@abc", "scripted:a:b"])
def test_other_references_have_none(reference: str) -> None:
    assert parity.read(reference) is None


@pytest.mark.parametrize("change", [("{", "["), ('"q"', '"q", "r"'), ('"tokens"', '"token"')])
def test_a_damaged_file_is_named(tmp_path: Path, change: tuple[str, str]) -> None:
    parity.write(KEPT, tmp_path)
    file = tmp_path / parity.FILE
    file.write_text(file.read_text().replace(*change, 1))
    with pytest.raises(UserError, match=r"parity\.json: is (damaged|not valid JSON)"):
        parity.read(tmp_path)


def test_64_different_texts_are_chosen_whatever_their_order() -> None:
    texts = [f"text {number % 100}" for number in range(300)]
    found = [texts[place] for place in parity.chosen(texts)]
    assert len(found) == len(set(found)) == 64
    assert found != sorted(found)
    assert [texts[::-1][place] for place in parity.chosen(texts[::-1])] == found
    assert sorted(parity.chosen(texts)) == sorted(texts.index(text) for text in found)  # the first of equal ones
