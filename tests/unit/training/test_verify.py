"""Adapters: what is saved is what was trained, and what serves can be asked whether it is that."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from w2s import engines
from w2s.config.schema import Lora, Runtime, Training
from w2s.engines import checks
from w2s.engines.base import Loading
from w2s.errors import UserError
from w2s.models import adapters, parity
from w2s.records import Example
from w2s.training import checkpoint, sft, verify
from w2s.training.data import Encoded
from w2s.training.setup import Setup

EXAMPLES = [Example(f"q{i:02d}", f"{i} + {i} ->", " " + "ab " * (i % 4) + str(2 * i)) for i in range(70)]
CONFIG = Training(learning_rate=1e-2, epochs=4, batch_size=8, warmup_ratio=0.0, max_length=96)


def fine_tune(base: Path, out: Path, save: str, **settings):
    config = CONFIG.model_copy(update={"lora": Lora(save=save), **settings})
    return sft.train(base, EXAMPLES, out, config, Setup(seed=5))


@pytest.fixture(scope="module", params=["merged", "adapter"])
def trained(request, base, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    fine_tune(base, folder, request.param)
    return folder


def served(model: Path, dtype="float32", kept: Path | None = None):
    engine = engines.load(model, Loading(dtype=dtype, runtime=Runtime(device="cpu", offline=True)))
    found = parity.read(kept or model)
    assert found is not None
    return checks.served_equals_trained(engine, found, str(model), dtype)


def test_a_text_that_is_off_by_more_than_a_thousandth_of_a_nat_a_token_is_named():
    """2 and 4 tokens: 0.0019 / 2 and 0.0039 / 4 are below 0.001; 0.0041 / 4 is not."""
    texts = [Encoded("a", (0,), (5, 1)), Encoded("b", (0,), (5, 6, 7, 1))]
    verify.saved_equals_trained(texts, [-1.0, -2.0], [-1.0019, -1.9961], Path("m"))
    for wrong in (-2.0041, math.nan):
        with pytest.raises(UserError, match=r"(?s)'b' is off by .*at most 0\.001 nats per"):
            verify.saved_equals_trained(texts, [-1.0, -2.0], [-1.0, wrong], Path("m"))


def test_64_prompts_are_kept_and_the_engine_says_what_the_trained_model_said(base, trained):
    kept = parity.read(trained)
    assert (len(kept.prompts), len(set(kept.prompts)), kept.tokens) == (64, 64, 16)
    assert set(kept.prompts) <= {example.prompt for example in EXAMPLES}
    assert len(kept.telling) > 50 and kept.base_agreement < 0.5
    found = served(trained)
    assert found["agreement"] > 0.98 and found["agreement_telling"] > 0.98
    assert (found["telling"], found["base"]) == (len(kept.telling), round(kept.base_agreement, 4))


def test_what_the_base_said_is_kept_too(base, trained):
    kept = parity.read(trained)
    swapped = parity.Parity(kept.tokens, 1.0, kept.prompts, kept.base_texts, kept.texts)
    engine = engines.load(base, Loading(runtime=Runtime(device="cpu", offline=True)))
    assert checks.served_equals_trained(engine, swapped, "base", "float32")["agreement"] > 0.98


def test_bfloat16_passes(trained):
    assert served(trained, dtype="bfloat16")["agreement"] > 0.8


def test_the_base_in_the_place_of_the_model_is_refused(base, trained):
    with pytest.raises(UserError, match=r"(?s)the adapter is lost or scaled wrongly.*runtime\.check_engine=false"):
        served(base, kept=trained)


def copied(trained: Path, out: Path) -> Path:
    out.mkdir()
    for path in trained.iterdir():
        (out / path.name).write_bytes(path.read_bytes())
    return out


@pytest.mark.parametrize("alpha", [1, 64])
def test_an_adapter_of_another_scale_is_refused(base, tmp_path, alpha):
    fine_tune(base, tmp_path / "trained", "adapter")
    config = adapters.read(tmp_path / "trained") | {"lora_alpha": alpha}
    (tmp_path / "trained" / adapters.CONFIG).write_text(json.dumps(config))
    with pytest.raises(UserError, match="scaled wrongly"):
        served(tmp_path / "trained")


def test_an_adapter_that_is_lost_is_refused(base, tmp_path):
    """An adapter of zeros is none."""
    fine_tune(base, tmp_path / "trained", "adapter")
    file = tmp_path / "trained" / adapters.WEIGHTS
    save_file({name: torch.zeros_like(tensor) for name, tensor in load_file(file).items()}, file)
    with pytest.raises(UserError, match="adapter is lost"):
        served(tmp_path / "trained")


def _scale(folder: Path) -> None:
    config = adapters.read(folder)
    (folder / adapters.CONFIG).write_text(json.dumps(config | {"lora_alpha": 2 * config["lora_alpha"]}))


@pytest.mark.parametrize("form", ["merged", "adapter"])
def test_training_stops_where_the_folder_does_not_hold_what_was_trained(base, tmp_path, monkeypatch, form):
    """Saved without the adapter, as a whole model; or with another alpha, as an adapter."""
    save = checkpoint.save

    def wrongly(model, tokenizer, out, form, trained):
        if form == "adapter":
            save(model, tokenizer, out, form)
            _scale(out)
        else:
            save(model.unload(), tokenizer, out)

    monkeypatch.setattr(checkpoint, "save", wrongly)
    with pytest.raises(UserError, match="the saved model is not the trained one"):
        fine_tune(base, tmp_path, form)
    assert not (tmp_path / parity.FILE).exists()


def test_full_fine_tuning_keeps_nothing_to_compare(base, tmp_path):
    fine_tune(base, tmp_path, "merged", lora=None, epochs=1)
    assert not (tmp_path / parity.FILE).exists()


def test_where_no_prompt_leaves_room_for_an_answer_there_is_nothing_to_compare(base, tmp_path):
    """The model has 96 positions: 82 letters and BOS leave 13, and 16 are asked for."""
    config = CONFIG.model_copy(update={"lora": Lora(), "epochs": 1})
    sft.train(base, [Example("q", "x" * 82, " z")], tmp_path, config, Setup(seed=5))
    assert not (tmp_path / parity.FILE).exists() and (tmp_path / "model.safetensors").exists()


def test_frozen_weights_in_bfloat16_change_no_bit_of_what_is_learnt(base, tmp_path, monkeypatch):
    """Autocast makes the same numbers of them; what is saved is made of the weights as they were."""
    (tmp_path / "rounded").mkdir()
    results = []
    for name in ("rounded", "cast"):
        if name == "cast":
            monkeypatch.setattr(checkpoint, "round_frozen", lambda model: {})
        config = CONFIG.model_copy(update={"lora": Lora(), "epochs": 1})
        results.append(sft.train(base, EXAMPLES, tmp_path / name, config, Setup(seed=5, dtype="bfloat16")).curve)
    assert results[0] == results[1]
    ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("rounded", "cast"))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_weight_comes_back_as_it_was_whatever_held_it(base, tokenizer):
    """Two in bfloat16 and float16 to the last bit (1 + 2^-7, 1 + 2^-10), the others in float32; trained ones stay."""
    model = checkpoint.load_model(base, tokenizer).requires_grad_(False)
    first, second, trained = (
        model.model.layers[0].self_attn,
        model.model.layers[1].self_attn,
        model.model.layers[1].mlp,
    )
    first.q_proj.weight.fill_(1 + 2**-7)
    second.q_proj.weight.fill_(1 + 2**-10)
    trained.up_proj.weight.requires_grad_(True)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    exact = checkpoint.round_frozen(model)
    assert first.q_proj not in exact and exact[second.q_proj].dtype == torch.float16
    assert exact[second.v_proj].dtype == torch.float32 and trained.up_proj not in exact
    assert {first.q_proj.weight.dtype, second.q_proj.weight.dtype, second.v_proj.weight.dtype} == {torch.bfloat16}
    assert {trained.up_proj.weight.dtype, model.model.embed_tokens.weight.dtype} == {torch.float32}
    checkpoint.restore_frozen(model, exact)
    after = model.state_dict()
    assert all(
        torch.equal(after[name], tensor) and after[name].dtype == tensor.dtype for name, tensor in before.items()
    )
