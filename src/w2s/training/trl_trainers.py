"""TRL's trainers, with our rows in tokens, silent, and with our checkpoints' marks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from w2s.config import schema as configs
from w2s.config.choices import TRL
from w2s.models import adapters
from w2s.seeds import derive
from w2s.training import data
from w2s.training.data import Encoded
from w2s.training.trl_states import REFERENCES, Watch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that some are experimental
    from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer
    from trl.experimental.cpo import CPOConfig, CPOTrainer
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer


class _Ours:
    """Silent, and nothing leaves the machine: TRL reports each training to the hub unless HF_HUB_OFFLINE is set."""

    @property
    def watch(self) -> Watch:
        callbacks: list[Any] = self.callback_handler.callbacks  # type: ignore[attr-defined]
        return next(callback for callback in callbacks if isinstance(callback, Watch))

    def _send_telemetry(self) -> None: ...

    def create_model_card(self, *arguments: Any, **keywords: Any) -> None: ...

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self.watch.saving(lambda: super(_Ours, self)._save_checkpoint(model, trial))  # type: ignore[misc]

    def _run_epoch(self, *arguments: Any, **keywords: Any) -> None:
        # Transformers would take one more step after a checkpoint of the last one, or of one that ended the training.
        state, control = self.state, self.control  # type: ignore[attr-defined]
        if state.global_step >= state.max_steps or control.should_training_stop:
            control.should_training_stop = True
        else:
            super()._run_epoch(*arguments, **keywords)  # type: ignore[misc]

    def _load_from_checkpoint(self, folder: str, model: Any = None) -> None:
        super()._load_from_checkpoint(folder, model)  # type: ignore[misc]
        # Where a checkpoint has a second adapter in a subfolder, as DPO's reference is, transformers loads only that.
        network: Any = self.model  # type: ignore[attr-defined]
        several = len(getattr(network, "peft_config", ())) > 1 and (Path(folder) / adapters.WEIGHTS).is_file()
        if several and not self.is_fsdp_enabled:  # type: ignore[attr-defined]  # FSDP loads shards
            found = network.load_adapter(folder, "default", is_trainable=True)
            assert not found.missing_keys, found.missing_keys  # this training wrote it


class Sft(_Ours, SFTTrainer):
    """Takes `input_ids` and `labels` as they are."""


class Dpo(_Ours, DPOTrainer):
    """Takes tokens as they are."""

    def _prepare_dataset(self, dataset: Any, *arguments: Any) -> Any:
        return dataset

    def _precompute_ref_logps(self, dataset: Any, name: str, batch_size: int) -> Any:
        # One process writes the file, and all read it; else each would look in a temporary folder of its own. TRL would
        # take one that a killed training left, whatever is in it.
        self.watch.forget_references()
        dataset._get_cache_file_path = lambda fingerprint: str(self.watch.folder / f"{REFERENCES}{fingerprint}.arrow")
        return super()._precompute_ref_logps(dataset, name, batch_size)

    def compute_loss(self, model: Any, inputs: Any, *arguments: Any, **keywords: Any) -> Any:
        chosen = inputs["completion_mask"].chunk(2)[0]
        self.watch.count(float(chosen.sum()) / len(chosen))
        return super().compute_loss(model, inputs, *arguments, **keywords)

    @staticmethod
    def fallen(logs: Mapping[str, float], beta: float, tokens: float) -> float:
        """How far chosen completions fell in a step, in nats per token; `tokens`: of one on average."""
        return -logs["rewards/chosen"] / beta / tokens


class Grpo(_Ours, GRPOTrainer):
    """Prompts in our tokens, by text."""

    own_prompts: Mapping[str, Encoded]

    def _tokenize_prompts(self, prompts: list[str]) -> Any:
        return [list(self.own_prompts[prompt].prompt) for prompt in prompts], None, {}

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        return _ByEpoch(super()._get_train_sampler(dataset), self.args.seed)


class _ByEpoch:
    """TRL's sampler draws each pass from where the last one ended, so a resumed training would see other questions."""

    def __init__(self, sampler: Any, seed: int) -> None:
        self._sampler, self._seed, self._epoch = sampler, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        self._sampler.generator.manual_seed(derive(self._seed, "order", self._epoch))
        return iter(self._sampler)

    def __len__(self) -> int:
        return len(self._sampler)


class _Tokens(_Ours):
    """Rows of TRL's older trainers."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        # Accelerate would cut what a pass's last step logs to the rows of its last micro-batch, but not after a resume.
        self.accelerator.gather_for_metrics = self.accelerator.gather  # type: ignore[attr-defined]

    def tokenize_row(self, feature: Mapping[str, Any], model: Any = None) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for side in ("chosen", "rejected"):
            prompt, completion = feature["prompt_ids"], feature[f"{side}_ids"]
            row[f"{side}_input_ids"] = prompt + completion
            row[f"{side}_attention_mask"] = [1] * len(prompt + completion)
            row[f"{side}_labels"] = [data.IGNORE] * len(prompt) + completion
        return row | {"prompt_input_ids": prompt, "prompt_attention_mask": [1] * len(prompt)}

    def compute_loss(self, model: Any, inputs: Any, *arguments: Any, **keywords: Any) -> Any:
        sides = zip(inputs["chosen_input_ids"], inputs["chosen_attention_mask"].bool(), strict=True)
        self.watch.count(fmean(self.watch.before[tuple(ids[real].tolist())] for ids, real in sides))
        return super().compute_loss(model, inputs, *arguments, **keywords)  # type: ignore[misc]

    @staticmethod
    def fallen(logs: Mapping[str, float], beta: float, before: float) -> float:
        """Here log-probabilities are means per token, and `before` is the mean of the reference's."""
        return before - logs["logps/chosen"]


class Orpo(_Tokens, ORPOTrainer):
    """Its NLL is over the prompt too."""


class SimPo(_Tokens, CPOTrainer):
    """CPO's trainer, without CPO's loss."""


def supervised(config: configs.Training, trl: configs.Trl, given: dict[str, Any]) -> tuple[Any, Any]:
    """As `preferring`; `config.max_length`: no row is longer."""
    longest = config.max_length if trl.packing else None
    own = {"loss_type": trl.sft_loss, "packing": trl.packing, "padding_free": trl.padding_free, "max_length": longest}
    return Sft, SFTConfig(**given, **own)


def preferring(loss: str, config: configs.Preference, trl: configs.Trl, given: dict[str, Any]) -> tuple[Any, Any]:
    """The trainer of a loss and its arguments; `given`: those that all share."""
    given = given | {"max_length": None, "beta": config.beta, "disable_dropout": True}
    older = {"max_length": config.max_length, "remove_unused_columns": False}
    if loss == "orpo":
        return Orpo, ORPOConfig(**given | older)
    if loss == "simpo":
        own = {"loss_type": "simpo", "simpo_gamma": config.simpo.gamma, "cpo_alpha": config.nll_weight}
        return SimPo, CPOConfig(**given | older | own)
    name = {"dpo": "sigmoid", "dpo_nll": "sigmoid", "ipo": "ipo"}.get(loss, loss.removeprefix(TRL))
    weight = config.nll_weight or (1.0 if loss == "dpo_nll" else 0.0)
    own = {
        "loss_type": [name, "sft"] if weight else [name],
        "loss_weights": [1.0, weight] if weight else [1.0],
        "label_smoothing": trl.label_smoothing if name in ("robust", "exo_pair") else 0.0,
        "precompute_ref_log_probs": True,
    }
    return Dpo, DPOConfig(**given, **own)


def online(given: dict[str, Any], n: int, sampling: Mapping[str, Any]) -> Any:
    """Arguments of `Grpo`: `n` samples of each question. A batch is sampled at once, and learnt from once."""
    questions = given["per_device_train_batch_size"]
    return GRPOConfig(
        **given | {"per_device_train_batch_size": questions * n},
        steps_per_generation=given["gradient_accumulation_steps"],
        num_generations=n,
        temperature=sampling["temperature"],
        top_p=sampling["top_p"],
        max_completion_length=sampling["tokens"],
        mask_truncated_completions=True,  # as elsewhere, what was cut is not learnt from
    )
