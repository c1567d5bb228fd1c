from __future__ import annotations

import pytest
import torch

from w2s.engines.base import Decoding, Request, ticks
from w2s.engines.cascade.decoding import decode, draw, greedy, uniforms

LOGITS = torch.tensor([0.5, 0.2, 0.0, 0.3]).log()  # cumulative: 0.5, 0.7, 0.7, 1.0


@pytest.mark.parametrize(("uniform", "token"), [(0.0, 0), (0.49, 0), (0.51, 1), (0.69, 1), (0.71, 3), (1 - 2**-53, 3)])
def test_draw_inverts_the_cumulative_distribution(uniform: float, token: int) -> None:
    assert draw(LOGITS[None], torch.tensor([uniform], dtype=torch.float64), 1.0, 1.0).tolist() == [token]


def test_draw_gives_each_token_its_share() -> None:
    """At 100,000 evenly spaced numbers the shares are exact to 1/100,000 a boundary."""
    numbers = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    shares = torch.bincount(draw(LOGITS.expand(100_000, 4), numbers, 1.0, 1.0), minlength=4) / 100_000
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.2, 0.0, 0.3]), atol=2e-5, rtol=0)


def test_temperature_sharpens() -> None:
    """T = 1/2 squares the odds: 0.25, 0.04, 0, 0.09 of 0.38, so the first boundary is 0.25 / 0.38 = 0.6579."""
    numbers = torch.tensor([0.657, 0.659], dtype=torch.float64)
    assert draw(LOGITS.expand(2, 4), numbers, 0.5, 1.0).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("top_p", "boundary", "tokens"),
    [(0.5, 0.5, [0, 0]), (0.6, 0.5 / 0.8, [0, 3]), (0.81, 0.5, [0, 1])],
)
def test_top_p_keeps_the_smallest_set_with_that_mass(top_p: float, boundary: float, tokens: list[int]) -> None:
    """Likeliest first: 0.5, 0.8, 1. So 0.5 keeps {0}, 0.6 keeps {0, 3} (0.5 of 0.8), 0.81 keeps {0, 3, 1}."""
    numbers = torch.tensor([boundary - 1e-3, boundary + 1e-3], dtype=torch.float64)
    assert draw(LOGITS.expand(2, 4), numbers, 1.0, top_p).tolist() == tokens


def test_uniforms_belong_to_the_row_and_not_to_its_place() -> None:
    a, b, c = Request("q", 0, "x"), Request("q", 1, "x"), Request("r", 0, "y")
    decoding = Decoding(5, temperature=1.0, seed=3)
    first, second = uniforms([a, b, c], decoding), uniforms([c, a], decoding)
    assert torch.equal(first[0], second[1]) and torch.equal(first[2], second[0])
    assert len(set(first.flatten().tolist())) == 15
    assert not torch.equal(first, uniforms([a, b, c], Decoding(5, temperature=1.0, seed=4)))


def test_the_greedy_token_is_the_first_of_the_highest() -> None:
    assert greedy(torch.tensor([[0.0, 2, 2], [float("-inf"), -1, -2]])).tolist() == [1, 1]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("top_p", [1.0, 0.9])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_logits_that_are_no_numbers_are_refused_at_every_token(
    bad: float, temperature: float, top_p: float, at: int
) -> None:
    """In one place of one row, at token `at` of 3: it is refused there, and no token more is made."""

    class Broken:
        made = 0

        def prefill(self, prompts: list[list[int]], samples: list[int]) -> torch.Tensor:
            return self.step(torch.zeros(2))

        def step(self, tokens: torch.Tensor) -> torch.Tensor:
            logits = torch.zeros(2, 5)
            if self.made == at:
                logits[1, 3] = bad
            self.made += 1
            return logits

    requests = [[Request("a", 0, "p")], [Request("b", 0, "p")]]
    decoding, broken = Decoding(3, temperature, top_p), Broken()
    with pytest.raises(FloatingPointError):
        decode(broken, [[1], [2]], requests, decoding, torch.zeros(5, dtype=torch.int8), lambda t: False)
    assert broken.made == at + 1


class Countdown:
    """A session whose row r of n ends, with token 1, after r + 1 tokens; token 0 before."""

    def __init__(self) -> None:
        self.step_number = 0

    def prefill(self, prompts: list[list[int]], samples: list[int]) -> torch.Tensor:
        self.rows = torch.arange(sum(samples))
        return self._logits()

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        self.step_number += 1
        return self._logits()

    def keep(self, rows: torch.Tensor) -> None:
        self.rows = self.rows[rows]

    def _logits(self) -> torch.Tensor:
        return torch.nn.functional.one_hot((self.rows <= self.step_number).long(), 3).float()


def test_decoding_tells_rows_and_tokens_after_each_step() -> None:
    """Rows of 1, 2, 3 tokens and one cut at 3: after each step 1, 2, 3 rows have ended; tokens 4, 4 + 3, 4 + 3 + 2."""
    told: list[tuple[int, int]] = []
    requests = [[Request(f"q{n}", 0, "p")] for n in range(4)]
    with ticks.heard(lambda *now: told.append(now)):
        rows = decode(Countdown(), [[2]] * 4, requests, Decoding(3), torch.tensor([0, 2, 0], dtype=torch.int8), bool)
    assert told == [(1, 4), (2, 7), (3, 9)]
    assert list(map(len, rows)) == [1, 2, 3, 3] and sum(map(len, rows)) == told[-1][1]
