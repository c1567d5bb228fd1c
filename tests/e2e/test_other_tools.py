"""Files of other tools and `w2s export` through the real command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

FILES = Path(__file__).parents[1] / "unit" / "data" / "files"
LOG = "samples_gsm8k_2026-01-05T10-00-00.jsonl"
Cli = Callable[..., CompletedProcess[str]]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FILES, tmp_path / "files"))


def accuracy(done: CompletedProcess[str]) -> float:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["accuracy"]


def test_logs_are_graded_by_the_gold_in_them(w2s: Cli, here: Path) -> None:
    """Two of three responses are right in each."""
    for name in (LOG, "inspect.json", "inspect.eval", "answers.csv", "answers.parquet"):
        done = w2s("grade", name, "--task", "number", "--json", cwd=here)
        assert accuracy(done) == pytest.approx(2 / 3), name


def test_grade_says_what_it_needs(w2s: Cli, here: Path) -> None:
    for arguments in (
        (),
        ("--gold", "gold.jsonl"),
        ("answers.csv", "--gold", "gold.jsonl", "--responses", "lists.jsonl"),
    ):
        done = w2s("grade", *arguments, "--task", "number", cwd=here)
        assert done.returncode == 2 and "or one LOG that has both" in done.stderr, arguments
    done = w2s("grade", "-", "--task", "number", cwd=here, stdin="")
    assert done.returncode == 2 and "a log is read twice" in done.stderr


def test_a_table_from_a_pipe_with_names_and_a_pattern_of_ones_own(w2s: Cli, here: Path) -> None:
    table = "nr,response\nq1,Result <7>.\nq2,Result <11>.\nq3,Result <9/2>.\n"
    common = ("--task", "number", "--gold", "gold.jsonl", "--responses", "-", "--column", "id=nr", "--json")
    done = w2s("grade", *common, "--pattern", "<(.*)>", cwd=here, stdin=table)
    assert accuracy(done) == pytest.approx(2 / 3)
    done = w2s("grade", *common, "--pattern", "(", cwd=here, stdin=table)
    assert done.returncode == 2 and "is no regular expression" in done.stderr and "Traceback" not in done.stderr
    done = w2s("grade", "answers.csv", "--task", "number", "--column", "question", cwd=here)
    assert done.returncode == 2 and "NAME=COLUMN" in done.stderr


def test_two_batches_become_chats_for_training(w2s: Cli, here: Path) -> None:
    batches = ("--weak", "openai_batch.jsonl", "--strong", "completions_batch.jsonl", "--task", "gsm8k")
    done = w2s(
        "agree", *batches, "--questions", "batch_input.jsonl", "--format", "messages", "--out", "h.jsonl", cwd=here
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (here / "h.jsonl").read_text().splitlines()]
    assert len(rows) == 4 and {tuple(turn["role"] for turn in row["messages"]) for row in rows} == {
        ("user", "assistant")
    }
    done = w2s("agree", *batches, "--questions", "batch_input.jsonl", "--out", "batch_input.jsonl", cwd=here)
    assert done.returncode == 2 and "would be written over --questions" in done.stderr


def test_an_unknown_table_is_named_with_what_is_known(w2s: Cli, here: Path) -> None:
    (here / "people.csv").write_text("name,age\nAnn,7\n")
    done = w2s("grade", "--task", "number", "--gold", "gold.jsonl", "--responses", "people.csv", cwd=here)
    assert done.returncode == 2
    for text in ("people.csv:2 [response]", "it has name, age", "inspect: ", "--column response=NAME"):
        assert text in done.stderr


@pytest.mark.slow  # the shared run
def test_a_run_is_exported_and_its_model_answers_as_before(w2s: Cli, finished: Path, tmp_path: Path) -> None:
    """In float32, with the same prompts, greedy answers are the same; a second export into the folder is refused."""
    out = tmp_path / "out"
    done = w2s("export", str(finished), "--model", "m_plus", "--to", str(out), "--dtype", "float32")
    assert done.returncode == 0 and "README.md" in done.stdout, done.stderr
    for name, model in (("before", finished / "models/m_plus"), ("after", out)):
        sampled = ("--task", "arith", "--split", "test", "--limit", "5", "--temperature", "0", "--max-new-tokens", "40")
        assert w2s("sample", "--model", str(model), *sampled, "--out", str(tmp_path / f"{name}.jsonl")).returncode == 0
    assert (tmp_path / "before.jsonl").read_bytes() == (tmp_path / "after.jsonl").read_bytes()
    card = (out / "README.md").read_text()
    results = json.loads((finished / "results.json").read_text())
    assert f"{100 * results['models']['m_plus']['accuracy']:.1f} (" in card
    assert all(line in card for line in results["caveats"])
    done = w2s("export", str(finished), "--model", "m_plus", "--to", str(out))
    assert done.returncode == 2 and "is not empty" in done.stderr
    done = w2s("export", str(finished), "--data", "all", "--to", str(tmp_path / "rows"))
    assert done.returncode == 0, done.stderr
    graded = w2s("check", str(finished))
    assert graded.returncode == 0, graded.stdout
