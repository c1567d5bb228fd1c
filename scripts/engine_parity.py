"""Do transformers and vLLM say the same, and does a recipe decide the same with them? Needs a Python that has both.

    .venv-vllm/bin/python scripts/engine_parity.py greedy w2s:tiny-strong --questions 200
    .venv-vllm/bin/python scripts/engine_parity.py decisions runs/tiny --questions 150 --seeds 4

`greedy` asks a model test questions of `arith` without sampling and counts the tokens before the first difference.

`decisions` takes the models and the weak answers of a finished run. Stage I: both iteration 1 models answer greedily,
and the questions kept by agreement are compared. Stage II: M_plus makes n=10 samples with each engine, and the
decisions are compared (dropped, weak as chosen, weak as rejected, and the majority answer). vLLM has random numbers of
its own, so two engines differ at least as two seeds of one do. Several seeds of each, and a permutation test over
engines, show whether they differ by more.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import statistics
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from w2s import answers, models, prompting, tasks
from w2s.config.choices import AnswerRule
from w2s.config.schema import ArithTask, Runtime
from w2s.engines import isolated, journal
from w2s.engines.base import Completion, Decoding, Loading, Request
from w2s.method.agreement import agrees
from w2s.method.early_stopping import Decision, settled
from w2s.method.voting import PairRule
from w2s.records import Answered, Response

PLACES = {"transformers": "w2s.engines.transformers:load", "vllm": "w2s.engines.vllm:load_here"}
ANSWERS = AnswerRule("gsm8k")
RULE = PairRule(0.6, 0.8, 1)
Counts = Sequence[Sequence[int]]
"""Row i, column j: questions on which set i of decisions differs from set j."""


def alike(one: Sequence[int], other: Sequence[int]) -> tuple[int, int]:
    """Tokens before the first difference, and those of the longer text."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return len(list(same)), max(len(one), len(other))


def disagreements(decisions: Sequence[Mapping[str, Any]]) -> Counts:
    """Questions on which each two sets of decisions differ; all sets decide the same questions."""
    return [[sum(one[id] != other[id] for id in one) for other in decisions] for one in decisions]


def split(counts: Counts, first: Collection[int]) -> tuple[list[int], list[int]]:
    """The counts of pairs within a group (the sets in `first`, or the others), and of pairs across the two groups."""
    pairs = list(itertools.combinations(range(len(counts)), 2))
    across = {(one, other) for one, other in pairs if (one in first) != (other in first)}
    return [counts[i][j] for i, j in pairs if (i, j) not in across], [counts[i][j] for i, j in sorted(across)]


def permutation(counts: Counts) -> tuple[float, float]:
    """Do the first half of the sets and the second come from different sources? An exact permutation test.

    The statistic is the mean count across the halves less the mean within them. For sets sampled independently, its
    expectation on one question is half the squared distance between the two sources' distributions of decisions: never
    below 0, and 0 only where they are the same. So the test is one-sided. As ANOSIM (Clarke 1993), with counts for
    ranks.

    Args:
        counts: of an even number of sets, at least 4.

    Returns:
        The statistic, in questions, and p: the share of all ways to halve the sets that give at least as much. Of S
        sets a source, there are C(2S, S) / 2 ways: p cannot be below 1/3 for S=2, 1/10 for 3, 1/35 for 4.
    """
    size = len(counts) // 2
    within, across = split(counts, range(size))
    halves = [half for half in itertools.combinations(range(len(counts)), size) if 0 in half]  # the others mirror them
    # All counts have one sum, so the statistic grows with the sum across alone, and whole numbers tie exactly.
    as_much = sum(sum(split(counts, half)[1]) >= sum(across) for half in halves)
    return statistics.mean(across) - statistics.mean(within), as_much / len(halves)


def rows(file: Path) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def complete(
    engine: str, model: str | Path, questions: Mapping[str, str], n: int, seeds: Sequence[int], options: Any
) -> list[list[Completion]]:
    """What a model, loaded once in a process of its own, completes with each seed: greedily, or n at temperature 1."""
    runtime = Runtime(offline=True, device=options.device, check_engine=False, threads=options.threads)
    requests = [Request(id, k, prompting.prompt(text)) for id, text in questions.items() for k in range(n)]
    loading = Loading(engine, options.dtype, runtime=runtime)
    with contextlib.closing(isolated.load(PLACES[engine], model, loading)) as loaded:
        return [
            journal.generate(loaded, requests, Decoding(options.max_new_tokens, 1.0 if n > 1 else 0.0, seed=seed))
            for seed in seeds
        ]


def answered(id: str, question: str, text: str, sample: int = 0) -> Answered:
    """A text and the answer it gives."""
    return answers.answered(Response(id, question, text, sample), ANSWERS)


def decide(weak: dict[str, Answered], samples: list[Answered], n: int) -> dict[str, Decision | None]:
    """What becomes of each question in Stage II, and its majority answer."""
    return {
        id: settled(list(group), n, weak[id], RULE)
        for id, group in itertools.groupby(samples, key=lambda sample: sample.id)
    }


def greedy(options: argparse.Namespace) -> None:
    """Print how far the greedy completions of one model agree."""
    from transformers import AutoTokenizer

    task = tasks.load(ArithTask(train_1=1, train_2=1, test=options.questions))
    questions = {question.id: question.question for question in task.questions("test")}
    texts = []
    for engine in PLACES:
        (completions,) = complete(engine, options.model, questions, 1, [0], options)
        texts.append({completion.id: completion.text for completion in completions})
    resolved = models.resolve(options.model, offline=True)
    tokenizer = AutoTokenizer.from_pretrained(resolved.path_or_id, revision=resolved.revision or "main")
    tokens = [{id: tokenizer(text, add_special_tokens=False).input_ids for id, text in side.items()} for side in texts]
    pairs = [alike(tokens[0][id], tokens[1][id]) for id in questions]
    same, total = map(sum, zip(*pairs, strict=True))
    equal = sum(texts[0][id] == texts[1][id] for id in questions)
    print(
        f"{options.model}, greedy, {options.dtype}: {same} of {total} tokens ({same / total:.2%}) come before the "
        f"first difference; {equal} of {len(questions)} completions are the same"
    )


def decisions(options: argparse.Namespace) -> None:
    """Print how many questions of a run are decided otherwise."""
    texts = {row["id"]: row["question"] for row in rows(options.run / "data/questions_train_2.jsonl")}
    questions = dict(itertools.islice(texts.items(), options.questions))
    stage_one(options, questions)
    stage_two(options, questions)


def stage_one(options: argparse.Namespace, questions: dict[str, str]) -> None:
    """Print how many questions agreement keeps with one engine only."""
    agreed = {}
    for engine in PLACES:
        sides = []
        for name in ("stage1_iter1_weak_ft", "stage1_iter1_icl_ft"):
            (completions,) = complete(engine, options.run / "models" / name, questions, 1, [0], options)
            sides.append([answered(c.id, questions[c.id], c.text) for c in completions])
        agreed[engine] = {weak.id for weak, icl in zip(*sides, strict=True) if agrees(weak, icl)}
    differ = len(agreed["transformers"] ^ agreed["vllm"])
    sizes = " and ".join(f"{len(ids)} with {engine}" for engine, ids in agreed.items())
    print(f"Stage I, greedy: {sizes} of {len(questions)} kept; {differ} decided otherwise", flush=True)


def stage_two(options: argparse.Namespace, questions: dict[str, str]) -> None:
    """Print how many decisions differ between seeds and between engines."""
    weak = {
        row["id"]: answered(row["id"], row["question"], row["response"])
        for row in rows(options.run / "data/weak_answers.jsonl")
    }
    places = {engine: range(k * options.seeds, (k + 1) * options.seeds) for k, engine in enumerate(PLACES)}
    outcomes = []
    for engine, seeds in places.items():  # no seed is both engines': two sets of samples never share random numbers
        for completions in complete(engine, options.run / "models/m_plus", questions, options.n, seeds, options):
            samples = [answered(c.id, questions[c.id], c.text, c.sample) for c in completions]
            outcomes.append(decide(weak, samples, options.n))
    counts = disagreements(outcomes)
    pairs = {
        f"two seeds of {engine}": [counts[i][j] for i, j in itertools.combinations(seeds, 2)]
        for engine, seeds in places.items()
    }
    pairs["one seed of each engine"] = split(counts, places["transformers"])[1]
    print(f"Stage II, n={options.n} at T=1: questions of {len(questions)} with another decision or majority")
    for name, differences in pairs.items():
        print(f"  {name:<25} mean {statistics.mean(differences):5.1f} of {' '.join(map(str, sorted(differences)))}")
    more, p = permutation(counts)
    print(f"  between engines {more:+.1f} against within them; permutation test, one-sided: p = {p:.3f}")


def main() -> None:
    """Read the command line and print the requested comparison."""
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
            part.add_argument("--n", type=int, default=10, help="samples per question")
            part.add_argument("--seeds", type=int, choices=range(2, 9), default=4, help="sample sets per engine")
    options = parser.parse_args()
    options.function(options)


if __name__ == "__main__":
    main()
