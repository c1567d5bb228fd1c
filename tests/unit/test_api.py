"""The Python API: the verbs as functions, with docstrings that stand alone, and an import that loads nothing heavy."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import w2s
from w2s.data import jsonl

VERBS = ("run", "plan", "report", "compare", "status", "sample", "grade", "agree", "pairs", "select", "train")
FILES = Path(__file__).resolve().parents[2] / "examples" / "files"


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "numpy", "sympy", "ray", "pydantic", "typer")
    code = f"import sys, w2s; print([name for name in {heavy} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(Path(w2s.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("verb", VERBS)
def test_a_docstring_names_every_parameter_and_what_is_raised(verb: str) -> None:
    function = getattr(w2s, verb)
    text = inspect.getdoc(function) or ""
    parameters = [name for name in inspect.signature(function).parameters if name not in ("out", "folder")]
    assert all(f"    {name}:" in text for name in parameters if len(parameters) > 1), verb
    assert "Raises:\n    UserError:" in text
    assert verb in w2s.__all__


def test_answers_are_there_without_an_import_of_their_own() -> None:
    assert w2s.answers.grade("6.0", "6") == "correct"
    with pytest.raises(AttributeError, match="no attribute 'answer'"):
        w2s.answer  # noqa: B018


def test_the_verbs_on_files(tmp_path: Path) -> None:
    """The figures of docs/verbs.md: 4 of 6 right, 3 of 6 kept, pairs of 4 of 6."""
    weak, strong, samples, gold = (FILES / f"{name}.jsonl" for name in ("weak", "strong", "samples", "gold"))
    graded = w2s.grade(gold, strong, tmp_path / "graded.jsonl", task="gsm8k")
    assert (graded.correct, graded.n) == (4, 6) and (tmp_path / "graded.jsonl").exists()
    agreed = w2s.agree(weak, strong, tmp_path / "agreed.jsonl", task="gsm8k", gold=gold, layout="w2s")
    assert (agreed.kept, agreed.of) == (3, 6)
    paired = w2s.pairs(weak, samples, tmp_path / "pairs.jsonl", task="gsm8k", confidence=0.6, max_pairs=2)
    assert (paired.kept, paired.of) == (4, 6)
    rows = [row for _, row in jsonl.read(tmp_path / "pairs.jsonl")]
    assert {row["confidence"] >= 0.6 for row in rows} == {True}


def test_a_model_without_weights_answers_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "echo_model.py").write_text("def say(request, decoding):\n    return f'#### {request.sample}'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    jsonl.write(tmp_path / "q.jsonl", [{"id": "a", "question": "1?"}])
    done = w2s.sample("scripted:echo_model:say", "jsonl", str(tmp_path / "q.jsonl"), tmp_path / "r.jsonl", n=2,
                      engine="scripted")  # fmt: skip
    assert done.responses == 2
    assert [row["response"] for _, row in jsonl.read(tmp_path / "r.jsonl")] == ["#### 0", "#### 1"]


def test_a_plan_says_what_would_run_and_writes_nothing(tmp_path: Path) -> None:
    plan = w2s.plan("tiny", "stage1_iterations=1", "preference.losses=[]", out=tmp_path / "none", limit=5)
    names = [step.name for step in plan.steps]
    assert {step.decision for step in plan.steps} == {"run"}
    assert "m_plus" in names and not any("iter2" in name or "m_pro" in name for name in names)
    assert not (tmp_path / "none").exists()
    assert plan.as_dict()["overlap"]["policy"] == "refuse"


def test_what_cannot_be_used_is_a_user_s_error(tmp_path: Path) -> None:
    with pytest.raises(w2s.UserError, match="holds no run"):
        w2s.report(tmp_path)
    with pytest.raises(w2s.UserError, match="no preset is called 'tny'"):
        w2s.run("tny")
