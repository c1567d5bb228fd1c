"""`w2s train`: fine-tune a model on rows of a file."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from w2s import models, preflight
from w2s.config import functions, load, trainers
from w2s.config.choices import LOSSES, TRL
from w2s.config.schema import Dtype, Preference, Runtime, Training
from w2s.config.training import Trainer
from w2s.data import disk, jsonl
from w2s.errors import BranchEnds, UserError, one_of
from w2s.findings import refuse
from w2s.flow.step import Context
from w2s.models import Model
from w2s.preflight import trainings
from w2s.steps import train as steps
from w2s.steps.launch import STATE
from w2s.steps.params import Resources
from w2s.verbs import training_rows

OnProgress = Callable[[int, int], None]
"""Gets (steps done, steps in all)."""
_MOVES = "moves"
"""A file of the working place: the model is whole, and becomes `out`. Once that is done, the place has no model."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What `train` did.

    Args:
        left_out: rows that spell the model's EOS or BOS.
        cut: rows whose text was cut at a token limit (`Row.cut`), left out too: an EOS would teach to stop there.
        tokens: prompts and completions, all epochs.
        loss_first: before any update.
        loss_last: mean over the last 10 steps.
        seconds: of training.
        first_example: what is masked, what is learned.
    """

    out: Path
    examples: int
    left_out: int
    cut: int
    tokens: int
    loss_first: float
    loss_last: float
    seconds: float
    first_example: str

    def lines(self) -> list[str]:
        reasons = {"spell special tokens": self.left_out, "were cut at a token limit": self.cut}
        left_out = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items() if count)
        return [
            self.first_example,
            f"examples  {self.examples:,}{f'  (left out: {left_out})' if left_out else ''}",
            f"tokens    {self.tokens:,}  ({self.tokens / max(self.seconds, 1e-9):,.0f} per second)",
            f"loss      {self.loss_first:.4f} -> {self.loss_last:.4f}",
            str(self.out),
        ]


def train(
    model: str | Path,
    data: str | Path,
    out: str | Path,
    *,
    loss: str = "sft",
    settings: Mapping[str, Any] | Sequence[str] = (),
    seed: int = 0,
    dtype: Dtype = "float32",
    on_progress: OnProgress | None = None,
) -> Trained:
    """Fine-tune `model` on rows and write a model folder. After a kill the same call goes on.

    `data`: `prompt`, `completion` (sft), or `prompt`, `chosen`, `rejected`; a `weight` is of the row's loss
    (`records.Example`). Rows that say that they were cut are left out. `loss`: sft, dpo, orpo, ipo, simpo, dpo_nll, or
    `module:function` (`w2s.training.losses.PairFunction`), or with trainer=trl `trl:LOSS_TYPE`. `settings`: of
    `training` or `preference`, `trainer`, `trl.*` and `runtime.*`. `dtype`: of matrix products; weights are float32.

    Raises:
        UserError: a bad row or setting, an unusable `out` or model, or too little memory.
    """
    one_of("dtype", dtype, get_args(Dtype), "--dtype")
    config, runtime, by = _settings(loss, settings)
    base, out = models.find(model, runtime.offline), Path(out)
    _refuse_to_overwrite(out, base, data)
    trl = by.trl if by.trainer == "trl" else None
    read = training_rows.read(data, pairs=loss != "sft", weights=trl is None)
    examples = [example for cut, example in read if not cut]
    if not examples:
        problem = "has no row that was not cut at a token limit" if read else "has no rows"
        raise UserError(problem, file=data, expected="at least one")
    refuse(preflight.of_job(preflight.Job(None, True, runtime, {"--model": base}, trl)))
    trainers.check(by.trainer, by.trl, runtime, config, loss=loss, quantize=base.quantize)
    base = base.pinned()
    trainings.check(base, config.lora, fetching=True)
    lines: list[str] = []
    with _working_place(out) as scratch:
        jsonl.write(scratch / "data.jsonl", (asdict(example) for example in examples))
        params = {"training": config, "seed": seed, "dtype": dtype}
        params |= {} if trl is None else {"trainer": "trl", "trl": trl}
        context: Context[Any] = Context(
            params=steps.FineTune(source="both", **params) if loss == "sft" else steps.Prefer(loss=loss, **params),
            inputs={"data": scratch / "data.jsonl"},
            results={},
            output=scratch / "model",
            scratch=scratch,
            runtime=runtime,
            progress=lambda done, total, tokens=0: on_progress(done, total) if on_progress is not None else None,
            resources=Resources(model=base),
            cache=scratch / "cache",
            show=lines.append,
        )
        try:
            record = steps.fine_tune(context) if loss == "sft" else steps.prefer(context)
        except BranchEnds as ended:
            raise UserError(str(ended), file=data, hint="remove the special tokens from the rows") from ended
    return Trained(
        out=out,
        examples=record["examples"],
        left_out=record.get("spelled", 0),
        cut=len(read) - len(examples),
        tokens=record["tokens"],
        loss_first=record["loss_first"],
        loss_last=record["loss_last"],
        seconds=record["seconds"],
        first_example="\n".join(lines),
    )


def _settings(loss: str, settings: Mapping[str, Any] | Sequence[str]) -> tuple[Training, Runtime, Trainer]:
    """Of the loss, the runtime, and the trainer."""
    names = ("sft", *LOSSES)
    if functions.is_reference(loss):
        trainers.own_loss(loss, "--loss")
    elif loss.startswith(TRL):
        trainers.known_loss(loss, "--loss")
    else:
        one_of("loss", loss, names, "--loss", ", or module:function")
    if isinstance(settings, Mapping):
        settings = [f"{name}={json.dumps(value, default=_dump)}" for name, value in settings.items()]
    kind = Training if loss == "sft" else Preference
    overrides = [override.removeprefix("training.").removeprefix("preference.") for override in settings]
    own = [override for override in overrides if override.startswith(("trainer=", "trl."))]
    overrides = [override for override in overrides if override not in own]
    fields = {override.partition("=")[0].partition(".")[0] for override in overrides}
    for field, unused, hint in (
        ("losses", True, "choose the loss with --loss"),
        ("beta", loss == "simpo", "SimPO's is simpo.beta"),
        ("simpo", loss != "simpo", "use --loss simpo"),
        ("nll_weight", loss == "orpo", "ORPO's is always 1"),
    ):
        if kind is Preference and field in fields and unused:
            raise UserError(f"has no effect with --loss {loss}", field=field, hint=hint)
    config, runtime = load.settings(kind, overrides)
    by, _ = load.settings(Trainer, own)
    trainers.check_settings(by.trainer, by.trl, runtime, (loss,))
    return config, runtime, by


def _dump(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{value!r} is not a value of a setting")


def _refuse_to_overwrite(out: Path, model: Model, data: str | Path) -> None:
    target = disk.resolved(out)
    inputs = {"--data": Path(data)} if str(data) != "-" else {}
    for place in (Path(model.kind.text), model.local()):  # of an adapter, its own folder and its base's
        if place is not None and place.exists():
            inputs[f"--model {place}"] = place
    for name, place in inputs.items():
        path = disk.resolved(place)
        if path == target or path in target.parents or target in path.parents:
            raise UserError(f"would be written over {name}", file=out, field="--out", hint="give a folder of its own")
    if _is_taken(out):
        _sweep(_place(out))
        raise UserError("is not empty", file=out, field="--out", hint="give a new folder, or delete this one")


def _is_taken(out: Path) -> bool:
    return out.is_file() or (out.is_dir() and any(out.iterdir()))


def _place(out: Path) -> Path:
    return out.absolute().with_name(f".{out.name}.training")


def _sweep(place: Path) -> None:
    """Remove the working place of a training that was killed after its model had become `out`."""
    if not (place / _MOVES).is_file():
        return
    with contextlib.suppress(OSError), open(place / "lock", "wb") as held:
        if disk.lock(held) and (place / _MOVES).is_file() and not (place / "model").exists():
            shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _working_place(out: Path) -> Iterator[Path]:
    """A folder beside `out`, for one process; its `model` becomes `out`. Saved states in it outlive a stop.

    Raises:
        UserError: it cannot be written, or another process trains for `out`.
    """
    out, place = out.absolute(), _place(out)
    with contextlib.ExitStack() as opened:
        try:
            place.mkdir(parents=True, exist_ok=True)
            free = disk.lock(opened.enter_context(open(place / "lock", "wb")))
        except OSError as error:
            raise UserError(f"cannot be written ({error.strerror})", file=out, field="--out") from error
        if not free:
            raise UserError(
                "another `w2s train` is writing it", file=out, field="--out", hint="wait until it has ended"
            )
        done = False
        try:
            with disk.writing(out):
                (place / _MOVES).unlink(missing_ok=True)
                shutil.rmtree(place / "model", ignore_errors=True)
                yield place
                (place / _MOVES).touch()
                if _is_taken(out):
                    hint = "move away what stands there, and give the same command again"
                    raise UserError("was empty when the training began", file=out, field="--out", hint=hint)
                (place / "model").replace(out)  # over an empty folder too
            done = True
        finally:
            if done or not any((place / STATE).glob("*")):
                shutil.rmtree(place, ignore_errors=True)
