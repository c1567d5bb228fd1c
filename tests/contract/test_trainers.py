"""What both trainers promise: the same examples, masks and EOS, the same losses, folders alike.

With all examples in one batch their order does not matter: both then make the same steps, and their curves are equal
but for rounding (float32, some hundred terms: 1e-4 is thousands of times the rounding, and a hundredth of what a wrong
mask, sign or learning rate does).
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
import tiny_models
import torch
from safetensors import safe_open
from scipy import stats
from transformers import AutoTokenizer

from w2s.config.choices import TRL_LOSSES
from w2s.config.schema import Lora, Preference, Runtime, Training, Trl
from w2s.errors import UserError
from w2s.records import Example
from w2s.records import Preference as Pair
from w2s.training import data, trainers
from w2s.training.data import Encoded
from w2s.training.history import measures
from w2s.training.setup import Setup

pytest.importorskip("trl")
pytestmark = pytest.mark.slow

ROUNDING = 1e-4
EACH = [(kind, chat) for kind in tiny_models.KINDS for chat in (False, True)]
PUSH = [("llama", False, None), ("gemma", True, "adapter"), ("mistral", False, "merged"), ("qwen2", True, None)]
NIGHT = [(kind, chat, lora) for kind, chat in EACH for lora in (None, "merged", "adapter")]
LAYOUTS = [
    pytest.param(*layout, marks=() if layout in PUSH else pytest.mark.nightly, id="-".join(map(str, layout)))
    for layout in NIGHT
]
TRAINED_ALIKE = ("sft", "dpo", "dpo_nll", "ipo", "simpo")
"""ORPO is not: TRL's NLL is over the prompt too."""

Model = Callable[[tiny_models.Kind, bool], Path]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    made: dict[Any, Path] = {}

    def get(kind: tiny_models.Kind, chat: bool) -> Path:
        if (kind, chat) not in made:
            made[kind, chat] = tiny_models.make(kind, tmp_path_factory.mktemp("model") / kind, chat)
        return made[kind, chat]

    return get


def pairs(folder: Path, count: int = 12) -> list[Pair]:
    """Sums with a right and a wrong answer; texts differ in length."""
    tokenizer, made = AutoTokenizer.from_pretrained(folder), []
    for i in range(count):
        question = f"A question has {i} and {7 * i % 10}." + " It is an answer." * (i % 3)
        total = i + 7 * i % 10
        prompt, chosen = tiny_models.texts(tokenizer, question, f"{i} + {7 * i % 10} = {total}. The answer is {total}")
        _, rejected = tiny_models.texts(tokenizer, question, f"The answer is {total + 1}")
        made.append(Pair(f"{i:03d}", prompt, chosen, rejected))
    return made


def train(trainer: str, folder: Path, out: Path, loss: str, some: list[Pair], seed: int = 3, **settings: Any) -> Any:
    given = {"learning_rate": 1e-3, "epochs": 4, "batch_size": len(some), "warmup_ratio": 0.0} | settings
    dtype, runtime, trl = given.pop("dtype", "float32"), given.pop("runtime", {}), given.pop("trl", {})
    setup = Setup(seed, dtype, runtime=Runtime(device="cpu", **runtime), trl=Trl(**trl) if trainer == "trl" else None)
    function = trainers.load(trainer, "sft" if loss == "sft" else "preference")
    if loss == "sft":
        examples = [Example(pair.id, pair.prompt, pair.chosen) for pair in some]
        return function(folder, examples, out, Training(**given), setup)
    return function(folder, some, out, Preference(**{"max_chosen_drop": None} | given), setup, loss)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, torch.Tensor]]]:
    """What TRL's trainers give their losses."""
    from w2s.training import trl_trainers

    seen: list[dict[str, torch.Tensor]] = []
    for kind in (trl_trainers.Sft, trl_trainers.Dpo, trl_trainers.Orpo):
        compute = kind.compute_loss

        def watched(self: Any, model: Any, inputs: Any, *rest: Any, compute: Any = compute, **more: Any) -> Any:
            seen.append({name: tensor.clone() for name, tensor in inputs.items() if isinstance(tensor, torch.Tensor)})
            return compute(self, model, inputs, *rest, **more)

        monkeypatch.setattr(kind, "compute_loss", watched)
    yield seen


def encoded(folder: Path, some: list[Pair]) -> tuple[list[Encoded], list[Encoded]]:
    return data.encode_pairs(AutoTokenizer.from_pretrained(folder), some, 1024)


def rows(ids: torch.Tensor, labels: torch.Tensor, real: torch.Tensor) -> list[tuple[list[int], list[int]]]:
    """(tokens, labels) without padding, sorted."""
    kept = [(row[mask], own[mask]) for row, own, mask in zip(ids, labels, real.bool(), strict=True)]
    return sorted((tokens.tolist(), own.tolist()) for tokens, own in kept)


@pytest.mark.parametrize(("kind", "chat"), EACH)
def test_trl_learns_from_our_tokens_and_masks(
    kind: tiny_models.Kind, chat: bool, model: Model, batches: list[dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    """Exactly: of each example the prompt is masked, and the completion learned up to one EOS; padding is neither."""
    folder, eos = model(kind, chat), AutoTokenizer.from_pretrained(model(kind, chat)).eos_token_id
    some = pairs(folder)
    chosen, rejected = encoded(folder, some)
    expected = [sorted((row.tokens, row.labels) for row in side) for side in (chosen, rejected)]
    for loss in ("sft", "dpo", "orpo"):  # SimPO's rows are ORPO's
        train("trl", folder, tmp_path / loss, loss, some, epochs=1)
    sft, dpo, orpo = batches
    assert rows(sft["input_ids"], sft["labels"], sft["attention_mask"]) == expected[0]
    assert all(own[-1] == eos and own.count(eos) == 1 for _, own in expected[0])
    assert (sft["labels"][sft["attention_mask"] == 0] == data.IGNORE).all()
    labels = dpo["input_ids"].masked_fill(dpo["completion_mask"] == 0, data.IGNORE)
    for side, place in enumerate((slice(0, len(some)), slice(len(some), None))):
        assert rows(dpo["input_ids"][place], labels[place], dpo["attention_mask"][place]) == expected[side]
    for side, name in enumerate(("chosen", "rejected")):
        tensors = (orpo[f"{name}_{part}"] for part in ("input_ids", "labels", "attention_mask"))
        assert rows(*tensors) == expected[side]


@pytest.mark.parametrize(("kind", "chat", "lora"), LAYOUTS)
def test_both_make_the_same_steps_and_alike_folders(
    kind: tiny_models.Kind, chat: bool, lora: str | None, model: Model, tmp_path: Path
) -> None:
    folder = model(kind, chat)
    some, adapter = pairs(folder), None if lora is None else Lora(rank=4, save=lora)
    for loss in TRAINED_ALIKE if (kind, chat, lora) not in PUSH[1:] else TRAINED_ALIKE[:2]:
        ours, theirs = (
            train(name, folder, tmp_path / name / loss, loss, some, lora=adapter) for name in trainers.TABLE
        )
        assert theirs.curve == pytest.approx(ours.curve, abs=ROUNDING), loss
        assert (theirs.steps, theirs.examples, theirs.tokens) == (ours.steps, ours.examples, ours.tokens)
        if loss != "sft":
            assert theirs.chosen_logp_first == pytest.approx(ours.chosen_logp_first, abs=1e-3)
            assert theirs.chosen_logp_last == pytest.approx(ours.chosen_logp_last, abs=1e-2)
        if loss == "dpo":
            assert theirs.margin_first == 0, "the policy is the reference"
            assert theirs.margin_last == pytest.approx(ours.margin_last, abs=ROUNDING) != 0
        assert alike(tmp_path / "w2s" / loss, tmp_path / "trl" / loss)


def alike(one: Path, other: Path) -> bool:
    """The same files; tensors of the same names, shapes and dtypes; all else the same bytes."""
    names = sorted(file.name for file in one.iterdir())
    assert names == sorted(file.name for file in other.iterdir())
    for name in names:
        if name.endswith(".safetensors"):
            assert layout(one / name) == layout(other / name)
        elif name == "parity.json":  # greedy completions: of weights that differ in last bits
            assert {*json.loads((one / name).read_text())} == {*json.loads((other / name).read_text())}
        else:
            assert (one / name).read_bytes() == (other / name).read_bytes(), name
    return True


def layout(file: Path) -> dict[str, Any]:
    with safe_open(file, framework="pt") as tensors:
        slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118
        return {name: (each.get_shape(), each.get_dtype()) for name, each in slices.items()}


@pytest.mark.parametrize("loss", ["sft", "dpo"])
def test_loss_curves_are_within_the_noise_of_seeds(loss: str, model: Model, tmp_path: Path) -> None:
    """In batches the orders differ. A sixth seed of ours would be within t(0.9995, 4 df) = 8.61 sd * sqrt(1 + 1/5) of
    the mean of five in 99.9 % of cases: so are three of TRL's, and half the learning rate is not."""
    folder = model("llama", False)
    some = pairs(folder, 32)

    def end(trainer: str, seed: int, rate: float = 2e-3) -> float:
        out = tmp_path / f"{trainer}-{seed}-{rate}"
        result = train(trainer, folder, out, loss, some, seed, batch_size=8, epochs=3, learning_rate=rate)
        return fmean(result.curve[-4:])

    ours = [end("w2s", seed) for seed in range(5)]
    bound = stats.t.ppf(0.9995, len(ours) - 1) * stdev(ours) * math.sqrt(1 + 1 / len(ours))
    gaps = [abs(end("trl", seed) - fmean(ours)) for seed in range(3)]
    assert max(gaps) < bound
    assert abs(end("w2s", 0, 1e-3) - fmean(ours)) > bound


def test_bfloat16_starts_with_no_margin(model: Model, tmp_path: Path) -> None:
    """The reference is computed in the policy's dtype."""
    folder = model("llama", False)
    theirs = train("trl", folder, tmp_path / "out", "dpo", pairs(folder), dtype="bfloat16")
    assert theirs.margin_first == 0 < theirs.margin_last


def test_orpo_is_trls_own(model: Model, tmp_path: Path) -> None:
    """Its NLL is over prompt and completion: another loss than ours, with the same first margin."""
    folder = model("llama", False)
    ours, theirs = (train(name, folder, tmp_path / name, "orpo", pairs(folder)) for name in trainers.TABLE)
    assert theirs.margin_first == pytest.approx(ours.margin_first, abs=ROUNDING)
    assert abs(theirs.chosen_drop_most) < ROUNDING, "each pair is compared with its own reference"
    assert abs(theirs.loss_first - ours.loss_first) > 100 * ROUNDING


@pytest.mark.parametrize("trl", [{"padding_free": True}, {"packing": True}], ids=["padding-free", "packed"])
def test_examples_in_one_row_do_not_see_each_other(trl: dict[str, bool], model: Model, tmp_path: Path) -> None:
    """Without padding the steps are the same. Twelve examples of some thirty tokens fit a packed row, so there is one
    row and one step per epoch: the same again."""
    folder = model("llama", False)
    padded, packed = (train("trl", folder, tmp_path / str(o), "sft", pairs(folder), trl=o) for o in ({}, trl))
    assert packed.curve == pytest.approx(padded.curve, abs=ROUNDING)
    assert packed.tokens == padded.tokens


def test_micro_batches_change_no_step(model: Model, tmp_path: Path) -> None:
    """12 examples by 5: passes of 4, the largest divisor."""
    folder = model("llama", False)
    for loss in ("sft", "dpo"):
        whole, parts = (
            train("trl", folder, tmp_path / f"{loss}-{size}", loss, pairs(folder), runtime={"micro_batch": size})
            for size in (0, 5)
        )
        assert parts.curve == pytest.approx(whole.curve, abs=ROUNDING)


def test_chosen_completions_that_fall_too_far_stop_trl(model: Model, tmp_path: Path) -> None:
    """DPO logs beta * (chosen - reference) per pair: -0.2 / 0.1 / 4 tokens is a fall of 0.5. SimPO and ORPO log means
    per token: -1 before, -1.5 now: 0.5 again."""
    from w2s.training import trl_trainers

    assert trl_trainers.Dpo.fallen({"rewards/chosen": -0.2}, 0.1, 4) == pytest.approx(0.5)
    assert trl_trainers.Orpo.fallen({"logps/chosen": -1.5}, 0.1, -1.0) == pytest.approx(0.5)
    folder = model("llama", False)
    some = pairs(folder)
    theirs = train("trl", folder, tmp_path / "trl", "trl:apo_down", some)
    assert theirs.chosen_drop_most > 0.01, "apo_down makes chosen completions less likely"
    with pytest.raises(UserError, match="unlearns what it is to prefer"):
        train("trl", folder, tmp_path / "x", "trl:apo_down", some, max_chosen_drop=theirs.chosen_drop_most / 2)


def test_a_diverging_training_of_trl_is_refused(model: Model, tmp_path: Path) -> None:
    folder = model("llama", False)
    with pytest.raises(UserError, match="is not a finite number at step"):
        train("trl", folder, tmp_path / "out", "sft", pairs(folder), learning_rate=1e30)
    assert not (tmp_path / "out").exists()


def test_weights_are_refused(model: Model, tmp_path: Path) -> None:
    folder = model("llama", False)
    weighted = [Pair(pair.id, pair.prompt, pair.chosen, pair.rejected, 0.5) for pair in pairs(folder)]
    with pytest.raises(UserError, match="'000' has a weight") as refused:
        train("trl", folder, tmp_path / "out", "dpo", weighted)
    assert refused.value.field == "trainer"


def test_nothing_is_told_to_a_hub(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TRL counts trainings by a request each; ours make none, also where the environment would allow it."""
    from trl.trainer import base_trainer

    def told(*_: Any, **__: Any) -> None:
        raise AssertionError("telemetry")

    monkeypatch.setattr(base_trainer, "send_telemetry", told)
    for name in ("CI", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.delenv(name, raising=False)
    folder = model("llama", False)
    for loss in ("sft", "orpo"):
        train("trl", folder, tmp_path / loss, loss, pairs(folder), epochs=1)


def test_trl_has_the_losses_that_recipes_may_name() -> None:
    from trl import DPOTrainer

    source = inspect.getsource(DPOTrainer)
    assert [name for name in TRL_LOSSES if f'loss_type == "{name}"' not in source] == []


@pytest.mark.nightly
@pytest.mark.parametrize("name", TRL_LOSSES)
def test_each_loss_of_trl_trains(name: str, model: Model, tmp_path: Path) -> None:
    folder = model("llama", False)
    smoothed = {"label_smoothing": 0.1} if name in ("robust", "exo_pair") else {}
    result = train("trl", folder, tmp_path / "out", f"trl:{name}", pairs(folder), trl=smoothed)
    assert result.steps == 4 and len({*result.curve}) > 1 and (tmp_path / "out" / "model.safetensors").is_file()


@pytest.mark.nightly
def test_dft_is_another_loss_than_nll(model: Model, tmp_path: Path) -> None:
    folder = model("llama", False)
    nll, dft = (train("trl", folder, tmp_path / o, "sft", pairs(folder), trl={"sft_loss": o}) for o in ("nll", "dft"))
    assert dft.loss_first < nll.loss_first / 2, "each token's loss is multiplied by its probability"


@pytest.mark.nightly
@pytest.mark.parametrize("loss", ["sft", "dpo", "orpo"])
@pytest.mark.parametrize("lora", [None, Lora(rank=4, save="adapter")], ids=["full", "adapter"])
def test_two_processes_make_the_steps_of_one(loss: str, lora: Lora | None, model: Model, tmp_path: Path) -> None:
    """DDP by an accelerate config, on gloo. ORPO's NLL is a mean over a process's tokens: it differs a little."""
    config = tmp_path / "accelerate.yaml"
    config.write_text("distributed_type: MULTI_GPU\nnum_processes: 2\nuse_cpu: true\nmixed_precision: 'no'\n")
    folder = model("llama", False)
    one = train("trl", folder, tmp_path / "one", loss, pairs(folder), lora=lora)
    heard: list[float] = []
    with measures.heard(lambda number, values: heard.append(values["loss"])):
        two = train(
            "trl", folder, tmp_path / "two", loss, pairs(folder), lora=lora, runtime={"accelerate": str(config)}
        )
    assert heard == two.curve, "told by one process, at each step"
    assert two.curve == pytest.approx(one.curve, abs=0.05 if loss == "orpo" else ROUNDING)
    assert two.tokens == one.tokens and alike(tmp_path / "one", tmp_path / "two")


@pytest.mark.nightly
def test_what_accelerate_leaves_out_on_cpus_is_refused(model: Model, tmp_path: Path) -> None:
    config = tmp_path / "accelerate.yaml"
    config.write_text(
        "distributed_type: FSDP\nnum_processes: 2\nuse_cpu: true\nmixed_precision: 'no'\n"
        "fsdp_config: {fsdp_version: 2, fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP}\n"
    )
    folder = model("llama", False)
    with pytest.raises(UserError, match="accelerate uses no FSDP on this device"):
        train("trl", folder, tmp_path / "out", "sft", pairs(folder), runtime={"accelerate": str(config)})
    assert not (tmp_path / "out").exists()
