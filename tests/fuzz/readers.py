"""Every reader of files, with good files for it."""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import w2s
from w2s import models, recipe, results, tasks
from w2s.config import schema
from w2s.engines import journal
from w2s.engines.base import Decoding, Request
from w2s.engines.scripted import ScriptedEngine
from w2s.errors import BranchEnds, UserError
from w2s.flow.lock import Lock
from w2s.models import architecture, chat, files, parity
from w2s.preflight import trainings
from w2s.tasks import gold
from w2s.verbs import sampling

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RUN = Path(os.environ.get("W2S_FUZZ_RUN", "runs/tiny"))
"""A finished run."""
STRONG = models.ASSETS / "tiny-strong"


class Place(NamedTuple):
    """`files`, of which `damaged` is one, `out` for outputs, and a random source for options."""

    files: Path
    damaged: str
    out: Path
    random: random.Random


class Reader(NamedTuple):
    """`make` writes good files into a folder, `read` reads them.

    `pipes`: a pipe may come in a file's place, which only users' own files may be.
    """

    make: Callable[[Path], object]
    read: Callable[[Place], object]
    share: int = 2
    pipes: bool = True


def _rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _examples(folder: Path) -> None:
    shutil.copytree(EXAMPLES / "files", folder, dirs_exist_ok=True)


def _others(folder: Path) -> None:
    """The files of `_examples` in the layouts of other tools."""
    _examples(folder)
    strong = [json.loads(line) for line in (folder / "strong.jsonl").read_text().splitlines()]
    right = {row["id"]: row["answer"] for row in map(json.loads, (folder / "gold.jsonl").read_text().splitlines())}
    _rows(folder / "gair.jsonl", [
        {"id": row["id"], "prompt": f"Question: {row['question']}\nAnswer:", "response": [row["response"]]}
        for row in strong
    ])  # fmt: skip
    _rows(folder / "trl.jsonl", [
        {"id": row["id"], "prompt": [{"role": "user", "content": row["question"]}],
         "completion": [{"role": "assistant", "content": row["response"]}]}
        for row in strong
    ])  # fmt: skip
    for name in ("weak", "strong", "samples"):
        (folder / f"{name}.jsonl").unlink()
    _rows(folder / "log.jsonl", [
        {"doc_id": n, "doc": {"question": row["question"], "answer": f"#### {right[row['id']]}"},
         "target": right[row["id"]], "arguments": [], "resps": [[row["response"]]], "filtered_resps": [""]}
        for n, row in enumerate(strong)
    ])  # fmt: skip


def _grade(place: Place) -> None:
    here, out = place.files, place.out / "graded.jsonl"
    responses = here / ("strong.jsonl" if place.damaged == "gold.jsonl" else place.damaged)
    options: dict[str, Any] = place.random.choice(({}, {"only_shared": True}, {"match": "string"}))
    w2s.grade(here / "gold.jsonl", responses, out, task=place.random.choice(("gsm8k", "math", "number")), **options)


def _grade_others(place: Place) -> None:
    here, out = place.files, place.out / "graded.jsonl.gz"
    gold = here / ("log.jsonl" if place.damaged == "log.jsonl" else "gold.jsonl")
    w2s.grade(gold, here / place.damaged, out, task="gsm8k", only_shared=True)


def _graded(folder: Path) -> None:
    for name in ("a", "b"):
        _rows(folder / f"{name}.jsonl", [
            {"id": n, "question": f"{n}?", "sample": 0, "verdict": "correct" if n % 2 else "wrong"} for n in range(5)
        ])  # fmt: skip


def _compare(place: Place) -> None:
    w2s.compare(place.files / "a.jsonl", place.files / "b.jsonl")


def _tools(folder: Path) -> None:
    """Small files in the shapes of other tools, the same questions in each."""
    shutil.copytree(EXAMPLES.parent / "tests/unit/data/files", folder, dirs_exist_ok=True)


def _grade_tools(place: Place) -> None:
    here, out = place.files, place.out / "out.jsonl"
    name = place.damaged
    if name == "batch_input.jsonl":
        batch, other = here / "openai_batch.jsonl", here / "completions_batch.jsonl"
        w2s.agree(batch, other, out, task="number", questions=here / name)
    elif name.startswith("samples_") or place.random.random() < 0.3:
        w2s.grade(here / name, out=out, task="number", pattern=place.random.choice((None, r"#### (\S+)")))
    elif place.random.random() < 0.3:
        w2s.agree(here / "messages.jsonl", here / name, out, task="number", only_shared=True, format="messages")
    else:
        responses = "answers.csv" if name == "gold.jsonl" else name
        w2s.grade(here / "gold.jsonl", here / responses, out, task="number", only_shared=True)


def _agree(place: Place) -> None:
    here = place.files
    options: dict[str, Any] = place.random.choice(
        ({}, {"only_shared": True}, {"samples": here / "samples.jsonl", "augment_to": 5})
    )
    gold = here / "gold.jsonl" if place.random.random() < 0.5 else None
    w2s.agree(
        here / "weak.jsonl", here / "strong.jsonl", place.out / "stage1.jsonl", task="gsm8k", gold=gold, **options
    )


def _pairs(place: Place) -> None:
    here = place.files
    w2s.pairs(
        here / "weak.jsonl", here / "samples.jsonl", place.out / "pairs.jsonl", task="gsm8k", gold=here / "gold.jsonl"
    )


def _training_rows(folder: Path) -> None:
    _rows(folder / "sft.jsonl", [{"id": n, "prompt": f"{n}?", "completion": f" {n}"} for n in range(4)])
    _rows(folder / "pairs.jsonl", [
        {"id": n, "prompt": f"{n}?", "chosen": f" {n}", "rejected": " no"} for n in range(4)
    ])  # fmt: skip


def _train(place: Place) -> None:
    """Up to the model, which refuses the target."""
    loss, data = ("sft" if place.damaged == "sft.jsonl" else "dpo"), place.files / place.damaged
    try:
        w2s.train("w2s:tiny-strong", data, place.out / "m", loss=loss, settings=["lora.rank=2", "lora.targets=[nope]"])
    except UserError as error:
        if "lora.targets" not in str(error):
            raise


def _own_files(folder: Path) -> None:
    """A recipe, and a task of each kind."""
    for place, split in enumerate(tasks.SPLITS):
        numbers = range(1, 7)
        rows = [{"id": f"{split}-{n}", "question": f"{split} question {n}?"} for n in numbers]
        answers = [str(n + place) for n in numbers]
        each = list(zip(rows, answers, strict=True))
        _rows(folder / f"{split}.jsonl", rows)
        _rows(folder / f"gold_{split}.jsonl", [
            {"id": row["id"], "answer": a, "solution": f"It is {a}."} for row, a in each
        ])  # fmt: skip
        _rows(
            folder / "gsm8k" / f"{split}.jsonl",
            [row | {"answer": f"It is <<1*{a}={a}>>{a}.\n#### {a}"} for row, a in each],
        )
        _rows(folder / "math" / f"{split}.jsonl", [row | {"solution": f"It is $\\boxed{{{a}}}.$"} for row, a in each])
        _rows(
            folder / "olympicarena" / f"{split}.jsonl", [row | {"answer": [a], "answer_type": "NV"} for row, a in each]
        )
    words = ["".join("abcdefghij"[int(digit)] for digit in f"{n:02}") for n in range(24)]
    _rows(folder / "sets" / "svamp.jsonl", [
        {"id": f"svamp-{n}", "question": f"How many are {n} {w}oks, {w}ubs and {w}ings?", "answer": str(n),
         "solution": f"{n} * 1 = {n}"}
        for n, w in enumerate(words)
    ])  # fmt: skip
    text = (
        (EXAMPLES / "own_data.yaml")
        .read_text()
        .replace("my_data/", f"{folder}/")
        .replace("extends: tiny", "extends: base.yaml")
    )
    (folder / "own.yaml").write_text(text)
    (folder / "base.yaml").write_text((Path(w2s.__file__).parent / "config" / "presets" / "tiny.yaml").read_text())


def _recipe(place: Place) -> None:
    recipe.prepare(str(place.files / "own.yaml"), out=place.out / "run", planning=place.random.random() < 0.5)


def _task(place: Place) -> None:
    folder = place.damaged.rpartition("/")[0]
    name: Any = {"": "jsonl", "sets": "word_problems"}.get(folder, folder)
    if name == "word_problems":
        task: Any = schema.WordProblemsTask(
            folder=str(place.files / "sets"), sets=("svamp",), train_1=6, train_2=6, test=6
        )
    else:
        here = place.files if name == "jsonl" else place.files / name
        paths: dict[str, Any] = {split: str(here / f"{split}.jsonl") for split in tasks.SPLITS}
        if name == "jsonl":
            paths["gold"] = {split: str(here / f"gold_{split}.jsonl") for split in tasks.SPLITS}
            paths["answer"] = "gsm8k"
        task = schema.FilesTask(name=name, **paths)
    tasks.prepare(task)
    for split in tasks.SPLITS:
        try:
            gold.load(task, split)
        except BranchEnds as ended:
            raise UserError(str(ended)) from ended


REQUESTS = [Request(f"q{n}", sample, f"{n}?") for n in range(70) for sample in (0, 1)]
DECODING = Decoding(8, 1.0, 1.0, (), 0)


def _generate(folder: Path) -> None:
    engine = ScriptedEngine(lambda request, decoding: f"It is {request.prompt}")
    done = journal.generate(engine, REQUESTS, DECODING, folder / "journal")
    assert len(done) == len(REQUESTS)


def _lock(place: Place) -> None:
    with Lock(place.files, expiry=0.2, beat=0.05):
        pass


def _locked(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    held = Lock(folder)
    with held:
        lease = (folder / ".lease").read_bytes()
    (folder / ".lease").write_bytes(lease)
    (folder / ".lock").touch()


def _model(folder: Path) -> None:
    """A base with a template, and an adapter on it."""
    import numpy
    from safetensors.numpy import save_file

    base = folder / "base"
    shutil.copytree(STRONG, base, dirs_exist_ok=True)
    (base / "special_tokens_map.json").write_text(json.dumps({"eos_token": {"content": "</s>"}}))
    (base / "chat_template.jinja").write_text(
        "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{{ eos_token }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    shards = {f"model-{n}-of-2.safetensors": {f"model.layers.{n}.self_attn.q_proj.weight": [4, 4]} for n in (0, 1)}
    for name, tensors in shards.items():
        save_file({key: numpy.zeros(shape, numpy.float32) for key, shape in tensors.items()}, base / name)
    (base / "model.safetensors").unlink()
    index = {key: name for name, tensors in shards.items() for key in tensors}
    (base / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    parity.write(parity.Parity(16, 0.5, ("a",), ("b",), ("c",)), base)
    adapter = folder / "adapter"
    adapter.mkdir(exist_ok=True)
    (adapter / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": str(base), "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"],
                    "peft_type": "LORA", "revision": None})
    )  # fmt: skip
    save_file(
        {"base_model.model.q.lora_A.weight": numpy.zeros((8, 4), numpy.float32)}, adapter / "adapter_model.safetensors"
    )


def _look(place: Place) -> None:
    """All that is read of a model before it is loaded."""
    lora = schema.Lora(rank=8, alpha=16, targets=("q_proj",))
    for name in ("base", "base#layers=0", "adapter"):
        model = models.find(str(place.files / name), offline=True)
        assert model.identity
        found = architecture.find(model)
        found.cache_bytes(10, "float32"), found.training_bytes(lora), found.weight_bytes("bfloat16")
        architecture.characters_per_token(model, ["Tom has 5 apples."])
        trainings.check(model, lora)
        if "#" not in name:
            prompts = chat.load(model)
            prompts.prompt("2?", ()), prompts.completion("It is 2."), prompts.stop(demonstrated=False)
    files.check_folder(place.files / "base", "base")
    parity.read(place.files / "base")


def _finished(folder: Path) -> None:
    """A copy of a finished run: its weights are links, and everything else is small."""
    shutil.copytree(RUN, folder, copy_function=_link, dirs_exist_ok=True)


def _link(source: str, place: str) -> None:
    os.link(source, place) if Path(source).stat().st_size > 100_000 else shutil.copy2(source, place)


def _check(place: Place) -> None:
    whole = _whole(place.files)
    problems = w2s.check(place.files).problems
    assert whole or problems, "damage is not named"
    if problems:
        raise UserError(problems[0], file=place.files)


def _report(place: Place) -> None:
    damage = w2s.report(place.files)["damage"]
    assert not list(place.files.glob(".*.part"))
    assert json.loads((place.files / "results.json").read_text())["damage"] == damage
    assert not results.changed(place.files)
    if damage:
        raise UserError(damage[0], file=place.files)


def _plan(place: Place) -> None:
    whole = _whole(place.files)
    plan = w2s.plan(RUN / "recipe.yaml", out=place.files)
    again = [step.reason for step in plan.steps if step.decision != "reuse"]
    assert whole or plan.replaces or again, "damage is not planned for"
    if again:
        raise UserError(again[0], file=place.files)


def _whole(folder: Path) -> bool:
    """Whether what records are about is as it was: bytes, or in records the content."""
    for path, content in _written().items():
        here = folder / path
        if here.is_symlink() or not here.is_file():
            return False
        if here.stat().st_ino != (RUN / path).stat().st_ino and here.read_bytes() != content():
            return _means(here.read_bytes()) == _means(content()) and path.startswith("records/")
    return True


@functools.cache
def _written() -> Mapping[str, Callable[[], bytes]]:
    parts = ("data", "models", "records")
    found = [path for part in parts for path in sorted((RUN / part).rglob("*")) if path.is_file()]
    return {path.relative_to(RUN).as_posix(): path.read_bytes for path in found if path.stat().st_size}


def _means(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content


READERS: dict[str, Reader] = {
    "questions": Reader(
        lambda folder: _rows(folder / "q.jsonl", [{"id": n, "question": f"{n}?"} for n in range(5)]),
        lambda place: sampling.questions("jsonl", str(place.files / "q.jsonl")),
        pipes=False,
    ),
    "few-shot": Reader(
        lambda folder: _rows(
            folder / "shots.jsonl", [{"id": n, "question": f"{n}?", "response": f"{n}"} for n in range(5)]
        ),
        lambda place: sampling.demonstrations(place.files / "shots.jsonl"),
        pipes=False,
    ),
    "grade": Reader(_examples, _grade, share=4, pipes=False),
    "grade, other layouts": Reader(_others, _grade_others, share=3, pipes=False),
    "compare": Reader(_graded, _compare, share=2, pipes=False),
    "grade, other tools": Reader(_tools, _grade_tools, share=6, pipes=False),
    "agree": Reader(_examples, _agree, share=4, pipes=False),
    "pairs": Reader(_examples, _pairs, share=4, pipes=False),
    "training rows": Reader(_training_rows, _train, pipes=False),
    "recipe": Reader(_own_files, _recipe, share=6, pipes=False),
    "tasks": Reader(_own_files, _task, share=6, pipes=False),
    "journal": Reader(_generate, lambda place: _generate(place.files)),
    "lock": Reader(_locked, _lock, share=1),
    "model": Reader(_model, _look, share=9),
    "check": Reader(_finished, _check, share=3),
    "report": Reader(_finished, _report, share=1),
    "plan": Reader(_finished, _plan, share=1),
}
"""By name; `share` of the files."""
