from __future__ import annotations

import math
import sys
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from w2s.config import choices
from w2s.config.schema import Preference
from w2s.errors import UserError
from w2s.training import checkpoint, losses
from w2s.training.data import Encoded
from w2s.training.losses import LOSSES, Part

LENGTHS = torch.tensor([[2, 4], [1, 3]])
LOG_PROBS = torch.log(torch.tensor([[0.25, 0.0625], [0.5, 0.125]]))  # mean probability per token: 1/2, 1/2; 1/2, 1/2


def part(examples: list[int], log_probs=LOG_PROBS, lengths=LENGTHS) -> Part:
    return Part(log_probs[:, examples], lengths[:, examples], examples, log_probs.shape[1], int(lengths[0].sum()))


def test_sft_is_the_mean_a_token():
    """ln 4 + ln 16 = 6 ln 2 over 2 + 4 tokens."""
    assert float(losses.sft(part([0, 1]))[0]) == pytest.approx(math.log(2))


def loss_of(name: str, whole: Part, reference=None, weights=None, **settings) -> tuple[float, float]:
    """(loss, margins) of a step in one part."""
    loss, margins = LOSSES[name].objective(Preference(**settings).of(name), reference, weights)(whole)
    return float(loss), float(margins)


def test_the_table_has_the_names_that_a_recipe_may_use():
    assert tuple(LOSSES) == choices.LOSSES


REFERENCE = torch.tensor([[math.log(1 / 8), 0.0], [0.0, 0.0]])


def test_dpo_by_hand():
    """Reference: all 0 but the first chosen one, ln 1/8: its gain is ln 2. Rejected gains: ln 1/2, ln 1/8.

    Differences: ln 2 + ln 2 = ln 4 and ln 1/16 - ln 1/8 = -ln 2. With beta 1, sigmoid(ln x) = x / (1 + x): 4/5, 1/3.
    The mean NLL per chosen token is ln 2.
    """
    dpo = -(math.log(4 / 5) + math.log(1 / 3)) / 2
    assert loss_of("dpo", part([0, 1]), REFERENCE, beta=1.0) == pytest.approx((dpo, math.log(2)), rel=1e-5)
    for name, setting, weight in (("dpo", 3.0, 3.0), ("dpo_nll", 0.0, 1.0), ("dpo_nll", 3.0, 3.0)):
        loss, _ = loss_of(name, part([0, 1]), REFERENCE, beta=1.0, nll_weight=setting)
        assert loss == pytest.approx(dpo + weight * math.log(2), rel=1e-5), (name, setting)


def test_orpo_by_hand():
    """Every mean token probability is 1/2, so every odds is 1, the odds-ratio term ln 2, and every margin 0."""
    assert loss_of("orpo", part([0, 1]), beta=0.1) == pytest.approx((1.1 * math.log(2), 0), rel=1e-5, abs=1e-6)


def test_ipo_by_hand():
    """Mean log-probabilities per token are all -ln 2; the reference's are -1.5 ln 2 for the first chosen one, else 0.

    Gains of chosen minus rejected: 0.5 ln 2 + ln 2, and 0. With tau 0.5 the target is 1.
    """
    expected = ((1.5 * math.log(2) - 1) ** 2 + 1) / 2
    assert loss_of("ipo", part([0, 1]), REFERENCE, beta=0.5) == pytest.approx(
        (expected, 0.5 * 1.5 * math.log(2)), rel=1e-5
    )


def test_simpo_by_hand():
    """Means per token: chosen -ln 2 and -2 ln 2, rejected -2 ln 2 and -ln 2. With beta 2 the margins are +-ln 4.

    Minus gamma = ln 4: 0 and -ln 16. -log sigmoid: ln 2 and ln 17. `beta` of the other losses has no effect.
    """
    means = -math.log(2) * torch.tensor([[1.0, 2.0], [2.0, 1.0]])
    found = loss_of("simpo", part([0, 1], means * LENGTHS), beta=9, simpo={"beta": 2, "gamma": math.log(4)})
    assert found == pytest.approx(((math.log(2) + math.log(17)) / 2, 0), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "chosen", "rejected"),
    [
        ("dpo", -0.3 / 2, 0.3 / 2),  # beta * sigmoid(0)
        ("dpo_nll", -0.3 / 2 - 1 / 2, 0.3 / 2),  # and the NLL of 2 tokens
        ("ipo", -1 / 0.3 / 2, 1 / 0.3 / 1),  # 2 * (0 - 1 / (2 tau)), per token
        ("simpo", -0.3 / 2 / 2, 0.3 / 2 / 1),  # beta * sigmoid(0), per token
        ("orpo", -1 / 2 - 0.3 / 2 * 2 / 2, 0.3 / 2 * 2 / 1),  # d log odds = 1 / (1 - 1/2) = 2, per token
    ],
)
def test_gradients_by_hand_where_policy_and_reference_are_one(name, chosen, rejected):
    """One pair of 2 and 1 tokens, each of probability 1/2: chosen goes up, rejected down."""
    log_probs = torch.log(torch.tensor([[0.25], [0.5]])).requires_grad_()
    config = Preference(beta=0.3, simpo={"beta": 0.3, "gamma": 0}).of(name)
    reference = log_probs.detach() if LOSSES[name].needs_reference else None
    one = Part(log_probs, torch.tensor([[2], [1]]), [0], 1, 2)
    LOSSES[name].objective(config, reference)(one)[0].backward()
    assert log_probs.grad.flatten().tolist() == pytest.approx([chosen, rejected], rel=1e-5)


def test_a_weight_counts_a_pair_so_many_times():
    """Weights 2 and 0: twice the first pair's loss and NLL, over 2 pairs and 6 tokens."""
    first = -math.log(4 / 5)
    loss, _ = loss_of("dpo_nll", part([0, 1]), REFERENCE, torch.tensor([2.0, 0.0]), beta=1.0)
    assert loss == pytest.approx(2 * first / 2 + 2 * math.log(4) / 6, rel=1e-5)


def test_weights_go_from_first_to_last_in_a_fifth_of_the_steps():
    """-log p is 2 and 6 of 4 tokens. After a tenth of the steps half of the way: weights 0.75 and 0.25."""
    log_probs, lengths = torch.tensor([[-2.0, -6.0]]), torch.tensor([[1, 3]])
    loss = losses.weighted_sft(torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5]))
    for progress, weights in ((0.0, (1, 0)), (0.1, (0.75, 0.25)), (0.2, (0.5, 0.5)), (0.9, (0.5, 0.5))):
        value, margin = loss(Part(log_probs, lengths, [0, 1], 2, 4, progress))
        assert float(value) == pytest.approx((2 * weights[0] + 6 * weights[1]) / 4) and float(margin) == 0


@given(
    st.lists(st.tuples(*[st.floats(-9, -0.1)] * 4, st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=9),
    st.data(),
)
def test_parts_of_a_step_add_up_to_the_step(rows, data):
    """Cut anywhere, also unevenly, the losses of the parts sum to that of the whole."""
    log_probs = torch.tensor([row[:2] for row in rows]).T.double()
    reference = torch.tensor([row[2:4] for row in rows]).T.double()
    lengths = torch.tensor([row[4:] for row in rows]).T
    weights = torch.linspace(0.5, 2, len(rows)).double()
    cut = data.draw(st.integers(0, len(rows)))
    everything = list(range(len(rows)))
    config = Preference(beta=0.3, nll_weight=0.5)
    for loss in (losses.sft, *(LOSSES[name].objective(config.of(name), reference, weights) for name in LOSSES)):
        whole = loss(part(everything, log_probs, lengths))
        parts = [loss(part(some, log_probs, lengths)) for some in (everything[:cut], everything[cut:]) if some]
        for i in (0, 1):
            assert float(sum(piece[i] for piece in parts)) == pytest.approx(float(whole[i]), rel=1e-9, abs=1e-12)


def test_the_losses_are_trl_s(monkeypatch):
    """TRL's functions take sums or means without a reference: differences to the reference stand in for them."""
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    pytest.importorskip("trl")
    from trl.experimental.cpo.cpo_trainer import CPOTrainer
    from trl.experimental.orpo.orpo_trainer import ORPOTrainer

    torch.manual_seed(0)
    policy, reference = -3 * torch.rand(2, 4, 7)  # both of shape (4, 7)
    config = Preference(beta=0.3, simpo={"beta": 1.5, "gamma": 0.6})
    gains = [policy[i] - reference[i] for i in (0, 1)]
    trl = {"alpha": 0.0, "label_smoothing": 0.0, "accelerator": SimpleNamespace(device="cpu")}

    def cpo(chosen, rejected, beta, loss_type, gamma=0.0):
        trainer = SimpleNamespace(**trl, beta=beta, loss_type=loss_type, simpo_gamma=gamma)
        return CPOTrainer.cpo_loss(trainer, chosen, rejected)[0]

    expected = {
        "dpo": cpo(*gains, 0.3, "sigmoid"),
        "ipo": cpo(*gains, 0.3, "ipo"),
        "simpo": cpo(policy[0], policy[1], 1.5, "simpo", 0.6),
        "orpo": -ORPOTrainer.odds_ratio_loss(SimpleNamespace(**trl, beta=1.0), policy[0], policy[1])[0],
    }
    for name, values in expected.items():
        ours = LOSSES[name].function(policy[0], policy[1], reference[0], reference[1], config.of(name))
        torch.testing.assert_close(ours, values, rtol=1e-5, atol=1e-5)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of a user's, in the folder that the command runs in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_losses.py").write_text(
        "def hinge(policy_chosen, policy_rejected, reference_chosen, reference_rejected, config):\n"
        "    gain = (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)\n"
        "    return (1 - config.beta * gain).clamp(min=0)\n"
        "def free(*log_probs_and_config):\n"
        "    return log_probs_and_config[1] - log_probs_and_config[0] + 2 * log_probs_and_config[2]\n"
        "free.needs_reference, free.normalisation = False, 'mean'\n"
        "def mean(c, r, rc, rr, config):\n"
        "    return (c - r).mean()\n"
        "def other(c, r, rc, rr, config):\n"
        "    return c\n"
        "other.normalisation = 'median'\n"
        "def few(chosen, rejected):\n"
        "    return chosen\n"
    )
    yield "own_losses"
    sys.modules.pop("own_losses", None)


def test_a_user_s_function_is_a_loss(own):
    """With beta 0.5 the margins of `test_dpo_by_hand` are ln 2 and -ln 2 / 2; NLL off. `free` gets means, all equal."""
    hinge, free = losses.find(f"{own}:hinge"), losses.find(f"{own}:free")
    loss, _ = hinge.objective(Preference(beta=0.5), REFERENCE)(part([0, 1]))
    assert float(loss) == pytest.approx(((1 - math.log(2)) + (1 + math.log(2) / 2)) / 2, rel=1e-5)
    assert (hinge.needs_reference, hinge.normalisation) == (True, "sum")
    assert (free.needs_reference, free.normalisation) == (False, "mean")
    assert float(free.objective(Preference())(part([0, 1]))[0]) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dppo", r"no loss is called 'dppo'.*dpo, orpo, ipo, simpo, dpo_nll"),
        ("few", r"own_losses:few does not fit .*policy_chosen, policy_rejected"),
        ("other", r"own_losses:other has the attribute normalisation='median'.*sum or mean"),
        ("absent", r"no function of own_losses is called 'absent'"),
    ],
)
def test_what_is_no_loss_is_refused(own, name, message):
    with pytest.raises(UserError, match=f"(?s){message}"):
        losses.find(name if name == "dppo" else f"{own}:{name}")


def test_a_user_s_function_must_return_the_loss_of_each_pair(own):
    with pytest.raises(UserError, match=r"(?s)own_losses:mean returned \(\).*shape \(2,\).*before any mean"):
        losses.find(f"{own}:mean").objective(Preference())(part([0, 1]))


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


PAIR_LOSSES = ["dpo", "dpo_nll", "orpo", "ipo", "simpo"]
EXTREMES = [0.0, -1e-30, -1e-8, -1e-7, -1.0, -30.0, -1e2, -1e4]
"""Mean log-probabilities per token: p = 1, what float32 rounds to 1 and what it does not, and margins up to 1e4."""


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", PAIR_LOSSES)
def test_losses_and_their_gradients_are_finite_at_every_extreme(name, dtype):
    """All pairs of the extremes, of policy and reference; a push is never the wrong way."""
    grid = torch.cartesian_prod(*[torch.tensor(EXTREMES, dtype=dtype)] * 3).T
    chosen, rejected = (side.clone().requires_grad_() for side in grid[:2])
    config = Preference().of(name)
    loss = LOSSES[name].function(chosen, rejected, grid[2], grid[2].flip(0), config)
    loss.sum().backward()
    assert loss.isfinite().all() and (loss >= 0).all()
    assert chosen.grad.isfinite().all() and rejected.grad.isfinite().all()
    if name != "ipo":  # it has a target, and goes back to it
        assert (chosen.grad <= 0).all() and (rejected.grad >= 0).all()


def test_log_odds_by_hand():
    """p = 1/2: 0. p = 1 - 2^-20: ln(2^20 - 1) = 13.863. From 1 - 2^-23 to 1: ln(1 / expm1(2^-23)) = 15.942."""
    p = torch.tensor([0.5, 1 - 2**-20, 1 - 2**-23, 1.0], dtype=torch.float64)
    found = losses._log_odds(p.log().float())
    assert found.tolist() == pytest.approx([0, math.log(2**20 - 1), 23 * math.log(2), 23 * math.log(2)], abs=1e-5)
    before = p.log() - torch.log1p(-p)
    assert losses._log_odds(p.log())[:3].tolist() == pytest.approx(before[:3].tolist(), rel=1e-9)


def test_orpo_of_a_certain_completion_by_hand():
    """Chosen p = 1, rejected 1/2, mean per token: odds 2^23 and 1; -log sigmoid(15.942) = 2^-23 and beta 0.1."""
    certain = Part(torch.log(torch.tensor([[1.0], [0.5]])), torch.tensor([[1], [1]]), [0], 1, 1)
    loss, _ = LOSSES["orpo"].objective(Preference(beta=0.1).of("orpo"))(certain)
    assert float(loss) == pytest.approx(0.1 * 2**-23, rel=1e-3)


@given(st.floats(-60, 0, width=32), st.floats(-60, 0, width=32))
def test_orpo_is_the_odds_ratio_of_exact_arithmetic(chosen, rejected):
    """In float64 by ln(p) - ln(1 - p), where 1 - p is no rounding error."""
    if max(chosen, rejected) > -1e-3:
        return
    exact = [m - math.log(-math.expm1(m)) for m in (chosen, rejected)]
    expected = math.log1p(math.exp(-abs(exact[0] - exact[1]))) + max(0.0, exact[1] - exact[0])
    found = losses.orpo(*(torch.tensor([m]) for m in (chosen, rejected, 0.0, 0.0)), Preference())
    assert float(found) == pytest.approx(expected, rel=1e-4, abs=1e-6)
