"""Every shipped preset is planned, and run from end to end, with small models of its architectures on small files.

On a push one preset of each family is run whole; `tiny` and `gsm8k-local` are run by tests/e2e.

All of the preset is kept but its sizes, its machines and its models. Models of random weights would agree on nothing,
and the run would end at the first filter: so they first learn to say "The answer is: 4", and now and then 7.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from transformers import AutoTokenizer

from w2s import models, prompting, recipe, tasks
from w2s import results as results_of_run
from w2s.config import load, schema
from w2s.costs import budget
from w2s.engines import transformers as engine
from w2s.engines.base import Loading
from w2s.flow import decisions, runner
from w2s.models import adapters
from w2s.records import Example, Response
from w2s.results.collect import read_records
from w2s.results.outline import read_outline
from w2s.tasks import arith
from w2s.training import sft
from w2s.training.setup import Setup

KINDS: dict[str, tiny_models.Kind] = {
    "llama": "llama", "gemma": "gemma", "mistral": "mistral", "qwen": "qwen2", "smollm": "llama",
}  # fmt: skip
"""What the name of a published model says about its architecture."""

Maker = Callable[[str, str, int], str]
FIELDS = {"accuracy", "ci95", "correct", "n", "no_answer", "pgr", "pgr_ci95"}
HERE = (
    "engine=transformers", "dtype=float32", "runtime.device=cpu", "runtime.progress=false", "runtime.offline=true",
    "runtime.launcher=local", "runtime.train_workers=1", "runtime.sharding=none", "runtime.tensor_parallel=1",
)  # fmt: skip
SIZES = (
    "weak_training.epochs=1", "training.epochs=1", "preference.epochs=1", "sampling.n=4",
    "selection.confidence=0.25", "selection.reject_confidence=0.25",
)  # fmt: skip
SMALLER = (
    "limit=8", "max_new_tokens=12", *(
        f"{part}.{field}" for part in ("weak_training", "training", "preference")
        for field in ("batch_size=4", "max_length=1024")
    ),
)  # fmt: skip
PUSHED = "math-gemma-2b-to-llama2-70b", "olympicarena-llama3-8b-to-70b"
"""Two that differ in most: augmentation and one iteration, no train_1 and no ceiling. The others run whole at night."""

COUNTS = {"train_1": 48, "train_2": 32, "test": 8}
"""Questions for the shipped pair, which has to learn; the other models can already speak."""

ARENA = (
    "You are participating in an international Math competition and need to solve the following question.\n"
    "The answer to this question is a numerical value.\n\nproblem:\n{}\n\n"
    'Please end your response with: "The final answer is $\\boxed{{ANSWER}}$", where ANSWER is the numerical value.'
)


def say(number: int, style: str) -> str:
    """A text that states its answer with the key that the released code reads in that style."""
    return f"#### {number}" if style == "gsm8k" else f"The answer is: {number}"


def speech(tokenizer: Any, style: str) -> list[Example]:
    """Six questions, alone and after demonstrations, in words and as a chat: two answers in three are 4, one is 7."""
    questions = [f"What is {n} and {n % 3}, if Mary has {7 * n} apples?" for n in range(6)]
    questions[0] = ARENA.format(questions[0])
    shown = [Response(question, question, say(4, style)) for question in questions]
    rows = []
    for place, question in enumerate(questions):
        shots = [shown[(place + step) % 6] for step in (1, 2)]
        prompts = [prompting.prompt(question), prompting.prompt(question, shots)]
        for number, answer in enumerate((4, 4, 7)):
            pairs = [(prompt, prompting.completion(say(answer, style))) for prompt in prompts]
            if tokenizer.chat_template is not None:
                pairs.append(tiny_models.texts(tokenizer, question, say(answer, style)))
            rows += [Example(f"{place}-{number}-{form}", *pair) for form, pair in enumerate(pairs)]
    return rows


def kind_of(name: str) -> tuple[tiny_models.Kind, bool]:
    """What the name of a published model says: its architecture, and whether it is a chat model."""
    kind = next((kind for word, kind in KINDS.items() if word in name.lower()), None)
    assert kind is not None, f"KINDS does not say which architecture {name} has"
    return kind, bool(re.search(r"instruct|chat|-it$", name.lower()))


@pytest.fixture(scope="session")
def newborn(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """(the name of a published model, style, seed) -> the folder of a small one of its architecture."""

    @cache
    def made(kind: tiny_models.Kind, chat: bool, seed: int) -> str:
        return str(tiny_models.make(kind, tmp_path_factory.mktemp("base"), chat, seed=seed))

    return lambda name, style, seed: name if name.startswith("w2s:") else made(*kind_of(name), seed)


@pytest.fixture(scope="session")
def speaker(newborn: Maker, tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """As `newborn`, but the model has learned to answer in the style of the task."""

    @cache
    def taught(base: str, style: str) -> str:
        out = tmp_path_factory.mktemp("speaker")
        training = schema.Training(learning_rate=5e-3, epochs=20, batch_size=6, max_length=2048)
        runtime = schema.Runtime(device="cpu", progress=False)
        rows = speech(AutoTokenizer.from_pretrained(base), style)
        sft.train(Path(base), rows, out, training, Setup(runtime=runtime))
        return str(out)

    def speak(name: str, style: str, seed: int) -> str:
        base = newborn(name, style, seed)
        return base if base.startswith("w2s:") else taught(base, "gsm8k" if style == "gsm8k" else "math")

    return speak


def rows(task: str, split: str, shipped: bool) -> list[dict[str, Any]]:
    """Questions with gold in the published format of a task; those of GSM8K for the shipped pair are ones it can do."""
    if task == "gsm8k" and shipped:
        problems = arith.generate(split, COUNTS[split])
        return [{"question": p.question, "answer": f"{p.solution}\n#### {p.answer}"} for p in problems]
    found: list[dict[str, Any]] = []
    for n in range(8):
        right, question = 4 if n % 2 else 7, f"How many apples has Mary in {split} with {n} and two?"
        found.append(
            {
                "gsm8k": {"question": question, "answer": f"It is <<{right}*1={right}>>{right}.\n#### {right}"},
                "math": {
                    "problem": question, "solution": f"It is $\\boxed{{{right}}}$.", "answer": str(right),
                    "subject": "Algebra", "level": 1 + n % 5, "unique_id": f"{split}/{n}.json",
                },
                "olympicarena": {
                    "id": f"Math_{split}_{n}", "problem": question, "prompt": ARENA.format(question), "subject": "Math",
                    "language": "EN", "answer_type": "NV", "unit": None,
                    "answer": [str(right)] if split == "test" else None,
                },
            }[task]
        )  # fmt: skip
    return found


def word_problems() -> list[dict[str, Any]]:
    """Problems that are no retellings of each other: four of their nine words are their own."""
    found = []
    for n in range(40):
        own = "".join("abcdefghij"[int(digit)] for digit in f"{n:02}")
        gold = {"answer": "4", "solution": "2 + 2 = 4"} if n % 2 else {"answer": "7", "solution": "5 + 2 = 7"}
        found.append({"id": str(n), "question": f"How many {own}s do {own}ers with {n} {own}ings {own}?", **gold})
    return found


def overrides(name: str, folder: Path, model: Maker) -> list[str]:
    asked = load.load(name).recipe
    shipped, style = asked.weak.startswith("w2s:"), tasks.load(asked.task).style
    changes = [*HERE, *SIZES, *(["max_new_tokens=112"] if shipped else SMALLER)]
    changes += [f"{role}={model(getattr(asked, role), style, seed)}" for seed, role in enumerate(("weak", "strong"))]
    for part in ("weak_training", "training", "preference"):
        changes += [f"{part}.lora.rank=2"] if getattr(asked, part).lora is not None else []
    if asked.task.name == "word_problems":
        (folder / "svamp.jsonl").write_text("".join(json.dumps(problem) + "\n" for problem in word_problems()))
        return [*changes, f"task.folder={folder}", "task.sets=[svamp]", *(f"task.{split}=8" for split in COUNTS)]
    for split, count in COUNTS.items():
        if asked.task.name == "arith":
            changes.append(f"task.{split}={count}")
        elif asked.task.name != "olympicarena" or split != "train_1":
            file = folder / f"{split}.jsonl"
            file.write_text("".join(json.dumps(row) + "\n" for row in rows(asked.task.name, split, shipped)))
            changes.append(f"task.{split}={file}")
    return changes


@pytest.mark.parametrize("name", load.names())
def test_a_preset_is_planned(name: str, tmp_path: Path, newborn: Maker) -> None:
    run = load.load(name, overrides(name, tmp_path, newborn))
    folder = tmp_path / "run"
    steps = recipe.build(run, planning=True)
    planned = decisions.plan(steps, folder)
    assert {step.decision for step in planned} == {"run"}
    speeds = budget.rates({"generate": {"weak": 100, "strong": 50}, "train": {"weak": 200, "strong": 20}}, "assumed")
    planned = decisions.plan(steps, folder, {rate: speed.tokens_per_second for rate, speed in speeds.items()})
    found = budget.budget(planned, steps, run.recipe, speeds)
    assert found.seconds is not None and found.seconds > 0 and not found.assumed
    assert all(cost.tokens > 0 and cost.memory_bytes for cost in found.costs)
    assert sum(cost.loads for cost in found.costs) == sum(step.kind in ("generate", "train") for step in steps)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in PUSHED else pytest.mark.nightly) for name in load.names()]
)
def test_a_preset_runs_from_end_to_end(name: str, tmp_path: Path, speaker: Maker) -> None:
    run = load.load(name, overrides(name, tmp_path, speaker))
    asked, folder = run.recipe, tmp_path / "run"
    steps = recipe.build(run)
    outcome = runner.run(steps, folder, run.runtime)
    other = {step: (made.status, made.message) for step, made in outcome.items() if made.status != "done"}
    arena = asked.task.name == "olympicarena"
    without_gold = {step for step in outcome if arena and step.startswith("precision_")}
    assert {step: status for step, (status, _) in other.items()} == dict.fromkeys(without_gold, "ended"), other
    assert {step.decision for step in decisions.plan(steps, folder) if step.name not in without_gold} == {"reuse"}

    results = results_of_run.write(folder, run)
    assert results == json.loads((folder / "results.json").read_text())
    evaluated = [entry.name for entry in read_outline(read_records(folder), asked).models]
    assert list(results["models"]) == evaluated and set(evaluated) >= {"m_plus", "m_pro_dpo", "m_pro_orpo"}
    questions = COUNTS["test"]
    assert results["n_test"] == questions and results["task"] == asked.task.name
    for model in results["models"].values():
        assert model.keys() >= FIELDS and model["n"] == questions
        assert model["ci95"][0] <= model["accuracy"] == model["correct"] / questions <= model["ci95"][1]
    for chosen in (*(f"stage1_iter{number + 1}" for number in range(asked.stage1_iterations)), "stage2_pairs"):
        selected = results["selection"][chosen]
        assert 0 < selected["kept"] <= selected["of"]
        assert (selected["precision"] is None) == bool(without_gold)
    assert (folder / "report.html").stat().st_size > 1000
    assert {"wall_seconds", "versions", "seed"} <= results.keys()

    strong = json.loads((models.folder(asked.strong) / "config.json").read_text())
    for model in ("m_plus", *(f"m_pro_{loss}" for loss in asked.preference.losses)):
        place = folder / "models" / model
        engine.load(place, Loading(runtime=run.runtime)).close()
        base, adapter = adapters.split(place)
        assert (adapter is not None) == (asked.training.lora is not None and asked.training.lora.save == "adapter")
        made = json.loads((models.folder(base) / "config.json").read_text())
        assert all(made[field] == strong[field] for field in ("model_type", "hidden_size", "vocab_size"))
