"""What the vLLM engine does without vLLM: plans, sampling parameters, sharing, refusals. `tests/vllm` has the rest."""

from __future__ import annotations

import importlib.util
import json
import logging
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from w2s import engines, models, seeds
from w2s.config.schema import Runtime
from w2s.engines import isolated, vllm, vllm_base
from w2s.engines.base import Decoding, Loading, Request, ticks
from w2s.engines.checks import CheckedEngine
from w2s.engines.tokens import Tokens
from w2s.errors import UserError
from w2s.models import device, parity

VLLM = Loading("vllm")
UNCHECKED = Loading("vllm", runtime=Runtime(check_engine=False))


class _Words:
    """A tokenizer: one token per word."""

    bos_token_id = None

    def __call__(self, texts: Any, add_special_tokens: bool = True) -> Any:
        return SimpleNamespace(input_ids=[list(range(len(text.split()))) for text in texts])


def _engine() -> vllm.VllmEngine:
    return vllm.VllmEngine(Tokens(_Words(), [0], 100), lambda: None, lambda: None)


def test_batches_keep_to_their_tokens_and_questions_stay_whole(monkeypatch) -> None:
    monkeypatch.setattr(vllm, "BATCH_TOKENS", 50)
    requests = [Request(f"q{n}", s, "w " * (n + 1)) for n in range(4) for s in range(2)]
    plan = _engine().plan(requests, Decoding(10))
    # a question costs its prompt once and 2 * 10 new tokens: q3 24 + q2 23 = 47, q1 22 + q0 21 = 43
    assert [[(r.id, r.sample) for r in batch] for batch in plan] == [
        [("q3", 0), ("q3", 1), ("q2", 0), ("q2", 1)],
        [("q1", 0), ("q1", 1), ("q0", 0), ("q0", 1)],
    ]
    assert len(_engine().plan(requests, Decoding(40))) == 4  # none fits, and none is cut


def test_what_does_not_fit_the_context_is_refused_before_anything_is_loaded() -> None:
    requests = [Request("a", 0, "w"), Request("b", 0, "w " * 10)]
    assert _engine().plan(requests, Decoding(90))
    with pytest.raises(
        UserError, match="'b': 10 prompt tokens and 91 new tokens do not fit the model's context of 100"
    ):
        _engine().plan(requests, Decoding(91))


def test_a_row_is_drawn_with_its_own_seed() -> None:
    decoding = Decoding(7, temperature=0.5, top_p=0.9, stop=("x",), seed=4)
    found = vllm.sampling(Request("a", 3, "p"), decoding, [2, 5])
    assert found["seed"] == seeds.derive(4, "a", 3)
    assert (found["max_tokens"], found["temperature"], found["top_p"]) == (7, 0.5, 0.9)
    assert found["stop"] == ["x"] and found["stop_token_ids"] == [2, 5] and found["ignore_eos"]


def test_greedy_rows_have_no_seed() -> None:
    found = vllm.sampling(Request("a", 3, "p"), Decoding(7, top_p=0.9), [2])
    assert (found["seed"], found["temperature"], found["top_p"]) == (None, 0.0, 1.0)


def test_a_base_is_loaded_once_and_freed_with_its_last_engine(monkeypatch) -> None:
    events: list[str] = []

    class Model:
        def __init__(self) -> None:
            events.append("load")
            self.llm_engine = self.engine_core = self

        def shutdown(self) -> None:
            events.append("free")

    monkeypatch.setattr(vllm_base, "build", lambda base: Model())
    plain = vllm_base.Base("m", None, "float32", False, 1, 0.9, 0)
    lora = vllm_base.Base("m", None, "float32", False, 1, 0.9, 64)
    first, second = vllm_base.acquire(lora), vllm_base.acquire(lora)
    assert first is second is not vllm_base.acquire(plain)
    vllm_base.release(lora)
    assert events == ["load", "load"]
    vllm_base.release(lora)
    vllm_base.release(plain)
    assert events == ["load", "load", "free", "free"] and not vllm_base._loaded


def test_a_machine_without_vllm_is_told_so(monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="vLLM is not installed"):
        engines.load("w2s:tiny-weak", VLLM)


@pytest.fixture
def loads(monkeypatch) -> list[dict[str, Any]]:
    """Instead of processes: what would have been started."""
    started: list[dict[str, Any]] = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())

    def record(place: str, model: Any, loading: Loading, share: str | None = None) -> None:
        started.append({"place": place, "share": share})

    monkeypatch.setattr(isolated, "load", record)
    return started


def test_the_engine_is_checked_unless_switched_off(loads) -> None:
    assert isinstance(engines.load("w2s:tiny-weak", VLLM), CheckedEngine)
    assert not isinstance(engines.load("w2s:tiny-weak", UNCHECKED), CheckedEngine)
    assert [load["place"] for load in loads] == ["w2s.engines.vllm:load_here"] * 2


def test_no_reference_where_training_left_what_to_compare_with(loads, tmp_path) -> None:
    """`served_equals_trained` compares then, and needs no second model in the device's memory."""
    for path in models.folder("w2s:tiny-weak").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert isinstance(engines.load(tmp_path, VLLM), CheckedEngine)
    parity.write(parity.Parity(16, 0.5, ("p",), ("a",), ("b",)), tmp_path)
    assert not isinstance(engines.load(tmp_path, VLLM), CheckedEngine)


def test_no_check_beside_several_devices_and_it_says_so(loads, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        engine = engines.load("w2s:tiny-weak", Loading("vllm", runtime=Runtime(tensor_parallel=2)))
    assert not isinstance(engine, CheckedEngine)
    assert "no check of the engine" in caplog.text


def test_engines_share_a_process_only_where_everything_is_equal(loads, tmp_path) -> None:
    """Adapters of ranks 4 and 60 are loaded for rank 64 alike; rank 100 takes 128, and no adapter none."""
    weak = "w2s:tiny-weak"
    for model, dtype in ((weak, "float32"), (weak, "float32"), (weak, "bfloat16"), ("w2s:tiny-strong", "float32")):
        engines.load(model, replace(UNCHECKED, dtype=dtype))
    for rank in (4, 60, 100):
        engines.load(_adapter(tmp_path / str(rank), rank), UNCHECKED)
    shares = [load["share"] for load in loads]
    assert shares[0] == shares[1] and shares[4] == shares[5]
    assert len(set(shares)) == 5


def test_what_may_be_compared_with_the_reference_shares_no_process(loads, tmp_path) -> None:
    """The reference has to find the device free of what another step loaded. A trained adapter needs none."""
    engines.load("w2s:tiny-weak", VLLM)
    adapter = _adapter(tmp_path / "adapter", 4)
    engines.load(adapter, VLLM)
    assert [load["share"] for load in loads] == [None, None]
    parity.write(parity.Parity(16, 0.5, ("p",), ("a",), ("b",)), adapter)
    engines.load(adapter, VLLM)
    assert loads[2]["share"] is not None


def _adapter(folder: Path, rank: int) -> Path:
    folder.mkdir()
    config = {"peft_type": "LORA", "base_model_name_or_path": "w2s:tiny-weak", "r": rank}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "adapter_model.safetensors").write_bytes(b"")
    return folder


@pytest.mark.filterwarnings("ignore:Found missing adapter keys")
def test_an_adapter_without_its_parts_is_refused_before_vllm_loads_anything(monkeypatch, tmp_path) -> None:
    import peft
    from safetensors import torch as safetensors
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(models.resolve("w2s:tiny-weak").path_or_id)
    peft.get_peft_model(network, peft.LoraConfig(target_modules=["q_proj"])).save_pretrained(tmp_path)
    platforms = SimpleNamespace(current_platform=SimpleNamespace(is_cpu=lambda: True))
    monkeypatch.setitem(sys.modules, "vllm.platforms", platforms)
    monkeypatch.setattr(vllm_base, "ENVIRONMENT", {})
    monkeypatch.setattr(vllm_base, "acquire", None)  # whoever loads fails
    vllm.load_here(tmp_path, UNCHECKED)
    weights = safetensors.load_file(tmp_path / "adapter_model.safetensors")
    safetensors.save_file(dict(list(weights.items())[1:]), tmp_path / "adapter_model.safetensors")
    with pytest.raises(UserError, match=r"parts are missing: .*q_proj\.lora_A"):
        vllm.load_here(tmp_path, UNCHECKED)


def test_the_mark_of_the_end_of_a_turn_ends_a_text(monkeypatch) -> None:
    """As a token: vLLM looks for stop strings in texts without special tokens, as we do."""
    given: list[dict[str, Any]] = []

    class Llm:
        llm_engine = SimpleNamespace(model_config=SimpleNamespace(max_model_len=100))

        def reset_prefix_cache(self) -> None:
            pass

        def generate(self, prompts: Any, params: Any, **_: Any) -> Any:
            given.extend(params)
            return [SimpleNamespace(outputs=[SimpleNamespace(token_ids=[7, 9])])]

    class Turns(_Words):
        def get_added_vocab(self) -> dict[str, int]:
            return {"</s>": 0, "<end_of_turn>": 9}

        def batch_decode(self, rows: Any, **_: Any) -> list[str]:
            return ["seven" for _ in rows]

    monkeypatch.setattr(vllm.importlib, "import_module", lambda name: SimpleNamespace(SamplingParams=dict))
    engine = vllm.VllmEngine(Tokens(Turns(), [0], 100), Llm, lambda: None)
    watched: list[int] = []
    monkeypatch.setattr(device, "watch", lambda: watched.append(1))
    (done,) = engine.run([Request("a", 0, "w")], Decoding(10, stop=("<end_of_turn>",)))
    assert watched == [1] and engine.device_memory() is None
    monkeypatch.setattr(device, "most", lambda: 7)
    assert engine.device_memory() == 7
    assert given[0]["stop_token_ids"] == [0, 9]
    assert (done.text, done.finish) == ("seven", "stop")


@pytest.mark.parametrize(
    ("quantize", "expected"), [(None, ("safetensors", None)), ("4bit", ("bitsandbytes", "bitsandbytes"))]
)
def test_a_quantised_model_is_quantised_by_bitsandbytes(monkeypatch, quantize: str | None, expected: tuple) -> None:
    asked: dict[str, Any] = {}
    platforms = SimpleNamespace(current_platform=SimpleNamespace(is_cpu=lambda: False))
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(LLM=lambda model, **options: asked.update(options)))
    monkeypatch.setitem(sys.modules, "vllm.platforms", platforms)
    vllm_base.build(vllm_base.Base("m", None, "bfloat16", False, 1, 0.9, 0, quantize))
    assert (asked["load_format"], asked.get("quantization")) == expected


@pytest.mark.parametrize("text", ["CUDA out of memory. Tried to allocate 2.00 GiB.", "no such kernel"])
def test_a_lack_of_memory_is_told_from_a_model_that_cannot_be_loaded(monkeypatch, text: str) -> None:
    def load(model: str, **_: Any) -> None:
        raise RuntimeError(text)

    platforms = SimpleNamespace(current_platform=SimpleNamespace(is_cpu=lambda: False))
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(LLM=load))
    monkeypatch.setitem(sys.modules, "vllm.platforms", platforms)
    with pytest.raises(RuntimeError if "memory" in text else UserError, match=text):
        vllm_base.build(vllm_base.Base("m", None, "bfloat16", False, 1, 0.9, 0))


def test_the_bar_tells_how_many_requests_have_ended(capsys) -> None:
    """As vLLM uses it: over the requests while they are added, then with a total."""
    told: list[tuple[int, int]] = []
    with ticks.heard(lambda *told_now: told.append(told_now)):
        assert list(vllm._bar(["a", "b"], desc="Adding requests")) == ["a", "b"]
        bar = vllm._bar(total=5, desc="Processed prompts", dynamic_ncols=True, postfix="est. speed")
        bar.postfix = "est. speed input: 1.00 toks/s"
        bar.update(2)
        bar.update(3)
        bar.close()
    assert told == [(2, 0), (5, 0)] and bar.n == 5
    assert capsys.readouterr() == ("", "")
