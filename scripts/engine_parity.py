"""Do transformers and vLLM say the same, and does a recipe decide the same with them? Needs a Python that has both.

    .venv-vllm/bin/python scripts/engine_parity.py greedy w2s:tiny-strong --questions 200
    .venv-vllm/bin/python scripts/engine_parity.py decisions runs/tiny --questions 200

`greedy` asks a model test questions of `arith` without sampling and counts the tokens before the first difference.

`decisions` takes the models and the weak answers of a finished run. Stage I: both iteration 1 models answer greedily,
and the questions kept by agreement are compared. Stage II: M_plus draws n=10 with each engine, and what becomes of each
question is compared (dropped, weak as chosen, weak as rejected, and the majority answer). vLLM draws with random
numbers of its own, so the noise floor is what two seeds of one engine differ by, printed beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from w2s import answers, models, prompting, tasks
from w2s.config import ArithTask, Runtime
from w2s.engines import isolated, journal
from w2s.engines.base import Completion, Decoding, Request
from w2s.method.adaptive import settled
from w2s.method.agreement import agree
from w2s.method.fate import Fate, Rule, Weak
from w2s.records import Answered, Response

PLACES = {"transformers": "w2s.engines.transformers:load", "vllm": "w2s.engines.vllm:load_here"}
RULE = Rule(0.6, 0.8, 1)


def alike(one: Sequence[int], other: Sequence[int]) -> tuple[int, int]:
    """Tokens before the first difference, and those of the longer text."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return len(list(same)), max(len(one), len(other))


def rows(file: Path) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def complete(
    engine: str, model: str | Path, questions: Mapping[str, str], n: int, seeds: Sequence[int], options: Any
) -> list[list[Completion]]:
    """What a model, loaded once in a process of its own, completes with each seed: greedily, or n at temperature 1."""
    runtime = Runtime(offline=True, device=options.device, canary=False, threads=options.threads)
    requests = [Request(id, k, prompting.prompt(text)) for id, text in questions.items() for k in range(n)]
    with contextlib.closing(isolated.load(PLACES[engine], model, dtype=options.dtype, runtime=runtime)) as loaded:
        return [
            journal.generate(loaded, requests, Decoding(options.max_new_tokens, 1.0 if n > 1 else 0.0, seed=seed))
            for seed in seeds
        ]


def answered(id: str, question: str, text: str, sample: int = 0) -> Answered:
    """A text and the answer it gives."""
    return answers.answered(Response(id, question, text, sample), "gsm8k", "equivalent")


def fates(weak: dict[str, Answered], samples: list[Answered], n: int) -> dict[str, Fate | None]:
    """What becomes of each question in Stage II, and its majority answer."""
    return {
        id: settled(list(group), n, Weak(weak[id].key, not weak[id].response.strip()), RULE)
        for id, group in itertools.groupby(samples, key=lambda sample: sample.id)
    }


def greedy(options: argparse.Namespace) -> None:
    """Print how far the greedy texts of one model agree."""
    from transformers import AutoTokenizer

    task = tasks.load(ArithTask(train_1=1, train_2=1, test=options.questions))
    questions = {question.id: question.question for question in task.questions("test")}
    texts = []
    for engine in PLACES:
        (done,) = complete(engine, options.model, questions, 1, [0], options)
        texts.append({completion.id: completion.text for completion in done})
    found = models.resolve(options.model, offline=True)
    tokenizer = AutoTokenizer.from_pretrained(found.path_or_id, revision=found.revision or "main")
    tokens = [{id: tokenizer(text, add_special_tokens=False).input_ids for id, text in side.items()} for side in texts]
    pairs = [alike(tokens[0][id], tokens[1][id]) for id in questions]
    same, total = map(sum, zip(*pairs, strict=True))
    equal = sum(texts[0][id] == texts[1][id] for id in questions)
    print(
        f"{options.model}, greedy, {options.dtype}: {same} of {total} tokens ({same / total:.2%}) come before the "
        f"first difference; {equal} of {len(questions)} texts are the same"
    )


def decisions(options: argparse.Namespace) -> None:
    """Print how many questions of a run are decided otherwise."""
    asked = {row["id"]: row["question"] for row in rows(options.run / "data/questions_train_2.jsonl")}
    questions = dict(itertools.islice(asked.items(), options.questions))
    stage_one(options, questions)
    stage_two(options, questions)


def stage_one(options: argparse.Namespace, questions: dict[str, str]) -> None:
    """Print how many questions agreement keeps with one engine only."""
    kept = {}
    for engine in PLACES:
        sides = []
        for name in ("stage1_iter1_weak_ft", "stage1_iter1_icl_ft"):
            (done,) = complete(engine, options.run / "models" / name, questions, 1, [0], options)
            sides.append([answered(c.id, questions[c.id], c.text) for c in done])
        kept[engine] = {pair.id for pair in agree(*sides).kept}
    differ = len(kept["transformers"] ^ kept["vllm"])
    sizes = " and ".join(f"{len(ids)} with {engine}" for engine, ids in kept.items())
    print(f"Stage I, greedy: {sizes} of {len(questions)} kept; {differ} decided otherwise", flush=True)


def stage_two(options: argparse.Namespace, questions: dict[str, str]) -> None:
    """Print how many fates differ between seeds and between engines."""
    weak = {
        row["id"]: answered(row["id"], row["question"], row["response"])
        for row in rows(options.run / "data/weak_answers.jsonl")
    }
    drawn = {}
    for engine in PLACES:
        for seed, done in enumerate(
            complete(engine, options.run / "models/m_plus", questions, options.n, [0, 1], options)
        ):
            samples = [answered(c.id, questions[c.id], c.text, c.sample) for c in done]
            drawn[engine, seed] = fates(weak, samples, options.n)
    print(f"Stage II, n={options.n} at T=1: questions of {len(questions)} with another fate or majority")
    for one, other in itertools.combinations(drawn, 2):
        differ = sum(drawn[one][id] != drawn[other][id] for id in questions)
        kind = "noise floor" if one[0] == other[0] else "engines"
        print(f"  {one[0]:<12} seed {one[1]}   {other[0]:<12} seed {other[1]} {differ:>4}  ({kind})")


def main() -> None:
    """Read the command line and print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(required=True)
    for function in (greedy, decisions):
        part = parts.add_parser(function.__name__, help=function.__doc__)
        part.set_defaults(function=function)
        part.add_argument("--questions", type=int, default=200)
        part.add_argument("--max-new-tokens", type=int, default=112)
        part.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
        part.add_argument("--device", default="auto")
        part.add_argument("--threads", type=int, default=0)
        if function is greedy:
            part.add_argument("model", help="a model reference")
        else:
            part.add_argument("run", type=Path, help="the folder of a finished run")
            part.add_argument("--n", type=int, default=10, help="samples a question")
    options = parser.parse_args()
    options.function(options)


if __name__ == "__main__":
    main()
