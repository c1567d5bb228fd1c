from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.answers.published import lm_eval_answer, lm_eval_correct

TARGET = "She has 3 + 4 = 7 eggs, so she gets 7 * 200 = $1,400.\n#### 1,400"


@pytest.mark.parametrize(
    ("text", "strict", "flexible"),
    [
        ("so 7.\n#### 1,400", "1,400", "1,400"),
        ("#### 1400\nand #### 7", "1400", "7"),  # strict: the first
        ("####1400", None, "1400"),  # strict: one space
        ("#### $1400", None, "$1400"),
        ("#### -5", "-5", "-5"),
        ("#### 1400. So", "1400.", "1400."),
        ("The answer is 1400.", None, "1400."),
        ("it is 10-5", None, "-5"),
        ("it is 7", None, "7"),
        ("it is $7", None, "$7"),
        ("7 it is ...", None, "..."),  # the harness's oddity
        ("no digits", None, None),
        ("", None, None),
        ("#### 7\nQuestion: #### 8", "7", "7"),
        ("#### 7</s>8", "7", "7"),
        ("#### 7<|im_end|>8", "7", "7"),
        ("#### ,", ",", None),
        ("#### ", None, None),
        ("3.5 and 1/2", None, "2"),
    ],
)
def test_lm_eval_answer(text: str, strict: str | None, flexible: str | None) -> None:
    assert lm_eval_answer(text, "strict-match") == strict
    assert lm_eval_answer(text, "flexible-extract") == flexible


@pytest.mark.parametrize(
    ("prediction", "target", "right"),
    [
        ("1,400", TARGET, True),
        ("$1400", TARGET, True),
        ("1400.", TARGET, True),
        ("1400..", TARGET, False),
        ("1400.00", TARGET, False),
        ("14,00", TARGET, True),
        ("-1400", TARGET, False),
        ("1400", "1400", True),
        (None, TARGET, False),
        ("[invalid]", "[INVALID]", True),  # case does not count
        ("7", "#### 8\n#### 7", True),
        ("7", "#### 7\n#### 8", False),
        ("", "$", True),
        ("7", "7\0", True),  # numpy drops NULs at the end
    ],
)
def test_lm_eval_correct(prediction: str | None, target: str, right: bool) -> None:
    assert lm_eval_correct(prediction, target) is right


_TEXTS = st.lists(
    st.sampled_from(["#### ", "-", "5", "12", ",", ".", "$", "Question:", "</s>", "\n", " ", "x", "%", "X"]),
    max_size=12,
).map("".join)


@given(_TEXTS)
def test_the_same_as_the_harness_s_own_steps(text: str) -> None:
    cut = text
    for stop in ("Question:", "</s>", "<|im_end|>"):
        cut = cut.split(stop)[0]
    strict = re.findall(r"#### (\-?[0-9\.\,]+)", cut)
    flexible = [next(filter(None, groups)) for groups in re.findall(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", cut)]
    assert lm_eval_answer(text, "strict-match") == (strict[0].strip() if strict else None)
    assert lm_eval_answer(text, "flexible-extract") == (flexible[-1].strip() if flexible else None)


@given(_TEXTS, _TEXTS)
def test_the_same_as_the_harness_s_own_metric(prediction: str, target: str) -> None:
    both = [prediction, target]
    for ignored in (",", r"\$", r"(?s).*#### ", r"\.$"):
        both = [re.sub(ignored, "", text) for text in both]
    assert lm_eval_correct(prediction, target) is (both[0].lower() == both[1].lower())


@pytest.mark.parametrize("piece", ["#### ", "#", "-", "1", "$", ".", "1 ", "Question", "\0", "<"])
def test_hostile_text_is_read_in_linear_time(piece: str) -> None:
    text = piece * (3_000_000 // len(piece))
    start = time.process_time()
    for name in ("strict-match", "flexible-extract"):
        prediction = lm_eval_answer(text, name)
        assert lm_eval_correct(prediction, TARGET) is False
    lm_eval_correct("7", text)
    assert time.process_time() - start < 60  # quadratic work would take hours
