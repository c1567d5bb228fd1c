"""The page of a large run: its size, how long it takes to be ready in Chromium, and how long a search takes.

    python benchmarks/page.py                 # 7,000 test questions of 14 models, as a whole MATH test split and more
    python benchmarks/page.py --out page.html # keep the page

Answers are generated (seeded): a worked solution of some lines, numbers of their own, as models of one task write them.
Models that are right give nearly equal texts, as real ones do. Needs playwright and Chromium (`W2S_CHROMIUM` names
another program than `chromium`). `ready`: from the start of the script until the first question is shown; `search`:
from a key until the list is there, the first (which prepares the texts) and the slowest of the others.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import tempfile
import time
from pathlib import Path
from typing import Any

from w2s.config import schema
from w2s.flow.provenance import provenance
from w2s.results.outline import Entry, Outline
from w2s.results.page import RunPage, render

WORDS = re.findall(
    "[a-z]+", "there are left each box holds then the sum is half of them so that we get in all per hour"
)
SEARCHES = ("4711", "half of", "q-6999", "12 * 7", "nothing of this kind")


def solution(source: random.Random, answer: int, lines: int) -> str:
    """Some lines of calculation and the answer."""
    steps = []
    for _ in range(lines):
        a, b = source.randrange(2, 99), source.randrange(2, 99)
        steps.append(f"{' '.join(source.choices(WORDS, k=source.randrange(4, 9))).capitalize()} {a} * {b} = {a * b}.")
    return "\n".join([*steps, f"#### {answer}"])


def made(questions: int, models: int, train_2: int) -> RunPage:
    """A run with as many test questions, models and questions of train_2."""
    source = random.Random(20240718)
    names = ["weak_floor", "weak_icl", "full_weak_ft", "m_plus", "m_pro_dpo", "control_strong_only", "strong_ceiling"]
    names = [*names, *(f"strategy_{number}" for number in range(models))][:models]
    answers: dict[str, dict[str, Any]] = {name: {} for name in names}
    for number in range(questions):
        gold, text = source.randrange(2, 9999), " ".join(source.choices(WORDS, k=30))
        common = solution(source, gold, 4)
        for place, name in enumerate(names):
            right = source.random() < 0.4 + 0.03 * place
            said = gold if right else source.randrange(2, 9999)
            response = common if right and source.random() < 0.5 else solution(source, said, source.randrange(3, 6))
            answers[name][f"q-{number}"] = {
                "id": f"q-{number}", "question": f"{number}: {text}?", "response": response, "prediction": str(said),
                "verdict": "correct" if right else "wrong", "gold": str(gold), "level": 1 + number % 5, "cut": False,
            }  # fmt: skip
    judged, texts = [], {}
    for number in range(train_2):
        share = source.randrange(3, 11) / 10
        verdict = "correct" if source.random() < share else "wrong"
        texts[f"t-{number}"] = solution(source, number, 4)
        judged.append({
            "id": f"t-{number}", "question": " ".join(source.choices(WORDS, k=30)), "gold": str(number),
            "answers": {"weak_answers": {"prediction": str(number), "cut": False, "verdict": verdict}},
            "votes": {"m_plus_samples": {"prediction": str(number), "share": share, "n": 10, "cut": 0,
                                         "counts": {str(number): round(10 * share)}, "verdict": verdict}},
            "decisions": {"stage1_iter1": "kept" if share > 0.5 else "disagree"},
        })  # fmt: skip
    accuracy = {
        name: sum(row["verdict"] == "correct" for row in rows.values()) / questions for name, rows in answers.items()
    }
    results = {
        "name": "large", "task": "math", "seed": 0, "finished": True, "caveats": [], "damage": [], "ended": {},
        "n_test": questions, "verdicts": {}, "strategies": {}, "paired": {}, "selection": {}, "vote_share": {},
        "wall_seconds": 1.0, "versions": {},
        "models": {name: {"accuracy": value, "ci95": [value - 0.01, value + 0.01], "no_answer": 0.0, "undecided": 0.0,
                          "pgr": None, "pgr_ci95": None, "what": name, "highlight": name.startswith("m_")}
                   for name, value in accuracy.items()},
    }  # fmt: skip
    outline = Outline(tuple(Entry(name, "", (), name.startswith("m_")) for name in names), {}, names[0], names[-1])
    recipe = schema.Recipe(name="large", task=schema.ArithTask())
    return RunPage(results, {}, outline, answers, judged, {"weak_answers": texts, "icl_answers": texts}, recipe, "")


def measure(page: Path) -> dict[str, float]:
    """Milliseconds in Chromium, from the file."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=os.environ.get("W2S_CHROMIUM", "/usr/bin/chromium"),
            args=[] if os.getuid() else ["--no-sandbox"],
        )
        tab = browser.new_context(offline=True).new_page()
        began = time.perf_counter()
        tab.goto(page.as_uri())
        tab.wait_for_selector("#browser[data-ready]")
        opened = 1000 * (time.perf_counter() - began)
        searches = []
        for words in SEARCHES:
            tab.fill("#s-q", words)
            searches.append(float(tab.get_attribute("#browser", "data-search") or "nan"))
        ready = float(tab.get_attribute("#browser", "data-ready") or "nan")
        browser.close()
    return {"opened_ms": opened, "ready_ms": ready, "first_search_ms": searches[0], "search_ms": max(searches[1:])}


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=7000)
    parser.add_argument("--models", type=int, default=14)
    parser.add_argument("--train-2", type=int, default=7000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    run = made(options.questions, options.models, options.train_2)
    raw = sum(len(row["response"]) for rows in run.answers.values() for row in rows.values())
    with tempfile.TemporaryDirectory() as folder:
        file = options.out or Path(folder) / "page.html"
        began = time.perf_counter()
        file.write_text(render([run]), encoding="utf-8")
        written = time.perf_counter() - began
        text = file.read_text(encoding="utf-8")
        left = text.partition("exts left out for size: ")[2].partition(";")[0]
        machine = provenance()["processor"]
        found = {"questions": options.questions, "models": options.models, "megabytes_of_texts": round(raw / 1e6, 1),
                 "megabytes": round(file.stat().st_size / 1e6, 2), "render_seconds": round(written, 1),
                 **{name: round(value) for name, value in measure(file.resolve()).items()},
                 "texts_left_out": left.count(",") + 1 if left else 0, "machine": machine}  # fmt: skip
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
