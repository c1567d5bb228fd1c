"""What every engine promises, checked on each one."""

from __future__ import annotations

import contextlib
import importlib.util
import random
from collections.abc import Iterator
from pathlib import Path

import openai_server
import pytest

from w2s import engines
from w2s.config.schema import Runtime
from w2s.engines import journal
from w2s.engines.base import Decoding, Engine, Loading, Request

PROMPTS = {f"q{i}": f"Question: {'ab ' * (i % 5)}{i}\nAnswer:" for i in range(12)}
REQUESTS = [Request(name, sample, prompt) for name, prompt in PROMPTS.items() for sample in range(2)]
DECODING = Decoding(12, temperature=1.0, seed=7)


def _script(request: Request, decoding: Decoding) -> str:
    return f"{request.id} {request.sample} " * random.Random(request.prompt).randint(1, 12) + "Question: next"


def _scripted(folder: Path) -> Engine:
    from w2s.engines.scripted import ScriptedEngine

    return ScriptedEngine(_script)


def _transformers(folder: Path) -> Engine:
    _random_llama(folder)
    return engines.load(folder, Loading(runtime=Runtime(device="cpu", offline=True)))


def _vllm(folder: Path) -> Engine:
    _random_llama(folder)
    return engines.load(folder, Loading("vllm", runtime=Runtime(offline=True, device_memory=0.3, threads=1)))


def _random_llama(folder: Path) -> None:
    """Two layers of random weights, heads of 32 (the least that vLLM knows on a CPU), one token a byte."""
    import torch
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    pieces = ["</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    core = Tokenizer(BPE(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=core, eos_token="</s>").save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"vocab_size": 257, "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(**sizes, intermediate_size=48, max_position_embeddings=128, eos_token_id=[0, 5, 6, 7])
    LlamaForCausalLM(config).save_pretrained(folder)


@contextlib.contextmanager
def _openai(folder: Path) -> Iterator[Engine]:
    with openai_server.serve(folder) as url:
        yield engines.load(
            f"openai:{openai_server.MODEL}", Loading("openai", runtime=Runtime(server=url, concurrency=4))
        )


ENGINES = {"openai": _openai, "scripted": _scripted, "transformers": _transformers, "vllm": _vllm}
NEEDS = {"openai": "openai", "transformers": "transformers", "vllm": "vllm"}
"""The package an engine cannot do without; its tests are skipped where it is not installed."""


@pytest.fixture(scope="module", params=sorted(ENGINES))
def engine(request, tmp_path_factory):
    package = NEEDS.get(request.param)
    if package is not None and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed here")
    made = ENGINES[request.param](tmp_path_factory.mktemp("model"))
    with made if isinstance(made, contextlib.AbstractContextManager) else contextlib.nullcontext(made) as loaded:
        yield loaded
        loaded.close()


def test_every_engine_of_the_table_is_here() -> None:
    assert set(ENGINES) == set(engines.TABLE)


def test_every_request_is_planned_once_and_the_plan_is_free_of_order(engine: Engine) -> None:
    plan = engine.plan(REQUESTS, DECODING)
    assert sorted((r.id, r.sample) for batch in plan for r in batch) == sorted((r.id, r.sample) for r in REQUESTS)
    assert plan == engine.plan(random.Random(1).sample(REQUESTS, len(REQUESTS)), DECODING)


def test_the_samples_of_a_question_share_a_batch(engine: Engine, request: pytest.FixtureRequest) -> None:
    """So their prompt is read once; a server sees to that itself, and is asked one request a batch."""
    if request.node.callspec.params["engine"] == "openai":
        assert all(len(batch) == 1 for batch in engine.plan(REQUESTS, DECODING))
        return
    for batch in engine.plan(REQUESTS, DECODING):
        assert all({r.sample for r in batch if r.id == request.id} == {0, 1} for request in batch)


def test_a_batch_is_answered_in_its_order_and_again_the_same(engine: Engine) -> None:
    for batch in engine.plan(REQUESTS, DECODING):
        done = engine.run(batch, DECODING)
        assert [(c.id, c.sample) for c in done] == [(r.id, r.sample) for r in batch]
        assert done == engine.run(batch, DECODING)


def test_completions_keep_to_the_decoding(engine: Engine) -> None:
    done = journal.generate(engine, REQUESTS, DECODING)
    assert all(1 <= c.tokens <= 12 and c.finish in ("stop", "length") for c in done)
    assert all(c.text == c.text.strip() and "Question:" not in c.text for c in done)
    assert {c.finish for c in done} == {"stop", "length"}


def test_a_resumed_run_equals_an_unbroken_one(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "journal"
    unbroken = journal.generate(engine, REQUESTS, DECODING, file)
    whole = file.read_bytes()
    lines = sorted(whole.splitlines())  # where many run at once, they end in any order
    for size in (0, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:size])
        assert journal.generate(engine, REQUESTS, DECODING, file) == unbroken
        assert sorted(file.read_bytes().splitlines()) == lines


def test_tokens_are_counted(engine: Engine) -> None:
    assert engine.count_tokens("") == 0
    assert engine.count_tokens("one two three") > engine.count_tokens("one") > 0
