"""The data of Stage I and Stage II for 10k, 100k and 1M questions x 10 samples: is time linear, and memory bounded?

    python benchmarks/scale.py                             # all three sizes
    python benchmarks/scale.py --sizes 1000,10000,100000   # quicker
    python benchmarks/scale.py --folder /data/tmp          # where the files go: about 18 kB per question

Files are generated (seeded) in a temporary folder, which is removed: questions of about 180 characters and GSM8K-style
responses of about 150 to 300, one weak and one ICL response and ten samples per question, most with an answer after
"####", written in several ways ("$1,200", "35.00", "20%"), some in words and some without an answer.

Each stage runs in a process of its own, one after the other. "step" is a step of the recipe, "verb" is `w2s agree` or
`w2s pairs`, and "step sample" is the recipe's generation with an engine that makes up completions: requests, journal
and responses are measured and no model is (making up completions takes a third of the time). Peak memory is the
kernel's figure for the process (ru_maxrss).

Bars: the slope of log time over log size, by least squares, is 1.0 +- 0.1, and no process has more than 2 GiB. The time
is wall clock, less that of the stage on 10 questions (best of three), which is the start of its process. The same slope
of CPU time is printed beside it: where the two differ, the machine had other work.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

SEED = 20240718
SAMPLES = 10
SLOPE = (0.9, 1.1)
PEAK = 2 * 2**30
DISK = 18_000
"""Bytes per question that the inputs and the largest outputs take together."""
FEW = 10
"""Questions on which a process takes the time of its start and no more."""

NAMES = ("Natalia", "Weng", "Betty", "Julie", "James", "Albert", "Mark", "Ken", "Alexis", "Tina", "Toula", "Randy")
THINGS = ("clips", "apples", "pages", "letters", "flowers", "slices of pizza", "marbles", "tickets", "dollars", "eggs")


class Stage(NamedTuple):
    """`rows`: responses it reads (or writes, for "sample") a question. `command`: of a process, from its folder."""

    rows: int
    command: Callable[[Path], list[str]]


def question(draw: random.Random) -> str:
    name, other = draw.sample(NAMES, 2)
    thing, a, b, c = draw.choice(THINGS), draw.randint(3, 99), draw.randint(2, 60), draw.randint(2, 9)
    return (
        f"{name} has {a} {thing} on Monday and buys {b} more on each of the next {c} days. {other} has half as many "
        f"{thing} as {name} then. How many {thing} do {name} and {other} have altogether at the end?"
    )


def response(draw: random.Random, right: int, accuracy: float) -> str:
    """A chain of two to four steps and an answer; wrong answers are among few, so that votes can agree on one."""
    value = right if draw.random() < accuracy else right + draw.choice((-10, -2, 1, 2, 7, 30))
    lines = []
    for _ in range(draw.randint(2, 4)):
        a, b = draw.randint(2, 99), draw.randint(2, 99)
        lines.append(
            f"After that there are {a} + {b} = <<{a}+{b}={a + b}>>{a + b} {draw.choice(THINGS)} to be counted."
        )
    kind = draw.random()
    if kind < 0.03:
        return "It is not said how many were there before, and so nobody can tell how many there are. " * 2
    if kind < 0.08:
        lines.append(f"So the answer is {value} in total.")
    else:
        form = draw.choice(("{}", "{}", "{}", "{}", "{:,}", "${}", "${:,}", "{}.00", "{}%", "{} in all"))
        lines.append(f"So together they have {value} of them at the end.\n#### {form.format(value)}")
    return "\n".join(lines)


def rights(draw: random.Random) -> int:
    return int(10 ** draw.uniform(0.5, 4))


def generate(folder: Path, size: int) -> None:
    """Write questions.jsonl, weak.jsonl, strong.jsonl and samples.jsonl."""
    draw = random.Random(SEED)
    files = {name: open(folder / f"{name}.jsonl", "w") for name in ("questions", "weak", "strong", "samples")}  # noqa: SIM115
    for number in range(size):
        row: dict[str, Any] = {"id": f"train_2-{number}", "question": question(draw)}
        right = rights(draw)
        files["questions"].write(json.dumps(row) + "\n")
        for name, accuracy in (("weak", 0.45), ("strong", 0.55)):
            files[name].write(json.dumps(row | {"response": response(draw, right, accuracy)}) + "\n")
        accuracy = draw.choice((0.3, 0.7, 0.95))
        for sample in range(SAMPLES):
            row["response"] = response(draw, right, accuracy)
            files["samples"].write(json.dumps(row | {"sample": sample}) + "\n")
    for file in files.values():
        file.close()


def answer(request: Any, decoding: Any) -> str:
    """The text of the engine behind the stage "sample"."""
    draw = random.Random(f"{request.id} {request.sample}")
    return response(draw, 40 + draw.randint(0, 1), 0.7)


def step(name: str, folder: Path) -> dict[str, Any]:
    """Run a step of the recipe on the generated files; returns its result."""
    from w2s.config.schema import Runtime
    from w2s.engines.scripted import ScriptedEngine
    from w2s.flow.step import Context
    from w2s.prompting import PLAIN
    from w2s.steps import generate, launch, rules, select
    from w2s.steps.params import Resources, Selection, prompted

    launch.engine = lambda *_, **__: ScriptedEngine(answer)
    common = prompted(PLAIN)
    reading = common | {"style": "gsm8k", "match": "equivalent"}
    selection = Selection(**reading)
    steps: dict[str, tuple[Callable[[Context], dict[str, Any]], tuple[str, ...], Any]] = {
        "all_examples": (select.all_examples, ("weak",), selection),
        "agree": (select.agree, ("weak", "strong"), rules.Agree(**reading)),
        "majority": (select.majority, ("samples",), selection),
        "pairs": (
            select.build_pairs,
            ("weak", "samples"),
            rules.Pairs(**reading, confidence=0.6, reject_confidence=0.8, max_pairs=1, seed=0),
        ),
        "sample": (
            generate.answer,
            ("questions",),
            generate.Answer(
                **common, n=SAMPLES, max_new_tokens=256, temperature=1.0, top_p=1.0, stop=(), seed=0,
                engine="scripted", dtype="float32", trust_remote_code=False,
            ),
        ),
    }  # fmt: skip
    function, roles, params = steps[name]
    (folder / "scratch").mkdir()
    return function(
        Context(
            params=params,
            inputs={role: folder / f"{role}.jsonl" for role in roles},
            results={},
            output=folder / "out.jsonl",
            scratch=folder / "scratch",
            runtime=Runtime(),
            progress=lambda done, total, tokens=0: None,
            resources=Resources(PLAIN, model="scripted"),
        )
    )


def of_step(name: str) -> Callable[[Path], list[str]]:
    return lambda folder: [sys.executable, __file__, "--worker", name, str(folder)]


def of_verb(verb: str, other: str) -> Callable[[Path], list[str]]:
    def command(folder: Path) -> list[str]:
        files = {"weak": "weak", other: other, "out": "out"}
        options = [text for option, name in files.items() for text in (f"--{option}", str(folder / f"{name}.jsonl"))]
        return [sys.executable, "-m", "w2s", verb, "--task", "gsm8k", "--json", *options]

    return command


STAGES = {
    "step all_examples": Stage(1, of_step("all_examples")),
    "step agree": Stage(2, of_step("agree")),
    "step sample": Stage(SAMPLES, of_step("sample")),
    "step majority": Stage(SAMPLES, of_step("majority")),
    "step pairs": Stage(1 + SAMPLES, of_step("pairs")),
    "verb agree": Stage(2, of_verb("agree", "strong")),
    "verb pairs": Stage(1 + SAMPLES, of_verb("pairs", "samples")),
}


class Measured(NamedTuple):
    """One process: wall and CPU seconds, peak bytes, standard output."""

    wall: float
    cpu: float
    peak: int
    output: str


def measure(command: list[str]) -> Measured:
    """Run a process to its end. This one stays small, as the peak of a child begins with its parent's."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"failed: {' '.join(command)}")
    wall, cpu = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
    return Measured(wall, cpu, usage.ru_maxrss * 1024, output.strip())


def slope(points: list[tuple[int, float]]) -> float:
    """Of log seconds over log size, by least squares."""
    x, y = [math.log(size) for size, _ in points], [math.log(seconds) for _, seconds in points]
    middle = sum(x) / len(x)
    return sum((a - middle) * b for a, b in zip(x, y, strict=True)) / sum((a - middle) ** 2 for a in x)


def run(folder: Path, size: int, names: list[str]) -> Iterator[tuple[str, Measured]]:
    """Each stage on `size` questions, whose files are generation before and deleted after."""
    place = folder / str(size)
    place.mkdir()
    generation = measure([sys.executable, __file__, "--worker", str(size), str(place)])
    total = sum(file.stat().st_size for file in place.iterdir())
    if size > FEW:
        print(f"\n{size:,} questions: {total / 2**20:,.0f} MiB generated in {generation.wall:.0f} s\n")
        print(
            "| stage | seconds | CPU s | responses/s | peak MiB | result |\n|---|---:|---:|---:|---:|---|", flush=True
        )
    for name in names:
        yield name, measure(STAGES[name].command(place))
        (place / "out.jsonl").unlink(missing_ok=True)
        shutil.rmtree(place / "scratch", ignore_errors=True)
    shutil.rmtree(place)


def sizes(folder: Path, counts: list[int], names: list[str]) -> dict[str, list[tuple[int, Measured]]]:
    """Stage -> (size, figures without the start) by size; prints them as they come."""
    figures: dict[str, list[tuple[int, Measured]]] = {name: [] for name in names}
    starts = [dict(run(folder, FEW, names)) for _ in range(3)]
    start = {name: min((each[name] for each in starts), key=lambda each: each.wall) for name in names}
    print("start: " + ", ".join(f"{name} {each.wall:.2f} s" for name, each in start.items()))
    for size in counts:
        for name, each in run(folder, size, names):
            net = each._replace(wall=max(each.wall - start[name].wall, 0.01), cpu=max(each.cpu - start[name].cpu, 0.01))
            figures[name].append((size, net))
            result = json.loads(each.output)
            outcome = ", ".join(f"{key} {result[key]:,}" for key in ("kept", "of", "pairs", "tokens") if key in result)
            rate = size * STAGES[name].rows / net.wall
            print(
                f"| {name} | {each.wall:.1f} | {each.cpu:.1f} | {rate:,.0f} | {each.peak / 2**20:,.0f} | {outcome} |",
                flush=True,
            )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,100000,1000000", help="numbers of questions")
    parser.add_argument("--stages", default=",".join(STAGES), help="any of: %(default)s")
    parser.add_argument("--folder", type=Path, help="where the temporary folder goes (default: the system's)")
    parser.add_argument("--worker", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        what, folder = arguments.worker
        if what.isdigit():
            generate(Path(folder), int(what))
        else:
            print(json.dumps(step(what, Path(folder))))
        return
    counts = sorted(map(int, arguments.sizes.split(",")))
    names = [name.strip() for name in arguments.stages.split(",")]
    if unknown := [name for name in names if name not in STAGES]:
        raise SystemExit(f"no stage {unknown[0]!r}; there are {', '.join(STAGES)}")
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="w2s-scale-") as name:
        free, needed = shutil.disk_usage(name).free, DISK * counts[-1]
        print(f"Files go to {name}: {needed / 2**30:.1f} GiB of {free / 2**30:.0f} GiB free")
        if needed > free:
            raise SystemExit("too little space: give another --folder, or smaller --sizes")
        figures = sizes(Path(name), counts, names)
    print("\n| stage | slope of time | slope of CPU time | most MiB | bars |\n|---|---:|---:|---:|---|")
    passed = True
    for name, own in figures.items():
        most = max(each.peak for _, each in own)
        wall, cpu = (
            slope([(size, getattr(each, time)) for size, each in own]) if len(own) > 1 else math.nan
            for time in ("wall", "cpu")
        )
        good = most <= PEAK and (len(own) == 1 or SLOPE[0] <= wall <= SLOPE[1])
        passed = passed and good
        print(f"| {name} | {wall:.3f} | {cpu:.3f} | {most / 2**20:,.0f} | {'PASS' if good else 'FAIL'} |")
    sys.exit(not passed)


if __name__ == "__main__":
    main()
