"""Loading, encoding, training, merging and saving on small models of every architecture that presets name."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from transformers import AutoTokenizer

from w2s.config import schema
from w2s.engines import transformers as engine
from w2s.engines.base import Completion, Decoding, Loading, Request
from w2s.engines.tokens import Tokens, end_tokens
from w2s.errors import UserError
from w2s.records import Example, Preference
from w2s.training import checkpoint, data, distributed, losses, preference, sft
from w2s.training.data import IGNORE, Encoded
from w2s.training.loop import Trainer
from w2s.training.setup import Setup

QUESTION, RESPONSE = "What is two and two?", "The answer is: 4\n#### 4"
OTHER = "The answer is: 5\n#### 5"
SEVEN = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
LORA = schema.Lora(rank=4, alpha=8)
QUICK = schema.Training(
    learning_rate=1e-2, epochs=1, batch_size=1, warmup_ratio=0.0, max_length=512, schedule="constant"
)
CPU = schema.Runtime(device="cpu", progress=False)


def pick(base: Path, response: str = RESPONSE) -> Example:
    return Example("q", *tiny_models.texts(AutoTokenizer.from_pretrained(base), QUESTION, response))


def prefer(base: Path) -> Preference:
    chosen, rejected = pick(base), pick(base, OTHER)
    return Preference("q", chosen.prompt, chosen.completion, rejected.completion)


def fit(base: Path, out: Path, steps: int = 2, lora: schema.Lora | None = None, response: str = RESPONSE) -> Any:
    training = QUICK.model_copy(update={"epochs": steps, "lora": lora})
    return sft.train(base, [pick(base, response)], out, training, Setup(runtime=CPU))


def answer(folder: Path, prompt: str, tokens: int = 24) -> Completion:
    loaded = engine.load(folder, Loading(runtime=CPU))
    try:
        decoding = Decoding(tokens)
        (batch,) = loaded.plan([Request("q", 0, prompt)], decoding)
        return loaded.run(batch, decoding)[0]
    finally:
        loaded.close()


def trainer(folder: Path, lora: schema.Lora | None = None, lr: float = 1e-2) -> tuple[Trainer, Any]:
    start = checkpoint.find(folder)
    tokenizer = checkpoint.load_tokenizer(start)
    training = QUICK.model_copy(update={"lora": lora, "epochs": 3, "learning_rate": lr})
    with distributed.join(CPU) as team:
        return Trainer(start, tokenizer, training, team, Setup(runtime=CPU)), tokenizer


def scores(folder: Path, rows: list[Encoded]) -> list[float]:
    return trainer(folder)[0].score(rows)


@pytest.fixture(scope="module", params=[f"{kind}-{form}" for kind in tiny_models.KINDS for form in ("plain", "chat")])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    kind, _, form = request.param.partition("-")
    return tiny_models.make(kind, tmp_path_factory.mktemp(request.param, numbered=False), form == "chat")


@pytest.fixture(scope="module")
def learned(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base after enough steps on one example to know it by heart."""
    folder = tmp_path_factory.mktemp("learned")
    result = fit(base, folder, steps=40)
    assert math.isfinite(result.loss_first) and result.loss_last < 0.1 < result.loss_first
    return folder


def test_the_models_are_of_the_families_they_stand_for(base: Path) -> None:
    kind, _, form = base.name.partition("-")
    tokenizer = AutoTokenizer.from_pretrained(base)
    settings = json.loads((base / "config.json").read_text())
    assert settings["model_type"] == kind
    assert settings["vocab_size"] > len(tokenizer)
    ids = tokenizer("a").input_ids
    assert (tokenizer.bos_token_id in ids) == (kind != "qwen2") == (tokenizer.bos_token is not None)
    assert (tokenizer.pad_token is None) == (kind in ("llama", "mistral"))
    assert (tokenizer.chat_template is not None) == (form == "chat")
    assert tokenizer.decode(tokenizer("a é\n b").input_ids, skip_special_tokens=True) == "a é\n b"
    assert tokenizer.unk_token_id not in tokenizer("é Ω 数", add_special_tokens=False).input_ids


def test_an_example_ends_with_the_only_eos_and_begins_with_at_most_one_bos(base: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    (row,) = data.encode(tokenizer, [pick(base)], 512)
    assert row.labels[-1] == row.tokens[-1] == tokenizer.eos_token_id
    assert row.completion.count(tokenizer.eos_token_id) == 1
    assert row.labels == [IGNORE] * len(row.prompt) + list(row.completion)
    assert row.tokens.count(tokenizer.bos_token_id) == (tokenizer.bos_token_id is not None)
    text = tokenizer.decode(row.completion, skip_special_tokens=True)
    assert text.strip().removesuffix("<end_of_turn>").strip() == RESPONSE


def test_training_sees_the_prompt_that_generation_sees(base: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokens = Tokens(tokenizer, end_tokens(tokenizer, None, "x"), None)
    for question in (QUESTION, "7", "  Zwei\n\nund é: 数 ", "<s>[INST] <bos> What?", "x" * 40):
        prompt, completion = tiny_models.texts(tokenizer, question, RESPONSE)
        example = Example("q", prompt, completion)
        if tokenizer.bos_token is not None and tokenizer.bos_token in question:
            assert data.spells_marks(tokenizer, prompt, completion)
            with pytest.raises(UserError, match="has a BOS inside its text"):
                data.encode(tokenizer, [example], 512)
            continue
        (row,) = data.encode(tokenizer, [example], 512)
        assert tokens.prompts([prompt])[prompt] == list(row.prompt)


def test_labels_are_by_length_also_where_padding_is_eos(base: Path) -> None:
    tokenizer = checkpoint.load_tokenizer(checkpoint.find(base))
    tokenizer.pad_token = tokenizer.eos_token
    rows = data.encode(tokenizer, [pick(base), pick(base, "4")], 512)
    batch = data.pad(rows, tokenizer.pad_token_id)
    for row, labels in zip(rows, batch["labels"].tolist(), strict=True):
        assert labels[: len(row.tokens)][-1] == tokenizer.eos_token_id
        assert sum(label != IGNORE for label in labels) == len(row.completion)


def test_padding_changes_no_log_probability(base: Path) -> None:
    """Nothing masks it: each architecture's attention must be causal."""
    made, tokenizer = trainer(base, None)
    rows = data.encode(tokenizer, [pick(base), pick(base, " ".join(["4"] * 30))], 512)
    device = torch.device("cpu")
    with torch.no_grad():
        together = losses.log_probs(made._model, rows, tokenizer.pad_token_id, device, packed=False)
        alone = [losses.log_probs(made._model, [row], 0, device, packed=False)[0] for row in rows]
    assert together.tolist() == pytest.approx([float(value) for value in alone], rel=1e-5)


def test_a_prompt_that_two_texts_share_changes_no_log_probability(base: Path) -> None:
    """As training scores them, against each text by itself, padded: two texts of one prompt and one of another."""
    made, tokenizer = trainer(base, None)
    pair = pick(base)
    other = Example(pair.id, pair.prompt, pair.completion.replace("4", "17 or 18"))
    assert other.completion != pair.completion
    rows = data.encode(tokenizer, [pair, pick(base, " ".join(["4"] * 30)), other], 512)
    device = torch.device("cpu")
    with torch.no_grad():
        alone = [losses.log_probs(made._model, [row], 0, device, packed=False)[0] for row in rows]
    assert made.score(rows) == pytest.approx([float(value) for value in alone], rel=1e-5)


def test_what_was_learned_by_heart_is_said_and_ended(learned: Path) -> None:
    done = answer(learned, pick(learned).prompt)
    assert (done.text.removesuffix("<end_of_turn>").strip(), done.finish) == (RESPONSE, "stop")


def test_the_paper_s_seven_lora_targets_are_all_found(base: Path) -> None:
    adapted = trainer(base, LORA)[0]._model
    found = {name.split(".lora_A")[0].rpartition(".")[2] for name, _ in adapted.named_parameters() if "lora_A" in name}
    assert found == set(SEVEN) == set(LORA.targets)
    assert sum("lora_A" in name for name, _ in adapted.named_parameters()) == 7 * 2  # two layers


def test_merged_weights_say_what_the_adapter_says(base: Path, tmp_path: Path) -> None:
    made, tokenizer = trainer(base, LORA, lr=3e-2)
    rows = data.encode(tokenizer, [pick(base), pick(base, OTHER)], 512)
    before = made.score(rows)
    made.train([(row,) for row in rows[:1]], losses.sft)
    adapter = made.score(rows)
    made.save(tmp_path, [pick(base).prompt], rows[:1])
    assert max(abs(new - old) for new, old in zip(adapter, before, strict=True)) > 0.5  # the adapter does something
    assert scores(tmp_path, rows) == pytest.approx(adapter, abs=1e-4)
    assert not list(tmp_path.glob("adapter*"))


def test_a_lora_fine_tuned_folder_loads_and_generates(base: Path, tmp_path: Path) -> None:
    result = fit(base, tmp_path, lora=LORA)
    assert result.steps == 2 and math.isfinite(result.loss_last)
    assert 1 <= answer(tmp_path, pick(base).prompt, tokens=6).tokens <= 6


@pytest.mark.parametrize("lora", [None, LORA], ids=["full", "lora"])
def test_dpo_starts_at_ln_2_from_its_policy_and_not_from_the_base(
    base: Path, learned: Path, tmp_path: Path, lora: schema.Lora | None
) -> None:
    """-log sigmoid(0) = ln 2 where policy and reference are one model; against the base the margin would not be 0."""
    pair, beta = prefer(learned), 0.1
    settings = schema.Preference(learning_rate=1e-3, epochs=3, batch_size=1, warmup_ratio=0.0, lora=lora, beta=beta)
    result = preference.train(learned, [pair], tmp_path, settings, Setup(runtime=CPU), "dpo")
    assert result.loss_first == pytest.approx(math.log(2), abs=1e-6)
    assert result.margin_first == pytest.approx(0, abs=1e-5)
    assert result.margin_last > 0
    chosen, rejected = data.encode_pairs(AutoTokenizer.from_pretrained(learned), [pair], 512)
    here, there = scores(learned, [*chosen, *rejected]), scores(base, [*chosen, *rejected])
    assert abs(beta * (here[0] - here[1] - there[0] + there[1])) > 0.1
    assert result.chosen_logp_first == pytest.approx(here[0], abs=1e-4)


def test_orpo_runs_and_ends_in_a_folder_that_generates(base: Path, learned: Path, tmp_path: Path) -> None:
    settings = schema.Preference(learning_rate=1e-3, epochs=2, batch_size=1, lora=LORA)
    result = preference.train(learned, [prefer(learned)], tmp_path, settings, Setup(runtime=CPU), "orpo")
    assert math.isfinite(result.loss_last)
    assert answer(tmp_path, pick(base).prompt).finish == "stop"


def test_a_saved_folder_keeps_tokenizer_template_and_architecture(base: Path, learned: Path) -> None:
    names = {path.name for path in learned.iterdir()}
    assert names >= {path.name for path in base.iterdir()} and "model.safetensors" in names
    assert all(path.suffix in (".json", ".safetensors", ".jinja") for path in learned.iterdir())
    before, after = (AutoTokenizer.from_pretrained(folder) for folder in (base, learned))
    assert after.chat_template == before.chat_template
    assert type(after) is type(before)
    for name in ("bos_token", "eos_token", "unk_token"):
        assert getattr(after, name) == getattr(before, name)
    for text in (*tiny_models.texts(before, QUESTION, RESPONSE), " a  é\n\n", "<s> <bos> [INST]"):
        assert after(text).input_ids == before(text).input_ids
    kept = [json.loads((folder / "config.json").read_text()) for folder in (base, learned)]
    for settings in kept:
        settings.pop("pad_token_id", None)  # EOS, where there was none
        assert "auto_map" not in settings and settings["dtype"] == "float32"
    assert kept[0] == kept[1]
    ends = [json.loads((folder / "generation_config.json").read_text())["eos_token_id"] for folder in (base, learned)]
    assert ends[0] == ends[1]


def test_a_tokenizer_without_eos_is_refused(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "mute")
    file = tmp_path / "mute" / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "eos_token": None}))
    with pytest.raises(UserError, match="no end-of-sequence token"):
        sft.train(tmp_path / "mute", [Example("q", "a", " b")], tmp_path / "out", QUICK, Setup())


def test_lora_targets_that_match_nothing_are_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="c_attn"):
        fit(base, tmp_path, lora=schema.Lora(targets=("q_proj", "c_attn")))
