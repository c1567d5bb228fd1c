from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import random
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from w2s.config.schema import Lora, Runtime, Training
from w2s.errors import UserError
from w2s.models import chat, find
from w2s.records import Example
from w2s.training import loop, sft
from w2s.training.history import measures
from w2s.training.setup import Setup

EXAMPLES = [Example(f"q{i}", f"{i} + {i} ->", " " + "ab " * (i % 4) + str(2 * i)) for i in range(10)]
CONFIG = Training(learning_rate=1e-2, epochs=2, batch_size=4, warmup_ratio=0.0, max_length=96)


def fine_tune(base: Path, out: Path, examples=EXAMPLES, seed: int = 5, **settings):
    on_progress = settings.pop("on_progress", None)
    setup = Setup(seed, **{name: settings.pop(name) for name in ("dtype", "runtime") if name in settings})
    return sft.train(base, examples, out, CONFIG.model_copy(update=settings), setup, on_progress=on_progress)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def digest(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def trained(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    before, seen = digest(base), []
    result = fine_tune(base, folder, on_progress=lambda *step: seen.append(step))
    return folder, result, seen, before


def test_every_parameter_moves(base, trained):
    before, after = weights(base), weights(trained[0])
    assert before.keys() == after.keys()
    assert [name for name in before if torch.equal(before[name], after[name])] == []


def test_lora_moves_every_target_and_nothing_else_and_is_merged(base, tmp_path):
    fine_tune(base, tmp_path, lora=Lora(targets=("q_proj", "up_proj")))
    before, after = weights(base), weights(tmp_path)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if "q_proj" in name or "up_proj" in name}
    assert len(moved) == 4
    assert not list(tmp_path.glob("adapter*"))


def test_the_first_loss_is_the_cross_entropy_of_the_completions(base, tmp_path):
    """All examples in one step; by hand: one unpadded row at a time, completion tokens and EOS only."""
    result = fine_tune(base, tmp_path, batch_size=16, epochs=1)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(base), AutoTokenizer.from_pretrained(base)
    total, count = 0.0, 0
    for example in EXAMPLES:
        prompt = tokenizer(example.prompt)["input_ids"]
        tokens = [*prompt, *tokenizer(example.completion, add_special_tokens=False)["input_ids"], 1]
        with torch.no_grad():
            log_probs = model(torch.tensor([tokens])).logits[0].log_softmax(-1)
        total -= sum(float(log_probs[i - 1, tokens[i]]) for i in range(len(prompt), len(tokens)))
        count += len(tokens) - len(prompt)
    assert result.loss_first == pytest.approx(total / count, rel=1e-5)
    assert result.steps == 1


def test_eos_is_learned_although_padding_is_eos(base, tmp_path):
    """Completions of two lengths, so that batches are padded with the token that must be learned."""
    fine_tune(base, tmp_path, [Example("a", "x", " yz"), Example("b", "v", " wwwwww")], epochs=40, batch_size=2)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    for prompt, completion in (("x", " yz"), ("v", " wwwwww")):
        inputs = tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
        output = model.generate(**inputs, max_new_tokens=20, do_sample=False)[0, 2:]
        assert tokenizer.decode(output) == completion + "</s>"


def test_same_inputs_in_any_order_give_the_same_bytes(base, trained, tmp_path):
    fine_tune(base, tmp_path / "again", random.Random(1).sample(EXAMPLES, len(EXAMPLES)))
    fine_tune(base, tmp_path / "seed", seed=6)
    assert digest(tmp_path / "again") == digest(trained[0])
    assert digest(tmp_path / "seed")["model.safetensors"] != digest(trained[0])["model.safetensors"]


def test_the_base_is_only_read(base, trained):
    assert digest(base) == trained[3]


def test_the_result_counts_and_is_json(trained):
    """10 examples in batches of 4 are 3 steps per epoch; tokens by hand: BOS + prompt + completion + EOS, 2 epochs.

    The prompt "i + i ->" has 8 characters; the completion has a space, "ab " as 2 tokens i % 4 times, and 2i.
    """
    result = trained[1]
    tokens = sum(1 + 8 + 1 + 2 * (i % 4) + len(str(2 * i)) + 1 for i in range(10))
    assert (result.steps, result.examples, result.tokens) == (6, 10, 2 * tokens)
    assert result.loss_last < result.loss_first
    assert json.loads(json.dumps(dataclasses.asdict(result)))["margin_first"] is None


def test_progress_is_told_at_the_beginning_and_every_step(trained):
    assert trained[2] == [(step, 6) for step in range(7)]


def test_the_saved_folder_is_whole(trained):
    assert {path.name for path in trained[0].iterdir()} == {
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    model = AutoModelForCausalLM.from_pretrained(trained[0])
    assert model.dtype == torch.float32
    assert model.generation_config.eos_token_id == 1


def test_bfloat16_keeps_float32_weights(base, tmp_path):
    result = fine_tune(base, tmp_path, epochs=1, dtype="bfloat16")
    assert {tensor.dtype for tensor in weights(tmp_path).values()} == {torch.float32}
    assert result.loss_first > 0


def test_nothing_is_printed(base, tmp_path, capfd):
    fine_tune(base, tmp_path, epochs=1)
    assert capfd.readouterr() == ("", "")


def test_a_loss_that_is_not_finite_stops_the_run_and_says_how_to_mend_it(base, tmp_path):
    with pytest.raises(UserError, match=r"lower the learning rate \(it is 1e\+30\)"):
        fine_tune(base, tmp_path, learning_rate=1e30, epochs=3)
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("number", "value", "finite", "words"),
    [
        (1, math.nan, False, r"\[model\]: loss is .*step 1 of 9.*no update was made yet"),
        (2, math.nan, False, r"\[learning_rate\]: loss is .*lower the learning rate \(it is 0\.01\)"),
        (2, math.inf, True, r"\[loss\]: loss is .*no learning rate cures it"),
        (1, 0.5, True, r"\[loss\]: grad_norm is .*no learning rate cures it"),
    ],
)
def test_the_cure_is_of_what_is_broken(number, value, finite, words):
    """The learning rate only where an update has been made and the log-probabilities are broken."""
    trainer = SimpleNamespace(_config=CONFIG, _bfloat16=False)
    text = str(loop.Trainer._diverged(trainer, number, 9, value, finite=finite))
    assert re.search(f"(?s){words}", text) and ("learning rate (it is" in text) == ("learning_rate" in words)
    assert "dtype=float32" in str(
        loop.Trainer._diverged(SimpleNamespace(_config=CONFIG, _bfloat16=True), number, 9, value, finite=finite)
    )


def test_lora_targets_that_match_nothing_are_refused(base, tmp_path):
    with pytest.raises(UserError, match=r"(?s)qkv_proj.*down_proj, gate_proj"):
        fine_tune(base, tmp_path, lora=Lora(targets=("q_proj", "qkv_proj")))


def test_the_context_of_the_model_is_the_limit_where_it_is_shorter(base, tmp_path):
    """The model has 96 positions: BOS + 1 + 95 + EOS = 98."""
    with pytest.raises(UserError, match=r"(?s)has 98 tokens.*at most 96"):
        fine_tune(base, tmp_path, [Example("q", "x", " " + "z" * 94)], max_length=1000)


@pytest.mark.parametrize(
    ("source", "target", "message"), [("none", "out", "not a model folder"), ("", "", "overwrite")]
)
def test_unusable_folders_are_refused(base, tmp_path, source, target, message):
    with pytest.raises(UserError, match=message):
        fine_tune(tmp_path / source if source else base, tmp_path / target if target else base)


def test_missing_weights_are_refused(base, tmp_path):
    from safetensors.torch import save_file

    for path in base.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    kept = {name: tensor for name, tensor in weights(base).items() if "up_proj" not in name}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"weights are missing: .*up_proj"):
        fine_tune(tmp_path, tmp_path / "out")


@pytest.mark.parametrize("lora", [None, Lora(rank=2)])
def test_passes_and_checkpointing_change_nothing_but_memory(base, tmp_path, monkeypatch, lora):
    """10 examples in batches of 4: the last batch has 2. Layers run again in the backward pass, so twice as often."""
    runs, calls = [], []
    forward = LlamaDecoderLayer.forward
    monkeypatch.setattr(
        LlamaDecoderLayer,
        "forward",
        lambda self, *args, **kw: calls.extend([1] * self.training) or forward(self, *args, **kw),
    )
    for number, (micro_batch, checkpointing) in enumerate([(4, False), (1, False), (3, True), (4, True)]):
        calls.clear()
        runtime = Runtime(device="cpu", micro_batch=micro_batch, gradient_checkpointing=checkpointing)
        result = fine_tune(base, tmp_path / str(number), lora=lora, learning_rate=1e-3, runtime=runtime)
        runs.append((result.curve, weights(tmp_path / str(number)), len(calls)))
    assert runs[3][2] == 2 * runs[0][2] > 0
    for curve, found, _ in runs[1:]:
        assert curve == pytest.approx(runs[0][0], abs=1e-5)
        for name, tensor in runs[0][1].items():
            torch.testing.assert_close(found[name], tensor, rtol=0, atol=1e-5)


def test_a_model_keeps_the_chat_template_it_starts_from(base, tmp_path):
    """And with it the builder of its prompts, though the tokenizer gets a padding token on the way."""
    instruct = tmp_path / "instruct"
    shutil.copytree(base, instruct)
    (instruct / "chat_template.jinja").write_text(
        "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token if m.role == 'assistant' }}"
        "{% endfor %}{{ '[assistant]' if add_generation_prompt }}"
    )
    asked = chat.load(find(str(instruct)))
    examples = [Example(str(n), asked.prompt(f"{n}?"), asked.completion(f"#### {n}")) for n in range(4)]
    fine_tune(instruct, tmp_path / "trained", examples, epochs=1)
    assert chat.load(find(str(tmp_path / "trained"))).hash == asked.hash


def test_a_training_of_one_step_learns_whatever_the_warm_up(base, tmp_path):
    """A warm-up begins at a learning rate of 0, which would be that of the only step."""
    found = fine_tune(base, tmp_path, EXAMPLES[:4], epochs=1, warmup_ratio=0.1)
    assert found.steps == 1
    assert any(not torch.equal(before, weights(tmp_path)[name]) for name, before in weights(base).items())


def test_what_each_step_measures_is_heard_while_it_runs(base, tmp_path, trained):
    """10 examples in batches of 4, twice: 6 steps. The first loss is the record's, and hearing changes no byte."""
    heard = []
    with measures.heard(lambda step, values: heard.append((step, dict(values)))):
        result = fine_tune(base, tmp_path)
    assert [step for step, _ in heard] == [1, 2, 3, 4, 5, 6]
    assert heard[0][1]["loss"] == result.loss_first and heard[0][1]["learning_rate"] == 1e-2
    assert all(set(values) == {"loss", "grad_norm", "learning_rate"} for _, values in heard)
    assert heard[-1][1]["learning_rate"] < 1e-2 and min(values["grad_norm"] for _, values in heard) > 0
    assert digest(tmp_path) == digest(trained[0])
