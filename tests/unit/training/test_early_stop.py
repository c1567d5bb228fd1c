"""The chosen completions may fall, and not collapse."""

from __future__ import annotations

import pytest

from w2s.errors import UserError
from w2s.training.data import Encoded
from w2s.training.early_stop import DropStop

TEXTS = [Encoded("a", (0,), (5, 1)), Encoded("b", (0,), (5, 6, 7, 1))]
REFERENCE = [-2.0, -3.0]


def test_the_fall_is_by_token_over_the_texts_of_the_step():
    """Both texts: -5 before, -8 now, 6 tokens: 0.5 nats. Then the second alone: -3, -7, 4 tokens: 1. Mean: 0.75."""
    stop = DropStop(TEXTS, REFERENCE, None)
    stop.check([0, 1], -8.0, 1, 2)
    assert stop.most == pytest.approx(0.5)
    stop.check([1], -7.0, 2, 2)
    assert stop.most == pytest.approx(0.75)


def test_a_rise_is_no_fall():
    stop = DropStop(TEXTS, REFERENCE, 0.1)
    stop.check([0, 1], -1.0, 1, 1)
    assert stop.most == 0.0


def test_it_stops_where_the_mean_over_ten_steps_is_too_low_and_says_what_to_do():
    """Text a has 2 tokens. Ten steps at 0, then falls of 4 nats per token: the mean is 0.4 n after n of them."""
    stop = DropStop(TEXTS, REFERENCE, 1.0)
    for number in range(10):
        stop.check([0], -2.0, number + 1, 20)
    stop.check([0], -10.0, 11, 20)
    stop.check([0], -10.0, 12, 20)
    message = r"(?s)lost 1\.20 nats per token .* step 13 of 20.*at most 1.*learning_rate.*nll_weight.*orpo.*=null"
    with pytest.raises(UserError, match=message):
        stop.check([0], -10.0, 13, 20)


def test_without_a_limit_it_only_watches():
    stop = DropStop(TEXTS, REFERENCE, None)
    stop.check([0], -1000.0, 1, 1)
    assert stop.most == 499.0
