"""Tokens a second of our fine-tuning calls against TRL's trainers on the same data, model folder to model folder.

Each call loads the model, tokenises, trains and saves; imports are outside. Tokens are those of prompt, completion
and EOS, without padding, so a call gains nothing from its padding. TRL runs with its defaults (bfloat16, gradient
checkpointing), and in float32 without checkpointing; each is compared with our call in the same number format.
Every call runs once untimed on a few examples; then they alternate, and medians are compared. Run:

    python benchmarks/training.py [--model FOLDER] [--loss sft|dpo] [--examples 300] [--repeats 3] [--threads N]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

os.environ["HF_HUB_OFFLINE"] = os.environ["TQDM_DISABLE"] = "1"

import torch
from datasets import Dataset, disable_progress_bars
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from w2s import config, prompting
from w2s.records import Example, Preference
from w2s.training import preference, sft

ROOT = Path(__file__).resolve().parents[1]


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
    model: Path, pairs: list[Preference], out: Path, loss: str, settings: config.Preference, dtype: config.Dtype
) -> int:
    """Our call; returns the number of tokens trained on."""
    if loss == "dpo":
        return preference.train(model, pairs, out, settings, "dpo", seed=0, dtype=dtype).tokens
    examples = [Example(pair.id, pair.prompt, pair.chosen) for pair in pairs]
    return sft.train(model, examples, out, settings, seed=0, dtype=dtype).tokens


def trl(
    model: Path, pairs: list[Preference], out: Path, loss: str, settings: config.Preference, **options: bool
) -> None:
    """TRL's trainer as its documentation calls it; `options` replace its defaults."""
    arguments = {
        "output_dir": str(out),
        "learning_rate": settings.learning_rate,
        "num_train_epochs": settings.epochs,
        "per_device_train_batch_size": settings.batch_size,
        "use_cpu": True,
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


def main() -> None:
    """Print tokens a second of each call, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "src/w2s/assets/tiny-strong")
    parser.add_argument("--loss", choices=("sft", "dpo"), default="sft")
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    disable_progress_bars()
    pairs, settings = data(options.examples), config.Preference(epochs=2)
    plain = {"bf16": False, "gradient_checkpointing": False}
    calls: dict[str, Callable[..., int | None]] = {
        "w2s, float32": lambda *arguments: ours(*arguments, "float32"),
        "w2s, bfloat16": lambda *arguments: ours(*arguments, "bfloat16"),
        "TRL, float32, no checkpointing": lambda *arguments: trl(*arguments, **plain),
        "TRL, its defaults": trl,
    }
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    tokens = 0
    for repeat in range(options.repeats + 1):
        for name, call in calls.items():
            with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
                began = time.perf_counter()
                tokens = (
                    call(options.model, pairs if repeat else pairs[:20], Path(folder), options.loss, settings) or tokens
                )
                if repeat:
                    seconds[name].append(time.perf_counter() - began)
    print(f"{options.loss}, {options.examples} examples, {tokens} tokens, {options.threads} threads, {options.model}")
    for name, times in seconds.items():
        print(f"{name:32} {tokens / median(times):9.0f} tokens/s")
    for own, peer in (("w2s, float32", "TRL, float32, no checkpointing"), ("w2s, bfloat16", "TRL, its defaults")):
        print(f"{own} / {peer}: {median(seconds[peer]) / median(seconds[own]):.2f}")


if __name__ == "__main__":
    main()
