from __future__ import annotations

import pytest
import torch

from w2s.engines.base import Decoding, Request
from w2s.engines.decoding import draw, uniforms

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
