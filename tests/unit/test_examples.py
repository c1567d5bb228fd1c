"""The examples run as they stand, in seconds, and do what they say."""

from __future__ import annotations

import importlib
import inspect
import json
import random
import re
import shlex
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

import w2s
from w2s import answers, cli, engines, recipe, tasks
from w2s.config import load
from w2s.config.schema import FilesTask
from w2s.engines import journal
from w2s.engines.base import Decoding, Loading, Request
from w2s.tasks import gold

FOLDER = Path(__file__).resolve().parents[2] / "examples"


ROOT = FOLDER.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: str) -> list[str]:
    """The blocks of code of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```[a-z]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def example(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(engines, "TABLE", dict(engines.TABLE))
    return importlib.import_module(request.param)


@pytest.mark.parametrize("file", FOLDER.glob("*.py"), ids=lambda file: file.name)
def test_an_example_fits_on_a_screen(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) < 160


@pytest.mark.parametrize("example", ["custom_task"], indirect=True)
def test_the_task_has_splits_that_share_nothing_and_is_graded(example: ModuleType, tmp_path: Path) -> None:
    """Its model says 100 to all that is more; the other answers are right."""
    summary = example.main(tmp_path)
    assert (summary.n, summary.no_answer, summary.undecided) == (60, 0, 0)
    numbers = [re.findall("[0-9]+", question.question) for question in example.Shopping().questions("test")]
    right = sum(int(pens) * int(dollars) <= 100 for pens, dollars in numbers)
    assert 0 < right < 60 and summary.correct == right
    files = {split: str(tmp_path / f"{split}.jsonl") for split in tasks.SPLITS}
    answers = {split: str(tmp_path / f"gold_{split}.jsonl") for split in tasks.SPLITS}
    task = FilesTask(name="jsonl", answer="gsm8k", overlap="refuse", gold=answers, **files)
    prepared = tasks.prepare(task)
    for split in tasks.SPLITS:
        assert prepared.questions[split] == example.Shopping().questions(split)
        assert len(gold.load(task, split)) == 60


@pytest.mark.parametrize("example", ["custom_task"], indirect=True)
def test_the_recipe_of_own_data_is_built_on_the_files_of_the_task(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    example.main(Path("my_data"))
    steps = {step.name for step in recipe.build(load.load(str(FOLDER / "own_data.yaml")), planning=True)}
    assert {"weak_floor", "m_plus", "m_pro_dpo", "m_pro_orpo"} <= steps
    assert not {"strong_ceiling", "gold_train_2"} & steps


@pytest.mark.parametrize("example", ["custom_engine"], indirect=True)
def test_the_engine_slips_as_often_as_it_says(example: ModuleType, tmp_path: Path) -> None:
    """500 samples that slip with 1/4 at temperature 1: 125 expected, standard deviation sqrt(500 * 3/16) = 9.7."""
    out = tmp_path / "responses.jsonl"
    assert example.main(str(out)).responses == 500
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    right = Counter(int(row["response"].rpartition(" ")[2]) == 3 * int(row["id"][1:]) for row in rows)
    assert abs(right[False] - 125) < 5 * 9.7
    assert [row["sample"] for row in rows[:10]] == list(range(10))


@pytest.mark.parametrize("example", ["custom_engine"], indirect=True)
def test_the_engine_keeps_what_every_engine_promises(example: ModuleType, tmp_path: Path) -> None:
    engines.TABLE["calculator"] = "custom_engine:load"
    engine = engines.load("scripted:calculator", Loading("calculator"))
    requests = [Request(f"q{n}", sample, f"What is {n} + 1 ?") for n in range(20) for sample in range(3)]
    hot, greedy = Decoding(16, temperature=1.0, seed=7), Decoding(16)
    plan = engine.plan(requests, hot)
    assert plan == engine.plan(random.Random(1).sample(requests, len(requests)), hot)
    assert sorted(r for batch in plan for r in map(requests.index, batch)) == list(range(60))
    unbroken = journal.generate(engine, requests, hot, tmp_path / "whole")
    lines = (tmp_path / "whole").read_bytes().splitlines(keepends=True)
    (tmp_path / "torn").write_bytes(b"".join(lines[:7]) + lines[7][:20])
    assert journal.generate(engine, requests, hot, tmp_path / "torn") == unbroken
    assert len({c.text for c in unbroken}) > len({c.text for c in journal.generate(engine, requests, greedy)})


def test_the_page_of_verbs_shows_what_its_commands_on_the_shipped_files_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command on `examples/files`, and after it, in a block of its own, what it prints. Figures by hand.

    grade: q3 is wrong (26 for 24), q4 has no answer, so 4 of 6; by string q2 (0.5 for 1/2) and q6 (no ####) fall out.
    compare: the weak model has 3 of 6, so +16.7 points; two questions to one, p 1.
    agree: on q1, q3 and q6, of which q3's label is wrong; q2 and q5 disagree, q4's strong text has no answer.
    pairs: q3 has 24, 26, 25, 24, 26, a vote of 0.4, and of q6 no sample differs; the others make a pair each.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(FOLDER)
    page = blocks("docs/verbs.md")
    ours = re.compile("examples/files/|w2s compare graded")
    shown = [(block, page[place + 1]) for place, block in enumerate(page) if ours.search(block)]
    assert len(shown) == 6
    for block, output in shown:
        _, *arguments = shlex.split(block.replace("\\\n", ""))
        assert cli.main(arguments) == 0
        assert capsys.readouterr().out == output
    made = {"graded.jsonl", "graded_weak.jsonl", "stage1.jsonl", "pairs.jsonl", "kept.jsonl"}
    assert {path.name for path in tmp_path.iterdir()} == {"examples", *made}


def test_what_the_page_of_verbs_says_of_answers_in_python() -> None:
    (block,) = [block for block in blocks("docs/verbs.md") if "from w2s import answers" in block]
    lines = [line for line in block.splitlines() if "  # " in line]
    found = [eval(line.partition("  # ")[0], {"answers": answers}) for line in lines]
    assert found == ["6.0", "correct", True, ["correct", "no_answer"]]  # a percent sign is no part of a value


def test_what_the_readme_does_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """The call of `run` fits its signature; the figures beside the other lines are theirs (4 of 6 are right)."""
    signature, calls = inspect.signature(w2s.run), []

    def run(*arguments: object, **options: object) -> dict[str, dict[str, dict[str, float]]]:
        calls.append(signature.bind(*arguments, **options).arguments)
        return {"models": {"m_plus": {"accuracy": 0.5}}}

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(w2s, "run", run)
    (block,) = [block for block in blocks("README.md") if block.startswith("import w2s")]
    names: dict[str, object] = {}
    exec(block, names)
    load.load(calls[0]["recipe"], calls[0]["overrides"])
    graded, compared = block.splitlines()[-2:]
    assert round(eval(graded, names), 2) == float(graded.rpartition("# ")[2])
    assert repr(eval(compared, names)).strip("'") == re.findall(r'# "(\w+)"', compared)[0]


def test_the_functions_of_the_page_on_extending_are_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its modules are written to the current folder, and each run or plan of them is planned."""
    monkeypatch.chdir(tmp_path)
    page = blocks("docs/extending.md")
    modules = {name: block for block in page for name in re.findall(r"^# (my_\w+\.py)$", block, re.MULTILINE)}
    for name, block in modules.items():
        Path(name).write_text(block)
    commands = re.findall(r"^w2s run (tiny .*my_.*)$", "".join(page), re.MULTILINE)
    assert len(modules) == len(commands) == 4
    steps = [
        {step.name: step for step in recipe.build(load.load("tiny", shlex.split(command)[1:]), planning=True)}
        for command in commands
    ]
    assert "evaluate_icl_only_ft" in steps[0] and "evaluate_m_plus" in steps[0]
    assert {"evaluate_sound_ft", "control_sound_ft"} <= steps[1].keys()
    assert steps[2]["stage1_iter1"].params.by == "my_selectors:short"
    assert {"m_pro_dpo", "m_pro_hinge"} <= steps[3].keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_files_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"(?<![\w/.-])(?:examples|docs|scripts|benchmarks|tests|src)/[\w./-]*\w", text)
    assert [name for name in named if not (ROOT / name).exists()] == []
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []
