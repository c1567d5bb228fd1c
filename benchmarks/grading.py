"""Answers per second, precision and recall of `w2s.answers.grade` against a SymPy grader and Math-Verify, same answers.

    python benchmarks/grading.py              # all tables: some minutes, most of them the peers'
    python benchmarks/grading.py --sample 200 # quicker
    python benchmarks/grading.py --million    # only 1,000,000 answers through `w2s grade`: wall clock and peak memory

Peers, each called the plain way: Math-Verify, `verify(parse(gold), parse(prediction))`, with `$...$` around MATH
answers as its manual asks; SymPy, `simplify(parse_latex(gold) - parse_latex(prediction)) == 0` with five seconds for
each answer and "wrong" where it raises (Minerva's rule). SymPy's parser needs antlr 4.11 where Math-Verify brings
4.13, so it is installed beside (pip, into a temporary folder); without a network latex2sympy2_extended's parser stands
in, and the table says so.

Each grader runs in a process of its own, one after the other. Imports and one answer that is not in the data are left
out of its time. "cold" clears all our caches before every answer, so that a repeated answer costs what it costs the
first time; without it they are kept, as a real file is graded. Our worker processes, which import SymPy, are up before
the clock starts, as the peers' imports are; "workers down" has their start in the time, where an answer needs one.

Answers: the released Llama2-7b outputs and MATH sets (`W2S_REFERENCE_DATA`), and the hand-written table of the tests.
Without the released files GSM8K-style answers are generated (seeded) and MATH-style ones are the table alone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest.mock
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("W2S_REFERENCE_DATA") or ROOT.parent / "shared" / "data") / "gair"
SEED = 20240718
SIMPLIFY_SECONDS = 5

RIGHT_AFTER_ALL = {
    (r"-\frac{40}{153}", "-40/153"), (r"\dfrac{15}{56}", r"\frac{15}{56}"), (r"\dfrac{1}{12}", r"\frac{1}{12}"),
    (r"-\frac{1}{2}", "-1/2"), (r"\frac{1}{2}", "1/2"), (r"\frac{2}{5}", "2/5"), (r"\frac{1}{4}", "1/4"),
    (r"\frac{13}{21}", "13/21"), (r"\frac{36}{49}", r"\frac{324}{441}"), (r"\frac{3}{5}", r"\frac{15}{25}"),
    (r"\dfrac{3}{50}", r"\frac{3}{50}"), (r"\tfrac{3}{2}", r"\frac{3}{2}"), (r"\frac{1}{{}216}", r"\frac{1}{216}"),
    ("-56", "-56+4√2-2√8"), ("48", r"2!\cdot4!"), ("(w-2)(w+2)(w^2+4)", "(w^2-4)(w^2+4)"),
    ("3qr+6q-15r-30", "3qr-15r+6q-30"), ("(1,3)", "1<x<3"), ("(E)", "e"), ("40min", "40"), ("428centi", "428"),
    ("8_9", "8"), ("1101001_2", "1101001"),
    (r"\begin{pmatrix}1/5\-3/5\end{pmatrix}", r"\frac{1}{5}\begin{pmatrix}1\-3\end{pmatrix}"),
}  # fmt: skip
"""Distinct (gold, prediction) of the MATH sets that the release calls wrong and a reader of the question right."""


class Pair(NamedTuple):
    """One graded answer; `right` is None where there is no label."""

    gold: str
    prediction: str
    right: bool | None


def gsm8k_pairs() -> tuple[str, list[Pair]]:
    from w2s.answers import extract

    path = DATA / "outputs" / "gsm8k_train_2_llama2_7b.jsonl"
    if not path.is_file():
        return "generated", generated_pairs(7000)
    with open(path, encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    read = [(row["gold"], extract(row["response"], "gsm8k")) for row in rows]
    return "released Llama2-7b outputs", [Pair(gold, answer, None) for gold, answer in read if answer is not None]


def generated_pairs(count: int) -> list[Pair]:
    draw = random.Random(SEED)
    pairs = []
    for _ in range(count):
        value = int(10 ** draw.uniform(0, 5))
        prediction = value if draw.random() < 0.45 else value + draw.randint(1, 20)
        style = draw.choice(["{}", "{}", "{}", "${}", "{:,}", "{}.00", "{} dollars", "{}%", "${:,}.00"])
        pairs.append(Pair(str(value), style.format(prediction), prediction == value))
    return pairs


def math_pairs() -> list[Pair]:
    """Every row of the released MATH sets with its label; none where the files are absent."""
    pairs = []
    for name in ("icl", "weak"):
        path = DATA / "train" / f"math_gemma_2b_iter1_{name}.json"
        for row in json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []:
            if row["gold"]:
                right = row["result"] or (row["gold"], row["pred"]) in RIGHT_AFTER_ALL
                pairs.append(Pair(row["gold"], row["pred"], right))
    return pairs


def table_pairs() -> list[Pair]:
    """The hand-written cases, in the order (gold, prediction) in which they are written."""
    sys.path.insert(0, str(ROOT / "tests" / "unit" / "answers"))
    from test_equivalence_cases import CASES

    return [Pair(case.left, case.right, case.equal) for case in CASES]


Grader = Callable[[str, str], bool]


def ours(*, cold: bool, started: bool) -> Grader:
    from w2s import answers
    from w2s.answers.workers import pool

    if started:
        pool.read(r"\int_0^{918273} x\,dx")

    cached = [
        thing.cache_clear
        for name, module in list(sys.modules.items())
        if name.startswith("w2s.answers")
        for thing in vars(module).values()
        if hasattr(thing, "cache_clear") and thing is not pool.available
    ]
    cached += [pool._SHARED._cache.clear, pool.forget]

    def judge(gold: str, prediction: str) -> bool:
        if cold:
            for clear in cached:
                clear()
        return answers.grade(prediction, gold) == "correct"

    return judge


def math_verify(*, latex: bool) -> Grader:
    from math_verify import parse, verify

    if latex:
        return lambda gold, prediction: verify(parse(f"${gold}$"), parse(f"${prediction}$"))
    return lambda gold, prediction: verify(parse(gold), parse(prediction))


def sympy_grader() -> Grader:
    from sympy import simplify

    parse: Callable[[str], Any]
    try:
        from sympy.parsing.latex import parse_latex as parse

        parse("1")
    except ImportError:
        from latex2sympy2_extended import latex2sympy as parse

    def expired(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, expired)

    def judge(gold: str, prediction: str) -> bool:
        signal.alarm(SIMPLIFY_SECONDS)
        try:
            return bool(simplify(parse(gold) - parse(prediction)) == 0)
        except Exception:
            return False
        finally:
            signal.alarm(0)

    return judge


GRADERS: dict[str, Callable[[bool], Grader]] = {
    "w2s, cold": lambda latex: ours(cold=True, started=True),
    "w2s, cold, workers down": lambda latex: ours(cold=True, started=False),
    "w2s": lambda latex: ours(cold=False, started=True),
    "Math-Verify": lambda latex: math_verify(latex=latex),
    "SymPy": lambda latex: sympy_grader(),
}


def work(name: str, job: dict[str, Any]) -> dict[str, Any]:
    """Grade the job's pairs with one grader: verdicts and seconds for each. Runs in a process of its own."""
    judge = GRADERS[name](job["latex"])
    judge("918273", "918274")
    verdicts, seconds = [], []
    for gold, prediction in job["pairs"]:
        began = time.perf_counter()
        verdict = judge(gold, prediction)
        seconds.append(time.perf_counter() - began)
        verdicts.append(verdict)
    return {"verdicts": verdicts, "seconds": seconds}


def run(name: str, pairs: Sequence[Pair], latex: bool, antlr: str | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        job, out = Path(folder) / "job.json", Path(folder) / "out.json"
        job.write_text(json.dumps({"latex": latex, "pairs": [pair[:2] for pair in pairs]}), encoding="utf-8")
        environment = dict(os.environ)
        if name == "SymPy" and antlr:
            environment["PYTHONPATH"] = antlr
        command = [sys.executable, __file__, "--worker", name, str(job), str(out)]
        with open(Path(folder) / "log", "wb") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, env=environment)
        return json.loads(out.read_text(encoding="utf-8"))


def table(title: str, pairs: Sequence[Pair], names: Sequence[str], latex: bool, antlr: str | None) -> None:
    print(f"\n### {title}: {len(pairs):,} answers, {len({pair[:2] for pair in pairs}):,} of them different\n")
    print("| grader | answers/s | slower than w2s, cold | p50 ms | p99 ms | worst ms | precision | recall |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    slowest, rates = [], {}
    for name in names:
        result = run(name, pairs, latex, antlr)
        seconds = sorted(result["seconds"])
        rates[name] = len(pairs) / sum(seconds)
        p50, p99 = (1000 * seconds[min(len(seconds) - 1, int(part * len(seconds)))] for part in (0.50, 0.99))
        worst = max(range(len(pairs)), key=result["seconds"].__getitem__)
        slowest.append(f"{name}: gold {pairs[worst].gold[:90]!r}, prediction {pairs[worst].prediction[:90]!r}")
        judged = list(zip(pairs, result["verdicts"], strict=True))
        both = sum(pair.right is True and verdict for pair, verdict in judged)
        accepted, right = sum(result["verdicts"]), sum(pair.right is True for pair in pairs)
        labelled = all(pair.right is not None for pair in pairs)
        quality = f"{both / max(accepted, 1):.4f} | {both / max(right, 1):.4f}" if labelled else "- | -"
        print(f"| {name} | {rates[name]:,.0f} | {rates[names[0]] / rates[name]:.1f}x | {p50:.3f} | {p99:.3f} "
              f"| {1000 * seconds[-1]:.1f} | {quality} |", flush=True)  # fmt: skip
    print("\nslowest answer of " + "; of ".join(slowest))
    print(f"{for_workers(pairs):,} of {len(pairs):,} answers need a worker process", flush=True)


def for_workers(pairs: Sequence[Pair]) -> int:
    """Answers that `w2s.answers.grade` gives to a worker process."""
    from w2s import answers
    from w2s.answers.workers import pool

    with unittest.mock.patch.object(pool, "results", return_value={}) as asked:
        for pair in pairs:
            answers.grade(pair.prediction, pair.gold)
    return asked.call_count


def compare(sample: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        install = [sys.executable, "-m", "pip", "install", "-q", "--target", folder, "antlr4-python3-runtime==4.11.1"]
        installation = subprocess.run(install, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        antlr = folder if installation.returncode == 0 else None
        print(f"SymPy's grader reads with {'parse_latex (antlr 4.11.1)' if antlr else 'latex2sympy2_extended'}.")
        draw = random.Random(SEED)
        source, gsm8k = gsm8k_pairs()
        few = draw.sample(gsm8k, min(sample, len(gsm8k)))
        us = ["w2s, cold", "w2s, cold, workers down", "w2s"]
        everyone = [*us, "Math-Verify", "SymPy"]
        table(f"GSM8K-style ({source}), a seeded sample", few, everyone, False, antlr)
        table(f"GSM8K-style ({source}), all", gsm8k, us, False, antlr)
        math = math_pairs()
        if math:
            few = draw.sample(math, min(sample, len(math)))
            table("MATH-style (released sets), a seeded sample", few, everyone, True, antlr)
            table("MATH-style (released sets), all", math, [*us, "Math-Verify"], True, antlr)
        table("MATH-style (hand-written table)", table_pairs(), everyone, True, antlr)


def million(answers: int, samples: int) -> None:
    """`w2s grade` on generated files: wall clock and peak resident memory of its process and its children."""
    draw = random.Random(SEED)
    with tempfile.TemporaryDirectory() as folder:
        gold, responses = Path(folder) / "gold.jsonl", Path(folder) / "responses.jsonl"
        with open(gold, "w", encoding="utf-8") as golds, open(responses, "w", encoding="utf-8") as texts:
            for number, pair in enumerate(generated_pairs(answers // samples)):
                golds.write(json.dumps({"id": number, "answer": pair.gold}) + "\n")
                for sample in range(samples):
                    answer = pair.prediction if draw.random() < 0.7 else str(draw.randint(1, 9999))
                    steps = f"He has {draw.randint(2, 99)} and gets {draw.randint(2, 99)} more. " * draw.randint(1, 4)
                    row = {"id": number, "response": f"{steps}\n#### {answer}", "sample": sample}
                    texts.write(json.dumps(row) + "\n")
        size = responses.stat().st_size / 2**20
        command = [sys.executable, "-m", "w2s", "grade", "--task", "gsm8k", "--gold", str(gold)]
        began = time.perf_counter()
        process = subprocess.Popen([*command, "--responses", str(responses)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
    if status:
        raise SystemExit(f"w2s grade failed:\n{output}")
    print(f"w2s grade: {answers:,} answers ({samples} a question, {size:.0f} MiB of responses) in {wall:.1f} s, "
          f"{answers / wall:,.0f} a second, peak memory {usage.ru_maxrss / 2**20:.2f} GiB")  # fmt: skip
    print(output.strip())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=1000, help="answers that all graders get")
    parser.add_argument("--million", action="store_true", help="only the pass over a large file")
    parser.add_argument("--answers", type=int, default=1_000_000, help="how large it is")
    parser.add_argument("--samples", type=int, default=10, help="answers per question in it")
    parser.add_argument("--worker", nargs=3, metavar=("GRADER", "JOB", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        name, job, out = arguments.worker
        result = work(name, json.loads(Path(job).read_text(encoding="utf-8")))
        Path(out).write_text(json.dumps(result), encoding="utf-8")
    elif arguments.million:
        million(arguments.answers, arguments.samples)
    else:
        compare(arguments.sample)


if __name__ == "__main__":
    main()
