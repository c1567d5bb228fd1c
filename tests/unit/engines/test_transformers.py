from __future__ import annotations

import copy
import json
import random
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from w2s import engines
from w2s.config.schema import Runtime
from w2s.engines import transformers
from w2s.engines.base import Decoding, Loading, Request, device_memory
from w2s.engines.transformers import TransformersEngine
from w2s.errors import UserError
from w2s.models import device

CPU = Runtime(device="cpu")

SAMPLED = Decoding(20, temperature=1.0, seed=1, stop=())
REQUESTS = [Request(f"q{i}", sample, f"Question: {'x' * i}\nAnswer:") for i in range(6) for sample in range(3)]


@pytest.fixture(scope="module")
def engine(network, tokenizer) -> TransformersEngine:
    return TransformersEngine(network(), tokenizer)


@pytest.fixture(scope="module")
def folder(network, tokenizer, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("model")
    network().save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


def _all(engine, requests, decoding):
    return {(c.id, c.sample): c for batch in engine.plan(requests, decoding) for c in engine.run(batch, decoding)}


def test_draws_do_not_depend_on_the_order_of_requests(engine) -> None:
    shuffled = random.Random(0).sample(REQUESTS, len(REQUESTS))
    first = _all(engine, REQUESTS, SAMPLED)
    assert first == _all(engine, shuffled, SAMPLED)
    assert len({c.text for c in first.values()}) > 12, "samples must differ"


def test_draws_do_not_depend_on_the_requests_around_them(engine) -> None:
    """Up to floating point: equal here, where no draw lies within 1e-6 of a boundary."""
    some = [r for r in REQUESTS if r.id in ("q1", "q4")]
    everything = _all(engine, REQUESTS, SAMPLED)
    assert _all(engine, some, SAMPLED) == {key: everything[key] for key in everything if key[0] in ("q1", "q4")}


def test_plan_keeps_samples_together_and_within_the_rows(engine, monkeypatch) -> None:
    monkeypatch.setattr(transformers, "MAX_ROWS", 7)
    batches = engine.plan(REQUESTS, SAMPLED)
    assert [[r.id for r in batch[::3]] for batch in batches] == [["q5", "q4"], ["q3", "q2"], ["q1", "q0"]]
    assert all([r.sample for r in batch] == [0, 1, 2] * 2 for batch in batches)


def test_plan_keeps_within_the_cache(engine, monkeypatch) -> None:
    """2 layers x 2 heads x size 8 x 4 bytes x 2 (K and V) = 256 bytes per token.

    All prompts share BOS and "Question: " (11 tokens); q5 has 5 + 8 more, so with 3 x 20 new ones 73 per question:
    two fit in 146. The later pairs are narrower (71, then 69 per question), but three of them never fit.
    """
    monkeypatch.setattr(transformers, "CACHE_BYTES", 146 * 256)
    assert [len(batch) for batch in engine.plan(REQUESTS, SAMPLED)] == [6, 6, 6]
    monkeypatch.setattr(transformers, "CACHE_BYTES", 146 * 256 - 1)
    assert [len(batch) for batch in engine.plan(REQUESTS, SAMPLED)] == [3, 6, 6, 3]
    monkeypatch.setattr(transformers, "CACHE_BYTES", 1)
    assert [len(batch) for batch in engine.plan(REQUESTS, SAMPLED)] == [3] * 6


def test_text_ends_before_the_stop_string(engine, tokenizer) -> None:
    """Take a text without stop strings, then forbid a part of it: the text is the same up to that part."""
    free = _all(engine, REQUESTS, SAMPLED)
    tested = 0
    for (name, sample), completion in free.items():
        stop = completion.text[5:7]
        if len(stop) < 2 or not stop.isascii() or not stop.isprintable() or " " in stop:
            continue
        tested += 1
        decoding = Decoding(20, temperature=1.0, seed=1, stop=(stop,))
        stopped = _all(engine, [r for r in REQUESTS if r.id == name], decoding)[name, sample]
        assert stopped.text == completion.text.partition(stop)[0].strip()
        assert stopped.finish == "stop"
        assert stopped.tokens < completion.tokens or completion.text.endswith(stop)
    assert tested


def test_exactly_one_bos(engine) -> None:
    assert engine._tokens.prompts(["ab"])["ab"][:2].count(0) == 1
    assert engine._tokens.prompts(["<s>ab"])["<s>ab"].count(0) == 1
    assert engine.count_tokens("ab") == 2


def test_a_prompt_beyond_the_context_is_refused_before_anything_runs(engine) -> None:
    """One BOS and 250 bytes leave 5 of 256."""
    long = Request("long", 0, "y" * 250)
    assert engine.plan([long], Decoding(5))
    with pytest.raises(UserError, match=r"'long': 251 prompt tokens and 6 new tokens(.|\n)*256(.|\n)*at most 5"):
        engine.plan([*REQUESTS, long], Decoding(6))


def test_asking_twice_is_refused(engine) -> None:
    with pytest.raises(UserError, match="requested twice"):
        engine.plan([REQUESTS[0], REQUESTS[0]], SAMPLED)


def test_nothing_asked_is_nothing_done(engine) -> None:
    assert engine.plan([], SAMPLED) == []


@pytest.mark.parametrize("damage, problem", [
    ("a tensor less", r"weights are missing: model\.layers\.1\.mlp\.up_proj\.weight\n"),
    ("a layer more", r"weights are missing: model\.layers\.2\..*, \.\.\."),
    ("a layer less", r"\[num_hidden_layers\]: has more layers than its config\.json says: model\.layers\.1"),
    ("no layers", r"\[num_hidden_layers\]: has no layers"),
    ("zeros", "has weights that are all zero"),
])  # fmt: skip
def test_a_model_without_all_its_weights_is_refused(damage: str, problem: str, folder: Path, tmp_path: Path) -> None:
    """transformers would draw what is missing at random, and drop what the config has not, with a warning."""
    place = Path(shutil.copytree(folder, tmp_path / "model"))
    config = json.loads((place / "config.json").read_text())
    weights = load_file(place / "model.safetensors")
    if damage == "a tensor less":
        del weights["model.layers.1.mlp.up_proj.weight"]
    elif damage == "zeros":
        weights = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    config["num_hidden_layers"] = {"a layer more": 3, "a layer less": 1, "no layers": -3}.get(damage, 2)
    save_file(weights, place / "model.safetensors", metadata={"format": "pt"})
    (place / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=problem):
        engines.load(place, Loading(runtime=CPU))


def test_a_saved_model_loads_and_answers_the_same(engine, folder: Path) -> None:
    loaded = engines.load(folder, Loading(runtime=Runtime(device="cpu", offline=True)))
    assert _all(loaded, REQUESTS, SAMPLED) == _all(engine, REQUESTS, SAMPLED)
    loaded.close()


def test_bfloat16_runs(folder: Path) -> None:
    loaded = engines.load(folder, Loading(dtype="bfloat16", runtime=CPU))
    assert len(_all(loaded, REQUESTS, SAMPLED)) == len(REQUESTS)


def test_a_torn_weight_file_is_one_message(folder: Path, tmp_path: Path) -> None:
    torn = shutil.copytree(folder, tmp_path / "torn")
    weights = torn / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(UserError, match=f"{re.escape(str(torn))}: cannot be loaded"):
        engines.load(torn, Loading(runtime=CPU))


@pytest.mark.parametrize(
    "error", [RuntimeError("CUDA out of memory."), RuntimeError("DefaultCPUAllocator: not enough memory")]
)
def test_too_little_memory_is_no_fault_of_the_files(folder: Path, monkeypatch, error: Exception) -> None:
    """It stays what it is, for the caller, who names what helps; saving the model again would not."""

    def load(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", load)
    with pytest.raises(type(error)) as raised:
        engines.load(folder, Loading(runtime=CPU))
    assert raised.value is error


def test_no_end_of_text_is_refused(network, tokenizer) -> None:
    import copy

    bare = copy.deepcopy(tokenizer)
    bare.eos_token = None
    model = network(eos_token_id=None)
    with pytest.raises(UserError, match="no end-of-text token"):
        TransformersEngine(model, bare)


def test_a_wrong_dtype_and_a_model_that_is_not_there_are_the_users_errors(folder: Path) -> None:
    with pytest.raises(UserError, match=r"\[dtype\]"):
        engines.load(folder, Loading(dtype="int3"))
    with pytest.raises(UserError, match=r"\[model\]"):
        engines.load("no/where/at/all")


def test_a_stop_string_that_is_a_special_token_ends_the_text(network, tokenizer) -> None:
    """As the end of a turn in models whose EOS is another token: texts are searched without their special tokens."""
    own = copy.deepcopy(tokenizer)
    own.add_special_tokens({"additional_special_tokens": ["<end_of_turn>"]})
    engine = TransformersEngine(network(vocab_size=260, eos_token_id=1), own)
    requests = [Request("q", sample, "Question: x") for sample in range(64)]
    free = _all(engine, requests, Decoding(60, temperature=3.0, stop=()))
    ended = _all(engine, requests, Decoding(60, temperature=3.0, stop=("<end_of_turn>",)))
    shorter = [key for key in free if ended[key].tokens < free[key].tokens]
    assert len(shorter) > 5  # of 64 rows of 60 tokens, one in 260: about 13
    for key in shorter:
        assert ended[key].finish == "stop" and free[key].text.startswith(ended[key].text)
    assert all(ended[key] == free[key] for key in free.keys() - shorter)


@pytest.mark.parametrize("bytes_taken", [None, 7])
def test_transformers_measures_from_its_loading_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, bytes_taken: int | None
) -> None:
    watched: list[str] = []
    monkeypatch.setattr(device, "watch", lambda: watched.append("from here"))
    monkeypatch.setattr(device, "most", lambda: bytes_taken)
    engine = transformers.load(folder, Loading(runtime=Runtime(offline=True, device="cpu")))
    assert watched == ["from here"] and device_memory(engine) == bytes_taken
