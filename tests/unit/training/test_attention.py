"""Texts end to end in one row score, and teach, as each would alone."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from w2s.training import attention, losses
from w2s.training.data import Encoded

CPU = torch.device("cpu")
TEXTS = [Encoded(str(i), tuple(range(2, 6 + i)), tuple(range(20, 23 + 3 * i))) for i in range(4)]
"""7, 11, 15 and 19 tokens."""
PAIRS = [*TEXTS, *(Encoded(text.id, text.prompt, tuple(range(38, 34 - int(text.id), -1))) for text in TEXTS)]
"""The same, and after the same prompts other completions, of 4 to 7 tokens."""
SIZES = {
    "vocab_size": 40,
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.4,
}


def llama():
    return LlamaForCausalLM(LlamaConfig(**SIZES))


def mistral():
    """Its tokens see 5 others: fewer than the sequences have."""
    return MistralForCausalLM(MistralConfig(**SIZES, sliding_window=6))


def gpt2():
    return GPT2LMHeadModel(GPT2Config(vocab_size=40, n_embd=24, n_layer=2, n_head=4, initializer_range=0.4))


def lfm2():
    """Every other layer is a convolution, which runs on from one sequence into the next."""
    return Lfm2ForCausalLM(Lfm2Config(**SIZES, full_attn_idxs=[1]))


@pytest.fixture(params=[llama, mistral, gpt2, lfm2])
def models(request):
    """The same model twice: with torch's attention, and with the best for a CPU."""
    made = []
    for _ in range(2):
        torch.manual_seed(0)
        made.append(request.param().eval())
    attention.use_best(made[1], CPU, bfloat16=False, whole=True)
    return made


def scores(model, texts, packed):
    shared = attention.shares_prompts(model)
    return losses.log_probs(model, texts, 0, CPU, packed=packed, share_prompts=shared)


@pytest.mark.parametrize("texts", [TEXTS, PAIRS], ids=["texts", "pairs"])
def test_the_same_log_probabilities_and_gradients_as_one_by_one(models, texts):
    plain, ours = models
    alone = torch.cat([scores(plain, [text], False) for text in texts])
    together = scores(ours, texts, attention.can_pack(ours))
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-4)
    for found in (alone, together):
        found.sum().backward()
    for expected, got in zip(plain.parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(got.grad, expected.grad, rtol=1e-3, atol=1e-4)


def test_padded_texts_score_as_one_by_one(models):
    with torch.no_grad():
        alone = torch.cat([scores(models[0], [text], False) for text in TEXTS])
        torch.testing.assert_close(scores(models[1], TEXTS, False), alone, rtol=1e-5, atol=1e-4)


def test_a_llama_can_pack_and_torch_s_attention_does_not(models):
    plain, ours = models
    assert not attention.can_pack(plain)
    assert not attention.shares_prompts(plain)
    if isinstance(ours, LlamaForCausalLM):
        assert attention.can_pack(ours)
        assert attention.shares_prompts(ours)


def test_prompts_are_not_shared_where_a_token_sees_only_the_last_ones():
    """Mistral's window is shorter than a row, and the mask that transformers makes for it knows no shared prompts."""
    model = mistral()
    attention.use_best(model, CPU, bfloat16=False, whole=True)
    assert attention.can_pack(model)
    assert not attention.shares_prompts(model)


def test_a_shared_prompt_goes_through_the_model_once():
    model = llama()
    attention.use_best(model, CPU, bfloat16=False, whole=True)
    lengths = []
    model.model.layers[0].register_forward_pre_hook(lambda layer, inputs: lengths.append(inputs[0].shape[1]))
    scores(model, PAIRS, True)
    # prompts of 4 to 7 tokens once; of completions of 3, 6, 9, 12 and 4 to 7 tokens all but the last
    assert lengths == [(4 + 5 + 6 + 7) + (2 + 5 + 8 + 11) + (3 + 4 + 5 + 6)]


def test_texts_are_not_put_end_to_end_where_a_convolution_runs_on(monkeypatch):
    """By its layers' names, and, were they not known, as seen on two sequences."""
    model = lfm2()
    attention.use_best(model, CPU, bfloat16=False, whole=True)
    assert not attention.can_pack(model)
    monkeypatch.setattr(attention, "_ATTENTION", {"conv", "full_attention"})
    attention.use_best(model, CPU, bfloat16=False, whole=True)
    assert not attention.can_pack(model)


def test_a_model_that_hides_positions_from_its_attention_is_left_as_it_was(monkeypatch):
    """Else two sequences in a row would see each other."""
    model = llama()
    for layer in model.model.layers:
        inner = layer.self_attn.forward
        monkeypatch.setattr(layer.self_attn, "forward", lambda *a, inner=inner, position_ids=None, **k: inner(*a, **k))
    attention.use_best(model, CPU, bfloat16=False, whole=True)
    assert not attention.can_pack(model)


def test_with_autocast_attention_is_in_float32():
    """bfloat16 has 8 bits: the log-probabilities agree with float32's to some in 100."""
    torch.manual_seed(0)
    model = llama().eval()
    attention.use_best(model, CPU, bfloat16=True, whole=True)
    seen = []
    original = attention.sdpa_attention_forward
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(
            attention,
            "sdpa_attention_forward",
            lambda *a, **k: seen.append({t.dtype for t in a[1:4]}) or original(*a, **k),
        )
        exact = scores(model, TEXTS, True)
        assert len(seen) == 2 * len(TEXTS)  # layers, sequences
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(scores(model, TEXTS, True), exact, rtol=5e-2, atol=0)
    assert seen == [{torch.float32}] * 4 * len(TEXTS)


def test_without_its_numbers_a_model_keeps_torch_s_attention():
    model = llama()
    attention.use_best(model, CPU, bfloat16=True, whole=False)
    assert model.config._attn_implementation == "sdpa"
