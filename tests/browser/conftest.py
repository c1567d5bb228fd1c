"""A page written by hand, and Chromium to look at it: from a file, offline."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from w2s import results
from w2s.config import schema
from w2s.data import jsonl, sealed
from w2s.flow import integrity
from w2s.flow.store import SCHEMA

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
RUN = schema.Run(recipe=schema.Recipe(name="toy", task=schema.ArithTask()))
HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"
RIGHT = {"weak_floor": range(0, 6), "m_plus": range(3, 12), "strong_ceiling": range(0, 14)}
"""Of 16 questions: both right 3-5, only m_plus 6-11, only the floor 0-2, neither 12-15."""
MODELS = {
    "models": [
        {"name": "weak_floor", "what": "the weak model", "against": [], "highlight": False},
        {"name": "m_plus", "what": "Stage I", "against": ["weak_floor", "strong_ceiling"], "highlight": True},
        {"name": "strong_ceiling", "what": "gold", "against": [], "highlight": False},
    ],
    "selections": [{"name": "stage1_iter1", "what": "both agree"}],
    "floor": "weak_floor",
    "ceiling": "strong_ceiling",
}


def prediction(name: str, number: int) -> str | None:
    """Of 12-15 the two models give the same wrong answer on 12 and 13; m_plus gives none on 15."""
    if number in RIGHT[name]:
        return "007" if (name, number) == ("m_plus", 3) else "7"  # equal to gold in value, not in text
    if number == 15 and name == "m_plus":
        return None
    return "13" if number in (12, 13) else f"{len(name)}{number}"


def answer_row(name: str, number: int) -> dict[str, Any]:
    said = prediction(name, number)
    return {
        "id": f"q-{number}",
        "question": f"Question {number}: how many?" + (HOSTILE if number == 1 else ""),
        "response": f"{name} says, on {number}, that it is {said}." + (HOSTILE if number == 2 else ""),
        "gold": "7", "prediction": said, "level": 1 + number // 8, "subject": "algebra" if number % 2 else None,
        "verdict": "correct" if number in RIGHT[name] else "no_answer" if said is None else "wrong",
        "cut": (name, number) == ("m_plus", 14), "tokens": 5,
    }  # fmt: skip


def train_row(number: int) -> dict[str, Any]:
    verdict = "correct" if number < 3 else "wrong"
    return {
        "id": f"t-{number}", "question": f"Training question {number}?", "gold": "7", "level": 1 + number // 4,
        "answers": {"weak_answers": {"prediction": "7", "cut": False, "verdict": verdict}},
        "votes": {"m_plus_samples": {"prediction": "7", "share": 0.8, "n": 10, "counts": {"7": 8, "9": 2}, "cut": 0,
                                     "verdict": verdict}},
        "decisions": {"stage1_iter1": "kept" if number < 4 else "disagree"},
    }  # fmt: skip


def write_record(folder: Path, name: str, result: dict[str, Any]) -> None:
    record = {
        "schema": SCHEMA, "name": name, "kind": "train", "status": "done", "message": "", "fingerprint": "f" * 64,
        "payload": {}, "inputs": {}, "result": result, "seconds": 1.5, "resumed": False, "output": "", "files": [],
        "digest": integrity.files_digest([]), "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-01T00:00:00+00:00", "provenance": {"w2s": "9.9", "command": f"w2s run {HOSTILE}"},
    }  # fmt: skip
    (folder / "records").mkdir(parents=True, exist_ok=True)
    (folder / "records" / f"{name}.json").write_text(json.dumps(sealed.seal(record)))


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the page."""
    folder = tmp_path_factory.mktemp("run")
    for name in RIGHT:
        write_record(folder, f"evaluate_{name}", {"accuracy": 0.5})
        jsonl.write(folder / f"data/test_{name}.jsonl", (answer_row(name, number) for number in range(16)))
    write_record(folder, "models", MODELS)
    write_record(folder, "judged_train_2", {"of": 6})
    write_record(folder, "questions_train_2", {"of": 6})
    write_record(folder, "stage1_iter1", {"kept": 4, "of": 6, "dropped": {"disagree": 2}})
    curve = {"curve": [2.0, 1.0], "examples": 4, "steps": 2, "tokens": 9, "loss_first": 2.0, "loss_last": 1.0}
    write_record(folder, "m_plus", curve | {"seconds": 1.0})
    jsonl.write(folder / "data/judged_train_2.jsonl", map(train_row, range(6)))
    texts = ({"id": f"t-{number}", "question": "?", "response": f"weak text {number}"} for number in range(6))
    jsonl.write(folder / "data/weak_answers.jsonl", texts)
    results.write(folder, RUN)
    return (folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser; the test is skipped where there is none. It ends with its file: its event loop is in others' way."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[dev]'")
    program = os.environ.get("W2S_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium here: apt-get install --no-install-recommends chromium, or set W2S_CHROMIUM")
    with playwright.sync_playwright() as driver:
        sandbox = [] if os.getuid() else ["--no-sandbox"]  # Chromium refuses to start as root with it
        browser = driver.chromium.launch(executable_path=program, args=sandbox)
        yield browser
        browser.close()


class Watched:
    """A tab, and whatever it complained about or asked for."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.context = browser.new_context(offline=True, **options)
        self.tab = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.tab.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.goto(address)
        if options.get("java_script_enabled", True):
            self.tab.wait_for_selector("#browser[data-ready]")

    def count(self) -> int:
        """Questions that the list says match."""
        return int(self.tab.inner_text("#s-count").split()[0])

    def shown(self) -> str:
        return self.tab.inner_text("#s-detail")

    def id(self) -> str:
        return self.tab.inner_text("#s-detail .muted").split(" ")[0]


@pytest.fixture
def look(chromium: Any, report: str) -> Iterator[Any]:
    """Opens the page, with a fragment and the context's options; afterwards nothing may have been complained about."""
    opened: list[Watched] = []

    def at(fragment: str = "", **options: Any) -> Watched:
        opened.append(Watched(chromium, report + fragment, **options))
        return opened[-1]

    yield at
    for watched in opened:
        watched.context.close()
        assert watched.complaints == []
        assert all(url.startswith("file:") for url in watched.requests)
