from __future__ import annotations

import pytest
import torch

from w2s.engines.base import Decoding, Request
from w2s.engines.cascade import attention
from w2s.engines.cascade import session as cascade
from w2s.engines.cascade.plain import PlainSession
from w2s.engines.transformers import TransformersEngine

SHOTS = "Question: one?\nAnswer: 1\n\nQuestion: two?\nAnswer: 2\n\n"
NEW = 24


def _requests(prefix: str, samples: int) -> list[Request]:
    return [
        Request(str(i), sample, f"{prefix}Question: {'abc ' * (i % 4)}{i}\nAnswer:")
        for i in range(9)
        for sample in range(samples)
    ]


def _reference(model, tokenizer, prompt: str) -> list[int]:
    ids = torch.tensor([tokenizer(prompt).input_ids])
    out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW, do_sample=False)
    return out[0, ids.shape[1] :].tolist()


def _check_against_generate(network, tokenizer, model_type: str, prefix: str, samples: int, **overrides):
    """Texts, token counts and endings equal those of `generate`, run on each prompt alone."""
    engine = TransformersEngine(network(model_type, **overrides), tokenizer)
    reference = network(model_type, **overrides)
    requests, decoding = _requests(prefix, samples), Decoding(NEW, stop=())
    done = {(c.id, c.sample): c for batch in engine.plan(requests, decoding) for c in engine.run(batch, decoding)}
    assert len(done) == len(requests)
    lengths = set()
    for request in requests[::samples]:
        tokens = _reference(reference, tokenizer, request.prompt)
        lengths.add(len(tokens))
        for sample in range(samples):
            completion = done[request.id, sample]
            assert completion.tokens == len(tokens)
            assert completion.text == tokenizer.decode(tokens, skip_special_tokens=True).strip()
            assert completion.finish == ("stop" if tokens[-1] in range(1, 20) else "length")
    assert len(lengths) > 1, "rows must end at different steps, or compaction is not tested"
    return engine


@pytest.mark.parametrize("model_type", sorted(cascade.ARCHITECTURES))
def test_greedy_equals_generate_with_shared_demonstrations(network, tokenizer, model_type: str) -> None:
    engine = _check_against_generate(network, tokenizer, model_type, SHOTS, 3, sliding_window=None)
    assert engine._cascade


@pytest.mark.parametrize("samples", [1, 4])
def test_greedy_equals_generate_without_demonstrations(network, tokenizer, samples: int) -> None:
    _check_against_generate(network, tokenizer, "llama", "", samples)


@pytest.mark.parametrize(
    ("model_type", "overrides"),
    [
        ("mistral", {"sliding_window": 16}),
        ("gemma2", {"sliding_window": 16, "query_pre_attn_scalar": 8}),
        ("gpt_neox", {}),
    ],
)
def test_other_models_take_the_plain_cache_and_equal_generate(network, tokenizer, model_type: str, overrides) -> None:
    engine = _check_against_generate(network, tokenizer, model_type, SHOTS, 2, **overrides)
    assert not engine._cascade


def test_prefill_in_several_passes_changes_nothing(network, tokenizer, monkeypatch) -> None:
    monkeypatch.setattr(cascade, "PREFILL_TOKENS", 50)
    _check_against_generate(network, tokenizer, "llama", SHOTS, 2)


def test_logits_equal_those_of_the_plain_session_through_compactions(network) -> None:
    """The two sessions share no code; fed the same tokens and dropping the same rows they must agree."""
    model, plain = network(), network()
    model.set_attn_implementation(attention.NAME)
    prompts = [[0, *range(20, 36), 40 + i, *range(50, 50 + 3 * i)] for i in range(4)]
    samples = [3, 1, 2, 3]
    sessions = [cascade.CascadeSession(model, 2), PlainSession(plain, 2)]
    keeps = {2: [0, 2, 3, 4, 8], 4: [1, 2, 3]}  # question 1 stays, then row 0 and question 3 leave
    with torch.inference_mode():
        logits = [session.prefill(prompts, samples) for session in sessions]
        for step in range(40):  # past the first capacity of 32
            torch.testing.assert_close(*logits, rtol=1e-4, atol=1e-4)
            tokens = logits[0].argmax(-1) if step % 2 else torch.full((len(logits[0]),), 30 + step)
            if step in keeps:
                rows = torch.tensor(keeps[step])
                tokens = tokens[rows]
                for session in sessions:
                    session.keep(rows)
            logits = [session.step(tokens) for session in sessions]


def test_common_prefix_leaves_a_token_to_each_prompt() -> None:
    assert cascade.common_prefix([[1, 2, 3], [1, 2, 4]]) == 2
    assert cascade.common_prefix([[1, 2], [1, 2, 3]]) == 1
    assert cascade.common_prefix([[5, 6, 7]]) == 2
    assert cascade.common_prefix([[1], [2]]) == 0
