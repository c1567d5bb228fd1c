"""What is shown before a training begins."""

from __future__ import annotations

import pytest

from w2s.errors import UserError
from w2s.records import Example, Preference
from w2s.training import data, preview


def test_the_first_example_is_shown_with_its_mask_and_its_eos(base):
    """Training takes them by id. BOS and 3 letters are masked; the space, z and EOS are learned."""
    first = preview.first_example(base, [Example("r", "y", " y"), Example("q", "wxy", " z")], 50)
    assert first == {
        "id": "q", "prompt_tail": "<s>wxy", "cut": False, "completion": " z</s>", "masked": 4, "learned": 3,
    }  # fmt: skip
    assert preview.block(first).splitlines() == [
        "first example (q): 4 tokens masked, 3 learned, the last is EOS",
        "  masked    '<s>wxy'",
        "  learned   ' z</s>'",
    ]


def test_of_a_pair_both_sides_are_shown(base):
    first = preview.first_example(base, [Preference("q", "x", " good", " bad")], 50)
    assert (first["completion"], first["rejected"]) == (" good</s>", " bad</s>")
    assert preview.block(first).splitlines()[-1] == "  rejected  ' bad</s>'"


def test_of_long_texts_the_ends_that_matter_are_shown(tokenizer):
    """200 characters of the prompt, and 500 of each end of the completion."""
    (row,) = data.encode(tokenizer, [Example("q", "p" * 500, "c" * 2000)], 4000)
    shown = preview._decoded(tokenizer, row)
    assert (shown["prompt_tail"], shown["cut"]) == ("p" * 200, True)
    assert shown["completion"] == "c" * 500 + " … " + "c" * 496 + "</s>"


@pytest.mark.parametrize(
    ("examples", "message"), [([], "nothing to train on"), ([Preference("q", "x", " a", " a")], "prefers a completion")]
)
def test_what_cannot_be_trained_on_is_not_shown(base, examples, message):
    with pytest.raises(UserError, match=message):
        preview.first_example(base, examples, 50)
