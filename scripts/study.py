"""Run a preset over several seeds and write the tables of docs/results.md.

    python scripts/study.py --seeds 5                        # the shipped default, on test
    python scripts/study.py --seeds 2 task.test_split=validation --name validation --no-write

Each seed draws its own questions (`task.data_seed`), order and samples; the shipped models are the same for all.
A seed that is already finished is read, not run again.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from w2s.report.collect import COMPARISONS, MODELS, SELECTIONS

ROOT = Path(__file__).resolve().parent.parent
Results = dict[str, Any]


def run(preset: str, seed: int, folder: Path, overrides: list[str]) -> Results:
    """One run of the real command line, in a process of its own; a finished run is reused by its records."""
    command = [sys.executable, "-m", "w2s", "run", preset, f"task.data_seed={seed}", *overrides]
    subprocess.run([*command, "--seed", str(seed), "--out", str(folder)], check=True)
    return json.loads((folder / "results.json").read_text())  # type: ignore[no-any-return]


def interval(values: list[float]) -> str:
    """Mean with a 95 % t interval over seeds."""
    mean = statistics.mean(values)
    if len(values) < 2:
        return f"{mean:.1f}"
    t = student_95(len(values) - 1)
    return f"{mean:.1f} ± {t * statistics.stdev(values) / math.sqrt(len(values)):.1f}"


def student_95(freedom: int) -> float:
    """The two-sided 95 % quantile of Student's t, to two digits: a table, and from 10 degrees of freedom a series.

    Source: Abramowitz and Stegun 1964, 26.7.5, by powers of 1 / freedom.
    """
    table = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)
    if freedom <= len(table):
        return table[freedom - 1]
    z = statistics.NormalDist().inv_cdf(0.975)
    terms = ((z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384)
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))


def names(results: list[Results], field: str, order: Iterable[str]) -> list[str]:
    """What any of the seeds has under `field`, in the order of the report: on one of them a branch may have ended."""
    return [name for name in order if any(name in result[field] for result in results)]


def accuracy_table(results: list[Results]) -> list[str]:
    """A row a model: accuracy of each seed, mean over seeds, mean PGR."""
    seeds = [str(result["seed"]) for result in results]
    lines = [
        "| model | " + " | ".join(f"seed {seed}" for seed in seeds) + " | mean, % | mean PGR |",
        "|---|" + "---:|" * (len(seeds) + 2),
    ]
    for name in names(results, "models", MODELS):
        found = [result["models"].get(name) for result in results]
        cells = ["–" if model is None else f"{100 * model['accuracy']:.1f}" for model in found]
        mean = interval([100 * model["accuracy"] for model in found if model])
        recovered = [model["pgr"] for model in found if model and model["pgr"] is not None]
        lines.append(
            f"| `{name}` | {' | '.join(cells)} | {mean} | {statistics.mean(recovered):.2f} |"
            if recovered
            else f"| `{name}` | {' | '.join(cells)} | {mean} | – |"
        )
    return lines


def paired_table(results: list[Results]) -> list[str]:
    """A row a comparison: difference in points and McNemar p of each seed, and the mean difference over seeds."""
    lines = [
        "| comparison | " + " | ".join(f"seed {result['seed']}" for result in results) + " | mean |",
        "|---|" + "---:|" * (len(results) + 1),
    ]
    for name in names(results, "paired", (f"{a} vs {b}" for a, b in COMPARISONS)):
        found = [result["paired"].get(name) for result in results]
        cells = ["–" if f is None else f"{100 * f['difference']:+.1f} (p {f['mcnemar_p']:.1g})" for f in found]
        mean = interval([100 * f["difference"] for f in found if f])
        lines.append(f"| {name} | {' | '.join(cells)} | {mean} |")
    return lines


def selection_table(results: list[Results]) -> list[str]:
    """A row a selection: kept and precision of each seed."""
    lines = [
        "| selection | " + " | ".join(f"seed {result['seed']}" for result in results) + " |",
        "|---|" + "---:|" * len(results),
    ]
    for name in names(results, "selection", SELECTIONS):
        cells = []
        for result in results:
            found = result["selection"].get(name)
            precision = found and found.get("precision")
            cells.append("–" if not found else f"{found['kept']}/{found['of']}"
                         + (f" at {100 * precision:.0f} %" if precision is not None else ""))  # fmt: skip
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return lines


def report(title: str, command: str, results: list[Results]) -> str:
    """The Markdown section of this study."""
    n, seconds = results[0]["n_test"], [result["wall_seconds"] for result in results]
    return "\n".join(
        [
            f"### {title}",
            "",
            f"`{command}` — test n = {n} a seed, seeds {', '.join(str(r['seed']) for r in results)};"
            f" mean over seeds with a 95 % t interval;"
            f" {min(seconds):.0f} to {max(seconds):.0f} s of work a run.",
            "",
            *accuracy_table(results),
            "",
            "Paired on the same questions: difference in points, exact McNemar p.",
            "",
            *paired_table(results),
            "",
            "Kept questions and how many of their pseudo-labels are right.",
            "",
            *selection_table(results),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="key.sub=value, as for `w2s run`")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds, counted from 0")
    parser.add_argument("--name", default="study", help="folder under runs/, and the section's name")
    parser.add_argument("--no-write", action="store_true", help="print only; leave docs/results.md alone")
    arguments = parser.parse_args()

    folder = ROOT / "runs" / arguments.name
    results = [
        run(arguments.preset, seed, folder / f"seed-{seed}", arguments.overrides) for seed in range(arguments.seeds)
    ]
    command = f"python scripts/study.py --seeds {arguments.seeds}"
    command += "" if arguments.preset == "tiny" else f" --preset {arguments.preset}"
    command += "".join(f" {override}" for override in arguments.overrides)
    section = report(f"{arguments.preset}: {arguments.name}", command, results)
    print(section)
    if not arguments.no_write:
        page = ROOT / "docs" / "results.md"
        start, end = f"<!-- {arguments.name}:start -->", f"<!-- {arguments.name}:end -->"
        text = page.read_text() if page.exists() else "# Results\n"
        if start not in text:
            text += f"\n{start}\n{end}\n"
        body = f"{start}\n{section}\n{end}"
        page.write_text(re.sub(f"{start}.*?{end}", lambda _: body, text, flags=re.DOTALL))


if __name__ == "__main__":
    main()
