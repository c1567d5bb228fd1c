from __future__ import annotations

import hashlib
import json
import math
import random
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from w2s.config.schema import Lora, Preference
from w2s.data import sealed
from w2s.errors import UserError
from w2s.records import Preference as Pair
from w2s.training import preference
from w2s.training.loop import Trainer
from w2s.training.setup import Setup

PAIRS = [Pair(f"q{i}", f"{i} + {i} ->", " " + "ab " * (i % 3) + str(2 * i), f" {i}{i}") for i in range(9)]
CONFIG = Preference(learning_rate=1e-3, epochs=3, batch_size=4, warmup_ratio=0.0, max_length=96)


def optimise(policy: Path, out: Path, loss, pairs=PAIRS, **settings):
    config = CONFIG.model_copy(update=settings)
    return preference.train(policy, pairs, out, config, Setup(seed=5), loss)


def digest(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def scores(folder: Path, side: str) -> list[tuple[float, int]]:
    """Summed log-probability and number of tokens of each completion with EOS, one unpadded row at a time."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    rows = []
    for pair in PAIRS:
        prompt = tokenizer(pair.prompt)["input_ids"]
        tokens = [*prompt, *tokenizer(getattr(pair, side), add_special_tokens=False)["input_ids"], 1]
        with torch.no_grad():
            log_probs = model(torch.tensor([tokens])).logits[0].log_softmax(-1)
        total = sum(float(log_probs[i - 1, tokens[i]]) for i in range(len(prompt), len(tokens)))
        rows.append((total, len(tokens) - len(prompt)))
    return rows


@pytest.fixture(scope="module")
def trained(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dpo")
    before = digest(base)
    return folder, optimise(base, folder, "dpo"), before


@pytest.mark.parametrize("lora", [None, Lora(dropout=0.5)])
def test_dpo_starts_at_its_reference(base, tmp_path, lora):
    """Policy = reference, so every margin is 0 and the loss is -log sigmoid(0) = ln 2, even with dropout asked for."""
    result = optimise(base, tmp_path, "dpo", lora=lora, epochs=1)
    assert result.margin_first == pytest.approx(0, abs=1e-5)
    assert result.loss_first == pytest.approx(math.log(2), abs=1e-5)
    assert result.curves["margin"][0] == result.margin_first and min(result.curves["grad_norm"]) > 0
    assert {len(values) for values in result.curves.values()} == {len(result.curve)}


def test_dpo_raises_the_margin(base, trained):
    """By hand after training: beta * ((chosen - its reference) - (rejected - its reference)), mean over pairs."""
    folder, result, _ = trained
    gain = {
        side: sum(new - old for (new, _), (old, _) in zip(scores(folder, side), scores(base, side), strict=True))
        for side in ("chosen", "rejected")
    }
    assert 0.1 * (gain["chosen"] - gain["rejected"]) / len(PAIRS) > 0.01
    assert result.margin_last > result.margin_first
    assert result.loss_last < result.loss_first


@pytest.mark.parametrize("loss", ["dpo", "orpo"])
def test_the_chosen_log_probability_is_followed(base, tmp_path, loss):
    result = optimise(base, tmp_path, loss, epochs=1)
    for folder, measured in ((base, result.chosen_logp_first), (tmp_path, result.chosen_logp_last)):
        assert measured == pytest.approx(sum(total for total, _ in scores(folder, "chosen")) / 9, rel=1e-4)
    assert result.chosen_logp_first != result.chosen_logp_last


def test_the_nll_term_is_the_mean_over_chosen_tokens(base, tmp_path):
    """One step over all pairs: ln 2 + weight * NLL per token."""
    result = optimise(base, tmp_path, "dpo", nll_weight=0.5, batch_size=16, epochs=1)
    chosen = scores(base, "chosen")
    nll = -sum(total for total, _ in chosen) / sum(count for _, count in chosen)
    assert result.loss_first == pytest.approx(math.log(2) + 0.5 * nll, rel=1e-4)


def test_the_first_orpo_loss_is_that_of_the_paper_on_completions_only(base, tmp_path):
    """NLL a chosen token - beta * mean log sigmoid(log odds(chosen) - log odds(rejected)).

    odds(p) = p / (1 - p), p the geometric mean of the token probabilities (Hong et al. 2024, eq. 4-7).
    """
    result = optimise(base, tmp_path, "orpo", beta=2.0, batch_size=16, epochs=1)
    chosen, rejected = scores(base, "chosen"), scores(base, "rejected")

    def log_odds(total: float, count: int) -> float:
        return total / count - math.log(1 - math.exp(total / count))

    ratios = [log_odds(*good) - log_odds(*bad) for good, bad in zip(chosen, rejected, strict=True)]
    nll = -sum(total for total, _ in chosen) / sum(count for _, count in chosen)
    odds_term = sum(math.log1p(math.exp(-ratio)) for ratio in ratios) / len(ratios)
    assert result.loss_first == pytest.approx(nll + 2.0 * odds_term, rel=1e-4)


def test_the_first_losses_of_ipo_and_simpo(base, tmp_path):
    """IPO: policy and reference are one, so (0 - 1 / (2 * 0.25))^2 = 4. SimPO: from the means per token, by hand."""
    ipo = optimise(base, tmp_path / "ipo", "ipo", beta=0.25, batch_size=16, epochs=1)
    assert ipo.loss_first == pytest.approx(4, abs=1e-4)
    simpo = optimise(base, tmp_path / "simpo", "simpo", batch_size=16, epochs=1)
    means = [[total / count for total, count in scores(base, side)] for side in ("chosen", "rejected")]
    margins = [2.0 * (good - bad) for good, bad in zip(*means, strict=True)]
    assert simpo.margin_first == pytest.approx(sum(margins) / 9, rel=1e-4)
    assert simpo.loss_first == pytest.approx(sum(math.log1p(math.exp(1.0 - m)) for m in margins) / 9, rel=1e-4)


@pytest.mark.parametrize("lora", [None, Lora(targets=("q_proj",))])
def test_orpo_learns_and_saves_a_whole_model(base, tmp_path, lora):
    result = optimise(base, tmp_path, "orpo", lora=lora, learning_rate=1e-2)
    assert result.loss_last < result.loss_first
    assert result.chosen_logp_last > result.chosen_logp_first
    assert AutoModelForCausalLM.from_pretrained(tmp_path).dtype == torch.float32


def test_same_pairs_in_any_order_give_the_same_bytes(base, trained, tmp_path):
    optimise(base, tmp_path, "dpo", random.Random(1).sample(PAIRS, len(PAIRS)))
    assert digest(tmp_path) == digest(trained[0])


def test_the_policy_is_only_read(base, trained):
    assert digest(base) == trained[2]


def test_a_saved_model_can_be_trained_on(trained, tmp_path):
    result = optimise(trained[0], tmp_path, "dpo", epochs=1)
    assert result.loss_first == pytest.approx(math.log(2), abs=1e-5)


@pytest.mark.parametrize("loss", ["dpo", "orpo"])
def test_nothing_is_printed(base, tmp_path, capfd, loss):
    optimise(base, tmp_path, loss, epochs=1)
    assert capfd.readouterr() == ("", "")


def test_a_pair_of_equals_is_refused_before_any_compute(base, tmp_path):
    with pytest.raises(UserError, match="'q' prefers a completion to itself"):
        optimise(base, tmp_path / "out", "dpo", [Pair("q", "x", " z", " z")])
    assert not (tmp_path / "out").exists()


def test_reference_log_probabilities_are_computed_once_for_a_model_and_its_data(base, trained, tmp_path, monkeypatch):
    """Another beta reads them; other texts, another dtype or another model do not."""
    computed = []
    score = Trainer.score
    monkeypatch.setattr(Trainer, "score", lambda self, texts: computed.append(len(texts)) or score(self, texts))

    def run(policy=base, pairs=PAIRS, dtype="float32", **settings):
        computed.clear()
        config = CONFIG.model_copy(update={"epochs": 1, **settings})
        cache = tmp_path / "cache"
        setup = Setup(seed=5, dtype=dtype)
        result = preference.train(policy, pairs, tmp_path / "out", config, setup, "dpo", reference_cache=cache)
        return computed == [9], result  # after training only: 9 chosen texts

    (fresh, first), (kept, second), (other_beta, _) = run(), run(), run(beta=0.5)
    assert (fresh, kept, other_beta) == (False, True, True)
    assert (second.curve, second.chosen_logp_first) == (first.curve, first.chosen_logp_first)
    (file,) = (tmp_path / "cache").iterdir()
    others = [json.dumps(sealed.seal({name: values})) for name, values in (("values", [1.0]), ("values", 1), ("x", 1))]
    for spoiled in (file.read_text().replace("-", "+", 1), '{"values": [1.0]}', "[1.0]", "", "[" * 99_999, *others):
        file.write_text(spoiled)
        again, third = run()
        assert (again, third.curve) == (False, first.curve)  # changed on disk: computed again
    other_texts = [*PAIRS[:-1], Pair("q8", "8 + 8 ->", " 16", " 17")]
    for change in ({"pairs": other_texts}, {"dtype": "bfloat16"}, {"policy": trained[0]}):
        assert not run(**change)[0], change
    assert len(list((tmp_path / "cache").iterdir())) == 4
