"""Settings that a trainer has not are refused; none is ignored. Reads no file but an accelerate config."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from w2s.config import functions
from w2s.config.choices import LOSSES, TRAINERS, TRL, TRL_LOSSES
from w2s.config.schema import Runtime, Training
from w2s.config.training import Trl
from w2s.errors import UserError, first_line, one_of

_SMOOTHED = ("trl:robust", "trl:exo_pair")
"""Losses with `label_smoothing`."""
LOSS_OPTIONS: dict[str, tuple[Any, ...]] = {"needs_reference": (True, False), "normalisation": ("sum", "mean")}
"""Attributes of a user's loss with their values, the default first."""
_ARGUMENTS = ("policy_chosen", "policy_rejected", "reference_chosen", "reference_rejected", "config")


def known_loss(loss: str, field: str) -> None:
    """Refuse a loss that no trainer has.

    Raises:
        UserError: no such name.
    """
    if loss.startswith(TRL):
        one_of("loss of TRL", loss.removeprefix(TRL), TRL_LOSSES, field)
    elif not functions.is_reference(loss):
        one_of("loss", loss, LOSSES, field, ", or module:function, or trl:LOSS_TYPE")


def own_loss(name: str, field: str) -> Callable[..., Any]:
    """A user's loss, `module:function`, with the right arguments and attributes.

    Raises:
        UserError: it cannot be loaded, or is no loss.
    """
    function = functions.load(name, field)
    functions.fits(function, name, field, _ARGUMENTS)
    for option, allowed in LOSS_OPTIONS.items():
        functions.option(function, option, allowed, field)
    return function


def check_settings(trainer: str, trl: Trl, runtime: Runtime, losses: Sequence[str]) -> None:
    """Refuse settings of all trainings that the trainer has not, or that none of the `losses` uses.

    Raises:
        UserError: naming the field.
    """
    one_of("trainer", trainer, TRAINERS, "trainer")
    if trainer == "w2s":
        changed = [name for name in Trl.model_fields if getattr(trl, name) != getattr(Trl(), name)]
        fields = [f"trl.{name}" for name in changed] + ["runtime.accelerate"] * (runtime.accelerate is not None)
        if fields:
            raise UserError("has no effect with trainer=w2s", field=fields[0], hint="set trainer=trl, or leave it out")
        return
    if trl.label_smoothing and not {*losses} & {*_SMOOTHED}:
        raise UserError("no loss uses it", field="trl.label_smoothing", expected=f"losses {' or '.join(_SMOOTHED)}")
    if runtime.launcher == "ray":
        raise UserError(
            "Ray's workers train with our loop only",
            field="runtime.launcher",
            expected="local, where the trainer is trl",
            hint="for several processes give an accelerate config file: runtime.accelerate=FILE",
        )
    if runtime.sharding != "none":
        raise UserError(
            "TRL shards a model by an accelerate config",
            field="runtime.sharding",
            hint="leave it out, and set runtime.accelerate=FILE with FSDP or DeepSpeed",
        )


def check(
    trainer: str, trl: Trl, runtime: Runtime, training: Training, *, loss: str = "sft", quantize: str | None = None
) -> None:
    """Refuse a training that the trainer cannot do as it is set; the field is relative to the training's.

    Raises:
        UserError: naming the field.
    """
    if loss != "sft":
        known_loss(loss, "losses")
    if trainer == "w2s":
        if loss.startswith(TRL):
            raise UserError(f"{loss} is a loss of TRL", field="losses", hint="set trainer=trl")
        return
    if functions.is_reference(loss):
        raise UserError(
            f"{loss} is a loss of yours, and TRL's trainers take their own only",
            field="losses",
            expected=f"{', '.join(LOSSES)}, or trl:LOSS_TYPE",
            hint="train with trainer=w2s",
        )
    if quantize:
        raise UserError(
            "TRL rounds the adapters of a quantised base to bfloat16, which is not tested here",
            field="quantize",
            hint="train with trainer=w2s, or leave quantize out",
        )
    if loss == "trl:exo_pair" and trl.label_smoothing == 0:
        raise UserError(f"{loss} needs it", field="trl.label_smoothing", expected="more than 0 (its paper: 0.001)")
    processes = accelerate_processes(runtime)
    if training.batch_size % processes:
        raise UserError(
            f"{training.batch_size} examples cannot be shared evenly by {processes} processes",
            field="batch_size",
            expected=f"a multiple of {processes}, as num_processes in {runtime.accelerate} says",
        )


def accelerate_config(runtime: Runtime) -> dict[str, Any]:
    """The accelerate config file's content; empty without one.

    Raises:
        UserError: it cannot be read.
    """
    if runtime.accelerate is None:
        return {}
    file = Path(runtime.accelerate)
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = first_line(error, "")
        raise UserError(
            f"cannot be read as YAML ({reason})",
            file=file,
            field="runtime.accelerate",
            hint="make one with: accelerate config --config_file FILE",
        ) from error
    if not isinstance(content, dict) or "distributed_type" not in content:
        raise UserError(
            "is no accelerate config",
            file=file,
            field="runtime.accelerate",
            expected="distributed_type, num_processes, ...",
            hint="make one with: accelerate config --config_file FILE",
        )
    return content


def accelerate_processes(runtime: Runtime) -> int:
    """Processes of a training."""
    number = accelerate_config(runtime).get("num_processes", 1)
    if not isinstance(number, int) or number < 1:
        raise UserError(
            f"num_processes is {number!r}", file=runtime.accelerate, field="runtime.accelerate", expected="1 or more"
        )
    return number
