"""vLLM for real, on whatever device it was built for, against the transformers engine."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from w2s import engines, models, prompting, tasks
from w2s.config.schema import ArithTask, Runtime
from w2s.engines import isolated, journal
from w2s.engines.base import Completion, Decoding, Engine, Loading, Request
from w2s.engines.checks import CheckedEngine
from w2s.errors import UserError

pytestmark = pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed")

RUNTIME = Runtime(offline=True, check_engine=False, device_memory=0.3, threads=1)  # one: others may use this machine
VLLM = Loading("vllm", runtime=RUNTIME)
GREEDY = Decoding(48, stop=(*prompting.STOP, "\n\n"))


def _load(engine: str, model: str | Path) -> isolated.IsolatedEngine:
    """In a process of its own, vLLM or not: this one stays free of torch."""
    place = engines.TABLE[engine] if engine != "vllm" else "w2s.engines.vllm:load_here"
    return isolated.load(place, model, VLLM)


def _prompts(count: int) -> list[Request]:
    questions = tasks.load(ArithTask(train_1=1, train_2=1, test=count)).questions("test")
    return [Request(question.id, 0, prompting.prompt(question.question, [])) for question in questions]


def _texts(engine: Engine, requests: list[Request], decoding: Decoding) -> dict[tuple[str, int], Completion]:
    return {(c.id, c.sample): c for c in journal.generate(engine, requests, decoding)}


def _agreement(
    model: str | Path, one: dict[tuple[str, int], Completion], other: dict[tuple[str, int], Completion]
) -> float:
    """Tokens before the first difference, over all tokens."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(models.resolve(model).path_or_id) / "tokenizer.json"))
    equal = total = 0
    for key in one:
        first, second = (tokenizer.encode(texts[key].text).ids for texts in (one, other))
        same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))
        equal += len(list(same))
        total += max(len(first), len(second))
    return equal / total


@pytest.fixture(scope="module")
def strong():
    engine = _load("vllm", "w2s:tiny-strong")
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def reference():
    engine = _load("transformers", "w2s:tiny-strong")
    yield engine
    engine.close()


def test_greedy_texts_agree_with_transformers(strong: Engine, reference: Engine) -> None:
    requests = _prompts(40)
    ours, theirs = _texts(strong, requests, GREEDY), _texts(reference, requests, GREEDY)
    assert _agreement("w2s:tiny-strong", ours, theirs) >= 0.95
    for key, completion in ours.items():
        if completion.text == theirs[key].text:
            assert completion == theirs[key]  # tokens and finish as well
    assert {completion.finish for completion in ours.values()} == {"stop", "length"}


def test_every_sample_has_random_numbers_of_its_own(strong: Engine) -> None:
    requests = [Request(name, sample, "Question: 1") for name in ("a", "b") for sample in range(8)]
    drawn = _texts(strong, requests, Decoding(24, temperature=1.0, seed=1))
    assert len({completion.text for completion in drawn.values()}) > 12
    assert drawn == _texts(strong, requests, Decoding(24, temperature=1.0, seed=1))
    other = _texts(strong, requests, Decoding(24, temperature=1.0, seed=2))
    assert sum(other[key].text == drawn[key].text for key in drawn) < 4


def test_the_context_is_checked_with_the_same_words(strong: Engine, reference: Engine) -> None:
    said = []
    for engine in (strong, reference):
        with pytest.raises(UserError) as error:
            engine.plan([Request("q", 0, "many words " * 700)], Decoding(1024))
        said.append(str(error.value))
    assert said[0] == said[1] and "the model's context of 2048" in said[0]


def test_adapters_share_their_base_and_give_the_texts_of_the_merged_model(tmp_path: Path) -> None:
    requests = _prompts(12)
    folders = [_random_adapter(tmp_path / name, seed) for seed, name in enumerate(("one", "two"))]
    with isolated.Processes() as processes:
        loaded = [engines.load(folder, replace(VLLM, processes=processes)) for folder in folders]
    assert loaded[0].process is loaded[1].process
    texts = [_texts(engine, requests, GREEDY) for engine in loaded]
    loaded[0].close()
    assert texts[1] == _texts(loaded[1], requests, GREEDY)
    loaded[1].close()
    assert not loaded[0].process.alive
    assert _agreement("w2s:tiny-strong", *texts) < 0.9  # the adapters do something, and not the same
    for folder, found in zip(folders, texts, strict=True):
        merged = _load("transformers", folder)
        assert _agreement("w2s:tiny-strong", found, _texts(merged, requests, GREEDY)) >= 0.95
        merged.close()


def test_adapters_of_a_run_find_their_base_loaded_and_give_the_same_texts(tmp_path: Path) -> None:
    """The second one's first batch loads no base: it takes less than half the processor time of the first one's."""
    requests = _prompts(4)
    folders = [_random_adapter(tmp_path / name, seed) for seed, name in enumerate(("one", "two"))]
    alone = []
    for folder in folders:
        engine = engines.load(folder, VLLM)
        alone.append(_texts(engine, requests, GREEDY))
        engine.close()
        assert not engine.process.alive
    children, texts, ticks = [], [], []
    with isolated.Processes() as processes:
        run = replace(VLLM, processes=processes)
        for folder in folders:
            engine = engines.load(folder, run)
            texts.append(_texts(engine, requests, GREEDY))
            children.append(engine.process)
            ticks.append(_ticks(engine.process.pid))
            engine.close()
        assert children[0] is children[1] and children[0].alive
        base = engines.load("w2s:tiny-strong", run)  # without room for adapters: not the same
        assert not children[0].alive
        base.close()
        assert base.process.alive
    assert not base.process.alive
    assert texts == alone
    assert ticks[1] - ticks[0] < ticks[0] / 2


def _ticks(group: int) -> int:
    """The processor time that a process group has used, in clock ticks (Linux)."""
    used = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            fields = stat.read_text().rpartition(")")[2].split()
            used += int(fields[11]) + int(fields[12]) if int(fields[2]) == group else 0
    return used


def _random_adapter(folder: Path, seed: int) -> Path:
    """Rank 4 on every linear map of tiny-strong, strong enough to change texts."""
    import torch
    from safetensors.torch import save_file

    base = models.resolve("w2s:tiny-strong").path_or_id
    sizes = json.loads((Path(base) / "config.json").read_text())
    hidden, inner = sizes["hidden_size"], sizes["intermediate_size"]
    shapes = {f"self_attn.{name}_proj": (hidden, hidden) for name in "qkvo"}
    shapes |= {"mlp.gate_proj": (hidden, inner), "mlp.up_proj": (hidden, inner), "mlp.down_proj": (inner, hidden)}
    random = torch.Generator().manual_seed(seed)
    weights = {}
    for layer in range(sizes["num_hidden_layers"]):
        for name, (width, height) in shapes.items():
            place = f"base_model.model.model.layers.{layer}.{name}"
            weights[f"{place}.lora_A.weight"] = torch.randn(4, width, generator=random) * 0.05
            weights[f"{place}.lora_B.weight"] = torch.randn(height, 4, generator=random) * 0.05
    folder.mkdir()
    save_file(weights, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "r": 4, "lora_alpha": 8}
    targets = sorted(name.rpartition(".")[2] for name in shapes)
    (folder / "adapter_config.json").write_text(json.dumps(config | {"target_modules": targets}))
    return folder


def test_closing_ends_the_process() -> None:
    engine = engines.load("w2s:tiny-weak", VLLM)
    assert journal.generate(engine, _prompts(1), Decoding(4))[0].tokens == 4
    group = engine.process.pid
    engine.close()
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)


def test_the_check_refuses_another_model_only(strong: Engine) -> None:
    requests = [Request(f"q{number}", 0, request.prompt) for number, request in enumerate(_prompts(26) * 20)]
    batch = requests[:2]
    same = CheckedEngine(strong, lambda: _load("transformers", "w2s:tiny-strong"))
    same.plan(requests, GREEDY)
    assert len(same.run(batch, GREEDY)) == 2
    other = CheckedEngine(strong, lambda: _load("transformers", "w2s:tiny-weak"))
    other.plan(requests, GREEDY)
    with pytest.raises(UserError, match=r"runtime\.check_engine=false"):
        other.run(batch, GREEDY)
