"""No verb writes over one of its inputs, whatever names it: nothing is read, and nothing changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from response_files import again, written

import w2s
from w2s import cli
from w2s.errors import UserError
from w2s.verbs.inputs import refuse_overwriting

BAD = "no row: whoever reads it says so\n"
VERBS = {
    "grade": ["--gold", "--responses"],
    "agree": ["--weak", "--strong", "--gold", "--samples"],
    "pairs": ["--weak", "--samples", "--gold"],
    "sample": ["--few-shot", "--split"],
}
REST = {
    "grade": [],
    "agree": ["--augment-to", "9"],
    "pairs": [],
    "sample": ["--model", "w2s:tiny-weak"],
}


def by_name(file: Path) -> Path:
    return file


def by_another_path(file: Path) -> Path:
    return file.parent / "deep" / ".." / file.name


def by_symlink(file: Path) -> Path:
    link = file.with_name("link")
    link.symlink_to(file.name)
    return link


def by_hard_link(file: Path) -> Path:
    os.link(file, file.with_name("link"))
    return file.with_name("link")


@pytest.mark.parametrize("way", [by_name, by_another_path, by_symlink, by_hard_link])
@pytest.mark.parametrize(("verb", "option"), [(verb, option) for verb in VERBS for option in VERBS[verb]])
def test_an_output_that_is_an_input_is_refused(
    verb: str, option: str, way: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "deep").mkdir()
    arguments = [verb, "--task", "jsonl" if verb == "sample" else "gsm8k", *REST[verb]]
    for name in VERBS[verb]:
        file = tmp_path / f"{name.strip('-')}.jsonl"
        file.write_text(BAD)
        arguments += [name, str(file)]
    target = tmp_path / f"{option.strip('-')}.jsonl"
    assert cli.main([*arguments, "--out", str(way(target))]) == 2
    error = capsys.readouterr().err
    assert f"would be written over {option} {target}" in error and "[--out]" in error
    assert target.read_text() == BAD and not list(tmp_path.glob(".*"))


def test_a_model_is_an_input_too(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(Path(w2s.__file__).parent / "assets" / "tiny-weak", tmp_path / "model"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (tmp_path / "link.jsonl").symlink_to(folder / "model.safetensors")
    for out in (folder / "config.json", folder / "new.json", folder, tmp_path / "link.jsonl"):
        with pytest.raises(UserError, match="would be written over --model"):
            w2s.sample(str(folder), "arith", "test", out, limit=1)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    refuse_overwriting(folder / "answers.jsonl", {"--model": folder})


def test_a_file_behind_standard_input_or_output_is_that_file(tmp_path: Path) -> None:
    file, gold = tmp_path / "responses.jsonl", tmp_path / "gold.jsonl"
    rows = '{"id": 1, "question": "2+2?", "response": "#### 4"}\n'
    file.write_text(rows)
    gold.write_text('{"id": 1, "answer": "4"}\n')
    command = [sys.executable, "-m", "w2s", "grade", "--task", "gsm8k", "--gold", str(gold)]
    with open(file) as stream:
        done = subprocess.run(
            [*command, "--responses", "-", "--out", str(file)], stdin=stream, capture_output=True, text=True
        )
    assert done.returncode == 2 and "would be written over --responses -" in done.stderr
    with open(file, "a") as stream:  # a shell's `>>`: the verb would read its own rows without end
        done = subprocess.run(
            [*command, "--responses", str(file), "--out", "-"], stdout=stream, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2 and "would be written over --responses" in done.stderr
    assert file.read_text() == rows


def test_what_is_no_file_is_no_input(tmp_path: Path) -> None:
    """Devices, files that are not there, and no output."""
    refuse_overwriting("/dev/null", {"--weak": "/dev/zero"})
    refuse_overwriting(tmp_path / "out", {"--weak": tmp_path / "none", "--gold": None, "--samples": "-"})
    refuse_overwriting(None, {"--weak": tmp_path})
    refuse_overwriting("-", {"--weak": "-"})


def test_a_task_is_not_written_into_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("W2S_WORD_PROBLEMS", str(tmp_path))
    with pytest.raises(UserError, match="would be written over the task's own folder"):
        w2s.verbs.write_task("word_problems", tmp_path)


def copied(file: Path) -> Path:
    return Path(shutil.copy(file, file.with_name("copy.jsonl")))


@pytest.mark.parametrize("way", [by_name, by_another_path, by_symlink, by_hard_link, copied])
def test_one_file_is_not_two_sources_of_answers(tmp_path: Path, way: Callable[[Path], Path]) -> None:
    """Of `agree`, `pairs` and `select`: each two of their sources. Another column makes another file."""
    said = written(tmp_path / "said.jsonl", {"id": 1, "question": "?", "response": "#### 5"})
    (tmp_path / "deep").mkdir()
    same, other, out = way(said), again(said), tmp_path / "out.jsonl"
    task: dict[str, Any] = {"task": "gsm8k"}
    found = "has the content of {0} .*said.jsonl" if way is copied else "is the file of {0} again"
    calls: list[tuple[str, str, Callable[[], object]]] = [
        ("--weak", "--strong", lambda: w2s.agree(said, same, out, **task)),
        ("--weak", "--samples", lambda: w2s.agree(said, other, out, samples=same, augment_to=9, **task)),
        ("--weak", "--samples", lambda: w2s.pairs(said, same, out, **task)),
        ("--answers a", "--answers b", lambda: w2s.select({"a": said, "b": same}, out, **task)),
        ("--answers a", "--samples", lambda: w2s.select({"a": said}, out, samples=same, **task)),
    ]
    for first, second, call in calls:
        with pytest.raises(UserError, match=rf"\[{second}\]: {found.format(first)}(.|\n)*answers of two models"):
            call()
        assert not out.exists()
    assert w2s.agree(said, other, out, **task).kept == 1


def test_a_column_that_no_file_has_is_refused(tmp_path: Path) -> None:
    """A mistyped name would else be passed over, and another column of the file read in its place."""
    gold, said = tmp_path / "gold.jsonl", tmp_path / "said.jsonl"
    gold.write_text('{"id": 1, "answer": "5"}\n')
    said.write_text('{"id": 1, "question": "?", "response": "#### 5", "gen": "#### 6"}\n')
    other = again(said)
    out, says = tmp_path / "out.jsonl", r"\[--column response\]: no column is called 'genn' in .*said(.|\n)*: .*gen"
    calls: list[Callable[[dict[str, str]], object]] = [
        lambda columns: w2s.grade(gold, said, out, task="gsm8k", columns=columns),
        lambda columns: w2s.agree(said, other, out, task="gsm8k", columns=columns),
        lambda columns: w2s.pairs(said, other, out, task="gsm8k", columns=columns),
        lambda columns: w2s.select({"a": said}, out, task="gsm8k", samples=other, by="vote", columns=columns),
    ]
    for call in calls:
        with pytest.raises(UserError, match=says):
            call({"response": "genn"})
    assert not out.exists()
    assert w2s.grade(gold, said, task="gsm8k", columns={"response": "gen"}).accuracy == 0
    assert w2s.grade(gold, said, task="gsm8k", columns={"answer": "answer"}).accuracy == 1  # one file has it
