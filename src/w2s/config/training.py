"""Settings of training."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic_core import PydanticCustomError

from w2s.config.choices import LOSSES, TRL, TRL_LOSSES
from w2s.config.fields import Frozen, PositiveInt, Several, Share
from w2s.config.functions import is_reference


class Lora(Frozen):
    """Low-rank adapters."""

    rank: PositiveInt = 8
    """Rank (8: size of the released adapters)."""
    alpha: PositiveInt = 16
    """Scale (LLaMA-Factory: twice the rank)."""
    dropout: Share = 0.0
    """Dropout of adapter inputs (ours)."""
    targets: Several[str] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Adapted modules (released README)."""
    save: Literal["merged", "adapter"] = "merged"
    """`merged`: a whole model, fresh adapter in Stage II. `adapter`: the adapter, which Stage II continues (ours)."""


class Training(Frozen):
    """Supervised fine-tuning; ours unless a preset says otherwise."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-5
    """Peak learning rate of AdamW."""
    epochs: Annotated[float, Field(gt=0, le=10**4)] = 3
    """Passes over the data; may be a fraction."""
    batch_size: PositiveInt = 16
    """Examples per optimiser step, over all devices and accumulation steps."""
    warmup_ratio: Share = 0.03
    """Warm-up's share of steps."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Learning rate after the warm-up."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Weight decay of AdamW."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Gradient clipping norm."""
    max_length: PositiveInt = 1024
    """Most tokens of prompt and completion; longer is an error."""
    lora: Lora | None = None
    """Adapters. Null: full fine-tuning."""


def _loss(value: Any) -> Any:
    if isinstance(value, str) and (value in LOSSES or is_reference(value)):
        return value
    own = isinstance(value, str) and value.startswith(TRL)
    if own and value.removeprefix(TRL) in TRL_LOSSES:
        return value
    names = ", ".join(f"'{name}'" for name in ((f"{TRL}{name}" for name in TRL_LOSSES) if own else LOSSES))
    raise PydanticCustomError("literal_error", f"should be {names} or a function of yours as module:function")


Loss = Annotated[str, PlainValidator(_loss, json_schema_input_type=str)]


def _one_model_per_loss(losses: tuple[str, ...]) -> tuple[str, ...]:
    if len(_models(losses)) < len(losses):
        raise ValueError("two losses give models of one name")
    return losses


def _models(losses: tuple[str, ...]) -> dict[str, str]:
    return {f"m_pro_{loss.rpartition(':')[2]}": loss for loss in losses}


class SimPO(Frozen):
    """SimPO's own settings."""

    beta: Annotated[float, Field(gt=0)] = 2.0
    """Scale of log-probabilities per token (SimPO's code, Llama3-Base)."""
    gamma: Annotated[float, Field(ge=0)] = 1.0
    """Margin of the chosen completion (likewise, 0.5 beta)."""


class Preference(Training):
    """Stage II."""

    losses: Annotated[Several[Loss], AfterValidator(_one_model_per_loss)] = ("dpo",)
    """`dpo`, `orpo` (paper), `ipo`, `simpo`, `dpo_nll`, your `module:function`, TRL's `trl:LOSS_TYPE` (trainer trl): a
    model m_pro_NAME each; [] is Stage I only."""
    beta: Annotated[float, Field(gt=0)] = 0.1
    """DPO's beta, ORPO's lambda, IPO's tau (usual, not the paper's)."""
    nll_weight: Annotated[float, Field(ge=0)] = 0.0
    """Weight of NLL on chosen completions (ours); ORPO takes 1, dpo_nll 1 for 0."""
    max_chosen_drop: Annotated[float, Field(gt=0)] | None = 1.0
    """Nats per token that chosen completions may fall below the reference (10-step mean, ours); then training stops.
    Null: any."""
    simpo: SimPO = SimPO()
    """SimPO's settings."""

    @property
    def models(self) -> dict[str, str]:
        """Model names and losses: {"m_pro_dpo": "dpo"}."""
        return _models(self.losses)

    def of(self, loss: str) -> Preference:
        """One loss's settings alone."""
        simpo = self.simpo if loss == "simpo" else SimPO()
        beta = simpo.beta if loss == "simpo" else self.beta
        return self.model_copy(update={"losses": (loss,), "beta": beta, "simpo": simpo})

    @model_serializer(mode="wrap")
    def _without_what_no_loss_uses(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """An unused default `simpo` changes no identity."""
        fields = dump(self)
        if "simpo" not in self.losses and self.simpo == SimPO():
            fields.pop("simpo", None)
        return fields


class Trl(Frozen):
    """What TRL's trainers have and our loop has not (`trainer: trl`)."""

    sft_loss: Literal["nll", "dft"] = "nll"
    """TRL's `loss_type` in supervised fine-tuning."""
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Of the losses `trl:robust` (its paper: 0.1) and `trl:exo_pair` (its paper: 0.001)."""
    packing: bool = False
    """Supervised examples share rows of `max_length` tokens, none is cut; `batch_size` counts these rows."""
    padding_free: bool = False
    """Supervised batches without padding; pairs are padded, as TRL 1.16 has it."""
    liger: bool = False
    """Liger's kernels for layers (GPUs)."""
    flash_attention: bool = False
    """Refuse to train without FlashAttention; else it is used where it is installed (GPUs, bfloat16)."""


class Trainer(Frozen):
    """What fine-tunes, of one training."""

    trainer: Literal["w2s", "trl"] = "w2s"
    """Our loop, or TRL's trainers."""
    trl: Trl = Trl()
    """TRL's own settings."""
