from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from w2s import answers, cli, tasks, verbs
from w2s.config import choices, load
from w2s.errors import UserError
from w2s.verbs import sampling


def write(path: Path, *rows: dict) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "source", "overrides"),
    [
        ([], "tiny", []),
        (["seed=1"], "tiny", ["seed=1"]),
        (["gsm8k-local", "task.test=a.jsonl"], "gsm8k-local", ["task.test=a.jsonl"]),
        (["seed=1", "mine.yaml"], "mine.yaml", ["seed=1"]),
    ],
)
def test_an_argument_with_an_equals_sign_is_an_override(arguments, source, overrides):
    assert load.split_arguments(arguments) == (source, overrides)


def test_two_presets_are_one_too_many():
    with pytest.raises(UserError, match="'other' is one argument too many"):
        load.split_arguments(["tiny", "other"])


def test_the_short_options_win_over_overrides(monkeypatch):
    import w2s.recipe
    from w2s.steps import settings

    monkeypatch.setattr(w2s.recipe, "build", lambda run, planning: [settings.step(run)])
    prepared = w2s.recipe.prepare("tiny", ["seed=1"], limit=7, seed=2)
    loaded, folder, steps = prepared.run, prepared.folder, prepared.steps
    assert (loaded.recipe.seed, loaded.recipe.limit, folder) == (2, 7, Path("runs/tiny-limit-7"))
    assert [step.name for step in steps] == ["recipe"]


def test_the_recipe_file_of_a_run_can_be_run_again(tmp_path, monkeypatch):
    import w2s.recipe
    from w2s.config import load
    from w2s.flow import runner
    from w2s.steps import settings

    monkeypatch.setattr(w2s.recipe, "build", lambda run, planning: [settings.step(run)])
    prepared = w2s.recipe.prepare("tiny", ["training.epochs=2"], seed=5)
    loaded, steps = prepared.run, prepared.steps
    runner.run(steps, tmp_path, loaded.runtime)
    assert load.load(f"{tmp_path}/recipe.yaml") == loaded


def test_a_plan_says_that_another_seed_replaces_the_run_in_the_folder(tmp_path, monkeypatch):
    import w2s.recipe
    from w2s.flow import decisions, runner
    from w2s.steps import settings

    monkeypatch.setattr(w2s.recipe, "build", lambda run, planning: [settings.step(run)])
    prepared = w2s.recipe.prepare("tiny", seed=5)
    loaded, steps = prepared.run, prepared.steps
    runner.run(steps, tmp_path, loaded.runtime)
    planned = decisions.plan(w2s.recipe.prepare("tiny", seed=6).steps, tmp_path)
    assert [(step.decision, step.reason) for step in planned] == [("rerun", "recipe.seed changed from 5 to 6")]


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "run --nonsense",
        "run no-such-preset",
        "run tiny traning.epochs=2",
        "run --limit 0",
        "report no/such/folder",
        "sample --model w2s:tiny-weak",
        "sample --model w2s:tiny-weak --task arith --split test --out o.jsonl --limit 1 --prompt chat",
        "sample --model openai:x --task arith --split test --out o.jsonl --limit 1 --prompt chat --engine openai",
        "grade --task arith --gold none.jsonl --responses none.jsonl",
        "agree --task arith --weak a --strong b --out c --match almost",
        "sample --model x/y --task sums --split test --out o.jsonl",
        "sample --model x/y --task arith --split tset --out o.jsonl",
        "tasks arith",
        "tasks --out folder",
        "tasks sums --out folder",
        "tasks jsonl --out folder",
        "presets tny",
    ],
)
def test_a_user_error_is_2_without_a_traceback(line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(line.split()) == 2
    captured = capsys.readouterr()
    assert captured.err.strip()
    assert "Traceback" not in captured.err
    assert not list(tmp_path.iterdir())


def test_a_failure_of_ours_is_1_with_its_traceback(capsys, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(verbs, "grade", broken)
    assert cli.main(["grade", "--task", "arith", "--gold", "g", "--responses", "r"]) == 1
    error = capsys.readouterr().err
    assert "Traceback" in error
    assert "w2s failed: ZeroDivisionError: by zero" in error


def test_grade_prints_the_accuracy_and_writes_verdicts(tmp_path, capsys):
    gold = write(tmp_path / "gold.jsonl", {"id": 1, "answer": "4"}, {"id": 2, "answer": "5"})
    given = write(
        tmp_path / "responses.jsonl",
        {"id": 1, "question": "2+2?", "response": "#### 4"},
        {"id": 2, "question": "2+3?", "response": "#### 6"},
    )
    out = tmp_path / "graded.jsonl"
    code = cli.main(["grade", "--task", "arith", "--gold", gold, "--responses", given, "--out", str(out)])
    assert code == 0
    assert "50.00%" in capsys.readouterr().out
    assert [json.loads(line)["verdict"] for line in out.read_text().splitlines()] == ["correct", "wrong"]


def test_rows_on_standard_output_are_rows_only(tmp_path, capsys):
    rows = [{"id": i, "question": f"{i}+0?", "response": f"#### {i}"} for i in range(3)]
    weak = write(tmp_path / "w.jsonl", *rows)
    strong = write(tmp_path / "s.jsonl", *(row | {"by": "strong"} for row in rows))
    assert cli.main(["agree", "--task", "arith", "--weak", weak, "--strong", strong, "--out", "-"]) == 0
    captured = capsys.readouterr()
    assert [json.loads(line)["source"] for line in captured.out.splitlines()] == ["weak", "icl"] * 3
    assert "kept 3 of 3" in captured.err


def test_a_summary_as_json_goes_where_the_rows_do_not(tmp_path, capsys):
    rows = [{"id": i, "question": f"{i}+0?", "response": f"#### {i}", "sample": 0} for i in range(3)]
    file, other, gold = (
        write(tmp_path / "r.jsonl", *rows),
        write(tmp_path / "other.jsonl", *(row | {"by": "other"} for row in rows)),
        write(tmp_path / "g.jsonl", *({"id": i, "answer": "1"} for i in range(3))),
    )
    grade = ["grade", "--task", "arith", "--gold", gold, "--responses", file, "--json"]
    assert cli.main(grade) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["correct"], summary["n"], summary["match"], summary["notes"]) == (1, 3, "equivalent", [])
    assert cli.main([*grade, "--out", "-"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.err) == summary and len(captured.out.splitlines()) == 3
    agree = [
        "agree",
        "--task",
        "arith",
        "--weak",
        file,
        "--strong",
        other,
        "--out",
        str(tmp_path / "h"),
        "--gold",
        gold,
    ]
    assert cli.main([*agree, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["kept"], summary["coverage"], summary["quality"]["correct"]) == (3, 1.0, 1)
    pairs = [
        "pairs",
        "--task",
        "arith",
        "--weak",
        file,
        "--samples",
        other,
        "--out",
        str(tmp_path / "p"),
        "--gold",
        gold,
    ]
    assert cli.main([*pairs, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["dropped"] == {"all_samples_agree": 3}
    assert summary["quality"]["precision"] is None  # not NaN, which JSON does not have


def test_a_preference_file_is_refused_with_a_cure(tmp_path, capsys):
    file = write(tmp_path / "r.jsonl", {"prompt": "p", "chosen": "a", "rejected": "b"})
    gold = write(tmp_path / "g.jsonl", {"id": 1, "answer": "1"})
    assert cli.main(["grade", "--task", "arith", "--gold", gold, "--responses", file]) == 2
    assert "r.jsonl:1 [chosen]: the row is a preference pair" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["tasks", "presets", "doctor"])
def test_lists_name_what_they_list(verb, capsys):
    assert cli.main([verb]) == 0
    assert {"tasks": "gsm8k", "presets": "tiny", "doctor": "pydantic"}[verb] in capsys.readouterr().out


def test_version(capsys):
    from w2s import __version__

    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"w2s {__version__}"


@pytest.mark.parametrize(
    ("verb", "option", "words"),
    [
        ("grade", "match", choices.Match),
        ("grade", "scoring", choices.Scoring),
        ("agree", "join", choices.Join),
        ("pairs", "layout", choices.Layout),
        ("sample", "prompt", choices.Prompt),
    ],
)
def test_an_option_offers_the_words_of_the_one_definition(verb, option, words, capsys):
    assert cli.main([verb, "--help"]) == 0
    offered = capsys.readouterr().out.partition(f"--{option} ")[2]
    assert offered.lstrip()[1:].startswith("|".join(get_args(words)))


def test_tasks_lists_tasks_and_answer_styles(capsys):
    assert cli.main(["tasks"]) == 0
    words = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert words == [*tasks.names(), *get_args(answers.Style)[:2], "olympicarena", "number", "text"]


def test_a_preset_is_printed_with_the_sources_of_its_values(capsys):
    assert cli.main(["presets", "tiny"]) == 0
    assert capsys.readouterr().out == (Path(load.__file__).parent / "presets" / "tiny.yaml").read_text(encoding="utf-8")


def test_responses_to_a_built_in_task_can_be_graded(tmp_path, capsys):
    """The gold of `w2s tasks` is that of the questions `w2s sample` asks: of three, the last is answered wrongly."""
    assert cli.main(["tasks", "arith", "--out", str(tmp_path / "arith"), "--limit", "3"]) == 0
    assert "gold_test.jsonl: 3 answers" in capsys.readouterr().out
    gold = tmp_path / "arith" / "gold_test.jsonl"
    said = [json.loads(line)["solution"] for line in gold.read_text().splitlines()]
    asked = sampling.questions("arith", "test", 3)
    rows = [
        {"id": question.id, "question": question.question, "response": text}
        for question, text in zip(asked, [*said[:2], "#### -1"], strict=True)
    ]
    given = write(tmp_path / "r.jsonl", *rows)
    assert cli.main(["grade", "--task", "arith", "--gold", str(gold), "--responses", given]) == 0
    assert "66.67%" in capsys.readouterr().out
