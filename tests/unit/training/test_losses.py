from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from w2s.training import checkpoint, losses
from w2s.training.data import Encoded
from w2s.training.losses import Part

LENGTHS = torch.tensor([[2, 4], [1, 3]])
LOG_PROBS = torch.log(torch.tensor([[0.25, 0.0625], [0.5, 0.125]]))  # mean probability a token: 1/2, 1/2; 1/2, 1/2


def part(examples: list[int], log_probs=LOG_PROBS, lengths=LENGTHS) -> Part:
    return Part(log_probs[:, examples], lengths[:, examples], examples, log_probs.shape[1], int(lengths[0].sum()))


def test_sft_is_the_mean_a_token():
    """ln 4 + ln 16 = 6 ln 2 over 2 + 4 tokens."""
    assert float(losses.sft(part([0, 1]))[0]) == pytest.approx(math.log(2))


def test_dpo_by_hand():
    """Reference: all 0 but the first chosen one, ln 1/8: its gain is ln 2. Rejected gains: ln 1/2, ln 1/8.

    Differences: ln 2 + ln 2 = ln 4 and ln 1/16 - ln 1/8 = -ln 2. With beta 1, sigmoid(ln x) = x / (1 + x): 4/5, 1/3.
    """
    reference = torch.tensor([[math.log(1 / 8), 0.0], [0.0, 0.0]])
    loss, margins = losses.dpo(part([0, 1]), reference=reference, beta=1.0)
    assert float(loss) == pytest.approx(-(math.log(4 / 5) + math.log(1 / 3)) / 2, rel=1e-5)
    assert float(margins) == pytest.approx(math.log(2), rel=1e-5)
    with_nll, _ = losses.dpo(part([0, 1]), reference=reference, beta=1.0, nll_weight=3.0)
    assert float(with_nll - loss) == pytest.approx(3 * math.log(2), rel=1e-5)


def test_orpo_by_hand():
    """Every mean token probability is 1/2, so every odds is 1, the odds-ratio term ln 2, and every margin 0."""
    loss, margins = losses.orpo(part([0, 1]), beta=0.1)
    assert float(loss) == pytest.approx(1.1 * math.log(2), rel=1e-5)
    assert float(margins) == pytest.approx(0, abs=1e-6)


@given(
    st.lists(st.tuples(*[st.floats(-9, -0.1)] * 4, st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=9),
    st.data(),
)
def test_parts_of_a_step_add_up_to_the_step(rows, data):
    """Cut anywhere, also unevenly, the losses of the parts sum to that of the whole."""
    log_probs = torch.tensor([row[:2] for row in rows]).T.double()
    reference = torch.tensor([row[2:4] for row in rows]).T.double()
    lengths = torch.tensor([row[4:] for row in rows]).T
    cut = data.draw(st.integers(0, len(rows)))
    everything = list(range(len(rows)))
    for loss in (
        losses.sft,
        partial(losses.dpo, reference=reference, beta=0.3, nll_weight=0.5),
        partial(losses.orpo, beta=0.3),
    ):
        whole = loss(part(everything, log_probs, lengths))
        parts = [loss(part(some, log_probs, lengths)) for some in (everything[:cut], everything[cut:]) if some]
        for i in (0, 1):
            assert float(sum(piece[i] for piece in parts)) == pytest.approx(float(whole[i]), rel=1e-9, abs=1e-12)


def test_texts_end_to_end_score_as_padded_ones(base, tokenizer):
    """The layout without padding, here with an attention that needs a mask; and by hand, one text at a time."""
    model = checkpoint.load_model(base, tokenizer)
    texts = [Encoded(str(i), (0, *range(5, 7 + i)), (*range(20, 22 + 3 * i), 1)) for i in range(4)]
    device = torch.device("cpu")
    with torch.no_grad():
        padded = losses.log_probs(model, texts, 1, device, packed=False)
        packed = losses.log_probs(model, texts, 1, device, packed=True)
        for text, *found in zip(texts, padded, packed, strict=True):
            log_probs = model(torch.tensor([text.tokens])).logits[0].log_softmax(-1)
            places = range(len(text.prompt), len(text.tokens))
            expected = sum(float(log_probs[i - 1, text.tokens[i]]) for i in places)
            assert found == pytest.approx([expected, expected], rel=1e-5)
