"""Does a recipe decide the same with vLLM as with transformers? Run it with a Python that has both.

    .venv-vllm/bin/python scripts/engine_parity.py runs/tiny --questions 200

Takes the models and the weak answers of a finished run. Stage I: both iteration 1 models answer greedily, and the
questions kept by agreement are compared. Stage II: M_plus draws n=10 with each engine, and what becomes of each
question is compared (dropped, weak as chosen, weak as rejected, and the majority answer). vLLM draws with random
numbers of its own, so the noise floor is what two seeds of one engine differ by, printed beside it.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

from w2s import answers, prompting
from w2s.config import Runtime
from w2s.engines import isolated, journal
from w2s.engines.base import Completion, Decoding, Request
from w2s.method.adaptive import settled
from w2s.method.agreement import agree
from w2s.method.fate import Fate, Rule, Weak
from w2s.records import Answered, Response

PLACES = {"transformers": "w2s.engines.transformers:load", "vllm": "w2s.engines.vllm:load_here"}
RULE = Rule(0.6, 0.8, 1)


def rows(file: Path) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def answer(
    engine: str, model: Path, questions: dict[str, str], n: int, seed: int, options: argparse.Namespace
) -> list[Answered]:
    """What a model answers, in a process of its own."""
    runtime = Runtime(offline=True, device=options.device, canary=False, threads=options.threads)
    loaded = isolated.load(PLACES[engine], model, runtime=runtime)
    decoding = Decoding(options.max_new_tokens, 1.0 if n > 1 else 0.0, seed=seed)
    requests = [Request(id, k, prompting.prompt(text)) for id, text in questions.items() for k in range(n)]
    try:
        done: list[Completion] = list(journal.generate(loaded, requests, decoding))
    finally:
        loaded.close()
    return [answers.answered(Response(c.id, questions[c.id], c.text, c.sample), "gsm8k", "equivalent") for c in done]


def fates(weak: dict[str, Answered], samples: list[Answered], n: int) -> dict[str, Fate | None]:
    """What becomes of each question in Stage II, and its majority answer."""
    return {
        id: settled(list(group), n, Weak(weak[id].key, not weak[id].response.strip()), RULE)
        for id, group in itertools.groupby(samples, key=lambda sample: sample.id)
    }


def main() -> None:
    """Print how many questions differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a finished run")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--n", type=int, default=10)
    parser.add_argument("--max-new-tokens", type=int, default=112)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    asked = {row["id"]: row["question"] for row in rows(options.run / "data/questions_train_2.jsonl")}
    questions = dict(itertools.islice(asked.items(), options.questions))

    kept = {}
    for engine in PLACES:
        sides = [
            answer(engine, options.run / "models" / name, questions, 1, 0, options)
            for name in ("stage1_iter1_weak_ft", "stage1_iter1_icl_ft")
        ]
        kept[engine] = {pair.id for pair in agree(*sides).kept}
    differ = len(kept["transformers"] ^ kept["vllm"])
    sizes = " and ".join(f"{len(ids)} with {engine}" for engine, ids in kept.items())
    print(f"Stage I, greedy: {sizes} of {len(questions)} kept; {differ} decided otherwise", flush=True)

    weak = {
        row["id"]: answers.answered(Response(row["id"], row["question"], row["response"]), "gsm8k", "equivalent")
        for row in rows(options.run / "data/weak_answers.jsonl")
    }
    drawn = {
        name: fates(weak, answer(engine, options.run / "models/m_plus", questions, options.n, seed, options), options.n)
        for name, engine, seed in (
            ("transformers, seed 0", "transformers", 0),
            ("transformers, seed 1", "transformers", 1),
            ("vllm, seed 0", "vllm", 0),
            ("vllm, seed 1", "vllm", 1),
        )
    }
    print(f"Stage II, n={options.n} at T=1: questions of {len(questions)} with another fate or majority")
    for one, other in itertools.combinations(drawn, 2):
        differ = sum(drawn[one][id] != drawn[other][id] for id in questions)
        kind = "noise floor" if one.split(",")[0] == other.split(",")[0] else "engines"
        print(f"  {one:<22} {other:<22} {differ:>4}  ({kind})")


if __name__ == "__main__":
    main()
