"""Wall clock of `w2s run` against the official way of doing the same work, on the same box, one after the other.

    python benchmarks/recipe.py                 # the default preset, whole
    python benchmarks/recipe.py --limit 100     # quicker

The official release runs one process for each stage and for each of the ten seeds; each loads the model anew, pads its
batches, puts the demonstrations in front of every prompt, and calls plain `generate`. Training is TRL with its own data
preparation, one process per model. Here that is done with the same models, questions, examples, numbers of tokens and
dtype that our run has just used. Selection and grading are left out of the peer's time, which favours the peer.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

BATCH = 128
"""Prompts a padded batch of the peer (ours; not tuned)."""


def generate(job: dict[str, Any]) -> None:
    """One stage, or one seed of it, as the official script does it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed

    set_seed(job["seed"])
    tokenizer = AutoTokenizer.from_pretrained(job["model"], padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=getattr(torch, job["dtype"])).eval()
    sampling = {"do_sample": True, "temperature": 1.0} if job["sampled"] else {"do_sample": False}
    texts: list[str] = []
    for start in range(0, len(job["prompts"]), BATCH):
        batch = tokenizer(job["prompts"][start : start + BATCH], return_tensors="pt", padding=True)
        batch.pop("token_type_ids", None)
        with torch.inference_mode():
            output = model.generate(
                **batch, max_new_tokens=job["max_new_tokens"], pad_token_id=tokenizer.pad_token_id, **sampling
            )
        texts += tokenizer.batch_decode(output[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    Path(job["out"]).write_text(json.dumps(texts))


def train(job: dict[str, Any]) -> None:
    """One model with TRL's trainers, their own data preparation and collators."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    settings = {
        "output_dir": job["out"],
        "num_train_epochs": job["training"]["epochs"],
        "learning_rate": job["training"]["learning_rate"],
        "per_device_train_batch_size": job["training"]["batch_size"],
        "bf16": job["dtype"] == "bfloat16",
        "use_cpu": True,
        "report_to": "none",
        "save_strategy": "no",
        "gradient_checkpointing": False,
        "disable_tqdm": True,
    }
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    model = AutoModelForCausalLM.from_pretrained(job["model"])
    data = Dataset.from_list(job["rows"])
    if job["loss"] is None:
        trainer: Any = SFTTrainer(
            model=model, args=SFTConfig(**settings), train_dataset=data, processing_class=tokenizer
        )
    else:
        trainer = DPOTrainer(model=model, args=DPOConfig(**settings), train_dataset=data, processing_class=tokenizer)
    trainer.train()
    trainer.save_model(job["out"])


def jobs(folder: Path, preset: str, overrides: list[str], work: Path) -> list[tuple[str, dict[str, Any]]]:
    """The finished run's generation and training steps, as jobs for the peer: (kind, job)."""
    from w2s import prompting, recipe
    from w2s.config import load
    from w2s.steps.io import questions, read_responses

    run = load.load(preset, overrides)
    jobs = []
    for step in recipe.build(run):
        record = json.loads((folder / "records" / f"{step.name}.json").read_text())
        if step.kind not in ("generate", "train") or record["status"] != "done":
            continue
        start = step.inputs.get("model")
        model = folder / start.output if start else step.resources.model.folder()
        job: dict[str, Any] = {"model": str(model), "dtype": step.params.dtype, "out": str(work / step.name)}
        if step.kind == "generate":
            shots = step.inputs.get("demonstrations")
            demonstrations = read_responses(folder / shots.output) if shots else []
            batch = questions(folder / step.inputs["questions"].output)
            job |= {
                "prompts": [prompting.prompt(question.question, demonstrations) for question in batch],
                "max_new_tokens": step.params.max_new_tokens,
                "sampled": step.params.temperature > 0,
            }
            jobs += [("generate", {**job, "seed": seed}) for seed in range(step.params.n)]
        else:
            source, loss = getattr(step.params, "source", None) or "both", getattr(step.params, "loss", None)
            lines = (folder / step.inputs["data"].output).read_text().splitlines()
            fields = ("prompt", "chosen", "rejected") if loss else ("prompt", "completion")
            rows = [json.loads(line) for line in lines]
            rows = [row for row in rows if source == "both" or row.get("source", source) == source]
            rows = [{field: row[field] for field in fields} for row in rows]
            if loss != "orpo":  # the peer's time for ORPO is left out: it favours the peer
                settings = step.params.training.model_dump(mode="json")
                jobs.append(("train", {**job, "rows": rows, "training": settings, "loss": loss}))
    return jobs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--limit", type=int, help="questions per split")
    parser.add_argument("overrides", nargs="*", help="key.sub=value, as for `w2s run`")
    parser.add_argument("--worker", nargs=2, metavar=("KIND", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        job = json.loads(Path(arguments.worker[1]).read_text())
        {"generate": generate, "train": train}[arguments.worker[0]](job)
        return

    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        overrides = arguments.overrides + ([] if arguments.limit is None else [f"limit={arguments.limit}"])
        began = time.perf_counter()
        command = [sys.executable, "-m", "w2s", "run", arguments.preset, *overrides, "--out", str(work / "ours")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        ours = time.perf_counter() - began

        spent = {"generate": 0.0, "train": 0.0}
        todo = jobs(work / "ours", arguments.preset, overrides, work)
        for number, (kind, job) in enumerate(todo, 1):
            file = work / "job.json"
            file.write_text(json.dumps(job))
            began = time.perf_counter()
            command = [sys.executable, __file__, "--worker", kind, str(file)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            spent[kind] += time.perf_counter() - began
            print(f"\r{number}/{len(todo)} processes of the peer", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)

    peer = sum(spent.values())
    print(f"w2s run {arguments.preset}: {ours:.0f} s, one process, selection and grading included")
    print(f"the official way: {peer:.0f} s in {len(todo)} processes"
          f" (generation {spent['generate']:.0f} s, training {spent['train']:.0f} s)")  # fmt: skip
    print(f"ratio: {peer / ours:.1f}x")


if __name__ == "__main__":
    main()
