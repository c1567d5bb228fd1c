"""Tokens per second of our fine-tuning calls against TRL's trainers on the same data, model folder to model folder.

Each call loads the model, tokenises, trains and saves; imports are outside. Tokens are those of prompt, completion and
EOS, without padding, so a call gains nothing from its padding. TRL runs with its defaults (bfloat16, gradient
checkpointing), and in float32 without checkpointing; each is compared with our call in the same dtype.
Learning rate, schedule, batch size and epochs are the same. Ours and TRL's have a process each, since ours changes how
its process keeps memory (`w2s.models.malloc`); in a third one it does not. With `--trainers` our call with trainer=trl
runs too, in its own process: TRL's trainers on our tokens, with our reference scores, saving and checks.

Every call runs once untimed on a few examples; then they alternate, and medians are compared: by the clock, and by the
processors' time, which other work on the machine disturbs less.

Loss curves are compared as means over ten steps (TRL's interval); orders differ, so the noise is shown as the
difference between two seeds of ours. Run:

    python benchmarks/training.py [--model MODEL] [--loss sft dpo] [--examples 300] [--repeats 3] [--threads N]
                                  [--device cpu] [--trainers]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import fmean, median
from typing import NamedTuple

os.environ["HF_HUB_OFFLINE"] = os.environ["TQDM_DISABLE"] = "1"

import torch
from datasets import Dataset, disable_progress_bars
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from w2s import models, prompting
from w2s.config import schema
from w2s.config.choices import Device
from w2s.records import Example, Preference
from w2s.training import model as shared_model
from w2s.training import trainers
from w2s.training.setup import Setup

INTERVAL = 10
"""Steps of one point of a loss curve (TRL's default)."""
Curve = list[float]


def data(count: int) -> list[Preference]:
    """Questions of one to four additions, and a wrong answer to each: lengths differ as in grade-school problems."""
    generator, pairs = random.Random(0), []
    for number in range(count):
        terms = [generator.randint(2, 60) for _ in range(generator.randint(2, 5))]
        question = " ".join(f"Tom buys {term} apples." for term in terms) + " How many apples does he have?"
        total, steps = terms[0], []
        for term in terms[1:]:
            steps.append(f"{total} + {term} = {total + term}.")
            total += term
        texts = [prompting.completion(f"{' '.join(steps)} The answer is {value}") for value in (total, total + 1)]
        pairs.append(Preference(f"{number:06d}", prompting.prompt(question), *texts))
    return pairs


def ours(
    model: Path,
    pairs: list[Preference],
    out: Path,
    loss: str,
    settings: schema.Preference,
    device: Device,
    dtype: schema.Dtype,
    trainer: str = "w2s",
    seed: int = 0,
) -> tuple[Curve, int]:
    """Our call; returns its loss curve and the number of tokens trained on."""
    setup = Setup(seed, dtype, runtime=schema.Runtime(device=device))
    if loss == "dpo":
        result = trainers.load(trainer, "preference")(model, pairs, out, settings, setup, "dpo")
    else:
        examples = [Example(pair.id, pair.prompt, pair.chosen) for pair in pairs]
        result = trainers.load(trainer, "sft")(model, examples, out, settings, setup)
    steps = result.curve[: len(result.curve) // INTERVAL * INTERVAL]
    return [fmean(steps[begin : begin + INTERVAL]) for begin in range(0, len(steps), INTERVAL)], result.tokens


def trl(
    model: Path,
    pairs: list[Preference],
    out: Path,
    loss: str,
    settings: schema.Preference,
    device: Device,
    **options: bool,
) -> tuple[Curve, int]:
    """TRL's trainer as its documentation calls it; `options` replace its defaults. Returns its loss curve."""
    arguments = {
        "output_dir": str(out),
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.schedule,
        "warmup_steps": settings.warmup_ratio,
        "num_train_epochs": settings.epochs,
        "per_device_train_batch_size": settings.batch_size,
        "use_cpu": device == "cpu",
        "report_to": "none",
        "disable_tqdm": True,
    } | options
    columns = {"prompt": [p.prompt for p in pairs]}
    if loss == "dpo":
        columns |= {"chosen": [p.chosen for p in pairs], "rejected": [p.rejected for p in pairs]}
        trainer = DPOTrainer(str(model), args=DPOConfig(**arguments), train_dataset=Dataset.from_dict(columns))
    else:
        columns |= {"completion": [p.chosen for p in pairs]}
        trainer = SFTTrainer(str(model), args=SFTConfig(**arguments), train_dataset=Dataset.from_dict(columns))
    trainer.train()
    trainer.save_model(str(out))
    return [log["loss"] for log in trainer.state.log_history if "loss" in log], 0


DEFAULTS = "w2s with glibc's defaults"
PLAIN = {"bf16": False, "gradient_checkpointing": False}
CALLS: dict[str, Callable[..., tuple[Curve, int]]] = {
    "w2s, float32": lambda *arguments: ours(*arguments, "float32"),
    "w2s, bfloat16": lambda *arguments: ours(*arguments, "bfloat16"),
    f"{DEFAULTS}, bfloat16": lambda *arguments: ours(*arguments, "bfloat16"),
    "TRL, float32, no checkpointing": lambda *arguments: trl(*arguments, **PLAIN),
    "TRL, its defaults": trl,
}
TRAINERS: dict[str, Callable[..., tuple[Curve, int]]] = {
    "w2s trl, float32": lambda *arguments: ours(*arguments, "float32", "trl"),
    "w2s trl, bfloat16": lambda *arguments: ours(*arguments, "bfloat16", "trl"),
}
"""With `--trainers`."""
RIVALS = (
    ("w2s, bfloat16", "TRL, its defaults"),
    ("w2s, float32", "TRL, float32, no checkpointing"),
    ("w2s, bfloat16", f"{DEFAULTS}, bfloat16"),
    ("w2s, float32", "w2s trl, float32"),
    ("w2s, bfloat16", "w2s trl, bfloat16"),
)


class Timed(NamedTuple):
    """What one call gave, with its seconds by the clock and of the processors."""

    curve: Curve
    tokens: int
    clock: float
    processor: float


def prepare(side: str, threads: int) -> None:
    """Set up a process that makes the calls of a side."""
    if side == DEFAULTS:
        shared_model.keep_freed_memory = lambda: False
    torch.set_num_threads(threads)
    disable_progress_bars()


def timed(
    name: str, model: Path, pairs: list[Preference], loss: str, settings: schema.Preference, device: Device
) -> Timed:
    """Make one of `CALLS`, or ours with another seed, in this process."""
    function = (CALLS | TRAINERS).get(name, lambda *arguments: ours(*arguments, "float32", seed=1))
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        began = time.perf_counter(), time.process_time()
        curve, tokens = function(model, pairs, Path(folder), loss, settings, device)
        return Timed(curve, tokens, time.perf_counter() - began[0], time.process_time() - began[1])


def compare(
    loss: str,
    model: Path,
    pairs: list[Preference],
    settings: schema.Preference,
    device: Device,
    repeats: int,
    threads: int,
    calls: Sequence[str],
) -> None:
    """Print tokens per second of each call, the ratios, and how far the loss curves are apart."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    curves: dict[str, Curve] = {}
    tokens = 0

    with contextlib.ExitStack() as stack:
        context = multiprocessing.get_context("spawn")
        sides = {
            side: stack.enter_context(ProcessPoolExecutor(1, context, prepare, (side, threads)))
            for side in dict.fromkeys(name.partition(",")[0] for name in calls)
        }

        def call(name: str, some: list[Preference]) -> Timed:
            return sides[name.partition(",")[0]].submit(timed, name, model, some, loss, settings, device).result()

        for repeat in range(repeats + 1):
            for name in calls:
                done = call(name, pairs if repeat else pairs[:20])
                curves[name], tokens = done.curve, done.tokens or tokens
                if repeat:
                    seconds[name].append((done.clock, done.processor))
        other = call("w2s, float32, seed 1", pairs).curve
    clock, processor = ({name: median(t[i] for t in times) for name, times in seconds.items()} for i in (0, 1))
    print(f"\n{loss}: {len(pairs)} examples, {tokens} tokens")
    rivals = [pair for pair in RIVALS if {*pair} <= {*calls}]
    for name in calls:
        print(f"  {name:32} {tokens / clock[name]:8.0f} tokens/s {tokens / processor[name]:8.0f} tokens/processor s")
    for own, peer in rivals:
        print(
            f"  {own} / {peer}: {clock[peer] / clock[own]:.2f}x (processors: {processor[peer] / processor[own]:.2f}x)"
        )
    for title, own, peer in (
        *((f"{own} - {peer}", curves[own], curves[peer]) for own, peer in rivals),
        ("noise: our seeds 0 - 1, float32", curves["w2s, float32"], other),
    ):
        gaps = [a - b for a, b in zip(own, peer, strict=False)]
        print(f"  loss, {title}: first {gaps[0]:+.4f}, last {gaps[-1]:+.4f}, mean {fmean(gaps):+.4f}")
    print(f"  loss, w2s float32: first {curves['w2s, float32'][0]:.4f}, last {curves['w2s, float32'][-1]:.4f}")


def main() -> None:
    """Both losses, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="w2s:tiny-strong", help="any that w2s can name")
    parser.add_argument("--loss", nargs="+", choices=("sft", "dpo"), default=("sft", "dpo"))
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--trainers", action="store_true", help="our call with trainer=trl too")
    options = parser.parse_args()
    calls = [*CALLS, *(TRAINERS if options.trainers else ())]
    load = f"{os.getloadavg()[0]:.1f} processes were running"
    model = models.folder(options.model, offline=False)
    place = torch.cuda.get_device_name() if options.device == "cuda" else f"{options.threads} threads"
    print(f"{options.model}, {place}, {os.cpu_count()} processors ({load})")
    for loss in options.loss:
        settings = schema.Preference(epochs=2, learning_rate=1e-4 if loss == "sft" else 2e-5)
        compare(loss, model, data(options.examples), settings, options.device, options.repeats, options.threads, calls)


if __name__ == "__main__":
    main()
