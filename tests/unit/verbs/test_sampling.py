from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from w2s import cli
from w2s.engines.base import Decoding
from w2s.errors import UserError
from w2s.models import parity
from w2s.models.chat import Chat
from w2s.prompting import PLAIN
from w2s.records import Question, Response
from w2s.verbs import sampling

QUESTIONS = [Question("a", "1+1?"), Question("b", "2+2?")]


def test_arith_splits_are_as_large_as_asked_for():
    found = sampling.questions("arith", "validation", 40)
    assert len(found) == 40
    assert not {q.question for q in found} & {q.question for q in sampling.questions("arith", "test", 40)}


def test_a_file_can_be_the_split(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"id": 7, "question": "1+1?", "answer": "2"}\n{"id": 8, "question": "2+2?"}\n')
    assert sampling.questions("jsonl", str(path)) == [Question("7", "1+1?"), Question("8", "2+2?")]
    assert len(sampling.questions("jsonl", str(path), limit=1)) == 1


def test_an_unknown_task_is_refused():
    with pytest.raises(UserError, match="no task is called 'sums'"):
        sampling.questions("sums", "test")


def test_demonstrations_keep_the_order_of_the_file(tmp_path):
    path = tmp_path / "shots.jsonl"
    path.write_text("".join(json.dumps({"id": i, "question": f"q{i}", "response": f"r{i}"}) + "\n" for i in (2, 1)))
    assert [shot.response for shot in sampling.demonstrations(path)] == ["r2", "r1"]
    path.write_text("")
    with pytest.raises(UserError, match="has no rows"):
        sampling.demonstrations(path)


def test_several_greedy_texts_are_refused(tmp_path):
    with pytest.raises(UserError, match="greedy"):
        sampling.sample(QUESTIONS, str(tmp_path / "o.jsonl"), model="none", n=2, decoding=Decoding(8))


class Engine:
    """Answers with the prompt's length and the sample; fails after `batches` batches."""

    def __init__(self, batches: int = 99) -> None:
        from w2s.engines.scripted import ScriptedEngine

        self._inner = ScriptedEngine(lambda request, decoding: f"{len(request.prompt)} {request.sample}")
        self._left = batches

    def plan(self, requests, decoding):
        return [[request] for request in requests]

    def run(self, batch, decoding):
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        return self._inner.run(batch, decoding)

    def close(self):
        pass


@pytest.fixture
def use(monkeypatch):
    """Makes `sample` use an engine."""
    monkeypatch.setattr(sampling.models, "identify", lambda *_, **__: "one")

    def use(engine):
        monkeypatch.setattr(sampling.engines, "load", lambda *_, **__: engine)

    return use


def test_rows_follow_the_contract(tmp_path, use):
    use(Engine())
    out = tmp_path / "o.jsonl"
    made = sampling.sample(QUESTIONS, str(out), model="m", n=2, decoding=Decoding(8, temperature=1.0))
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["id"], row["sample"]) for row in rows] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert rows[0]["question"] == "1+1?"
    assert [(row["tokens"], row["cut"]) for row in rows] == [(2, False)] * 4
    assert made.responses == 4
    made = sampling.sample(QUESTIONS, str(out), model="m", n=2, decoding=Decoding(1, temperature=1.0))
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["tokens"], row["cut"]) for row in rows] == [(1, True)] * 4 and made.cut_off == 4
    sampling.sample(QUESTIONS, str(out), model="m", n=1, decoding=Decoding(8))
    assert "sample" not in json.loads(out.read_text().splitlines()[0])


def test_demonstrations_stand_before_the_question(tmp_path, use):
    use(Engine())

    def shown_prompt(question):
        return PLAIN.prompt(question, [Response("x", "0+0?", "#### 0")])

    plain, shown = tmp_path / "plain.jsonl", tmp_path / "shown.jsonl"
    sampling.sample(QUESTIONS, str(plain), model="m", n=1, decoding=Decoding(8))
    sampling.sample(QUESTIONS, str(shown), model="m", n=1, decoding=Decoding(8), prompt=shown_prompt)
    lengths = [int(json.loads(path.read_text().splitlines()[0])["response"].split()[0]) for path in (plain, shown)]
    assert lengths[1] - lengths[0] == len("Question: 0+0?\nAnswer: #### 0\n\n")


def test_stopped_half_way_it_goes_on_and_leaves_nothing_behind(tmp_path, use):
    whole, broken = tmp_path / "whole" / "o.jsonl", tmp_path / "broken" / "o.jsonl"
    decoding = Decoding(8, temperature=1.0)
    use(Engine())
    sampling.sample(QUESTIONS, str(whole), model="m", n=2, decoding=decoding)
    use(Engine(batches=3))
    with pytest.raises(KeyboardInterrupt):
        sampling.sample(QUESTIONS, str(broken), model="m", n=2, decoding=decoding)
    assert not broken.exists()
    use(Engine(batches=1))  # only one batch is left to do
    sampling.sample(QUESTIONS, str(broken), model="m", n=2, decoding=decoding)
    assert broken.read_bytes() == whole.read_bytes()
    assert [path.name for path in broken.parent.iterdir()] == ["o.jsonl"]


def test_an_unknown_split_is_refused():
    with pytest.raises(UserError, match="tset"):
        sampling.questions("arith", "tset")


def test_equal_seeds_are_equal():
    assert sampling.step_seed(1) == sampling.step_seed(1) != sampling.step_seed(2)


def test_prompts_are_those_of_the_builder(tmp_path, use):
    use(Engine())
    chat = Chat("{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{{ '[assistant]' if "
                "add_generation_prompt }}", {"eos_token": "</s>"})  # fmt: skip
    out = tmp_path / "o.jsonl"
    shots = [Response("x", "0+0?", "#### 0")]
    prompt = partial(chat.prompt, demonstrations=shots)
    sampling.sample(QUESTIONS, str(out), model="m", n=1, decoding=Decoding(8), prompt=prompt)
    length = len("[user]0+0?[assistant]#### 0[user]1+1?[assistant]")
    assert json.loads(out.read_text().splitlines()[0])["response"] == f"{length} 0"


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize("skip", ["--no-check", "--no-canary"])
def test_a_model_that_differs_from_what_was_trained_is_used_with_no_check_only(tmp_path, use, capsys, skip):
    use(Engine())
    parity.write(parity.Parity(16, 0.5, ("Question: 1+1?",), ("two",), ("one",)), made(tmp_path / "model"))
    (tmp_path / "asked.jsonl").write_text('{"id": "a", "question": "1+1?"}\n')
    arguments = [
        "sample",
        "--model",
        str(tmp_path / "model"),
        "--task",
        "jsonl",
        "--split",
        str(tmp_path / "asked.jsonl"),
    ]
    out = tmp_path / "o.jsonl"
    assert cli.main([*arguments, "--out", str(out), "--n", "1"]) == 2
    assert "w2s sample: --no-check" in capsys.readouterr().err and not out.exists()
    assert cli.main([*arguments, "--out", str(out), "--n", "1", skip]) == 0
    assert len(out.read_text().splitlines()) == 1


def test_too_little_memory_in_the_check_is_one_message(tmp_path, use, capsys):
    """vLLM loads the weights at the first batch, which is that of the check."""

    class Full(Engine):
        def run(self, batch, decoding):
            raise MemoryError("out of memory")

    use(Full())
    parity.write(parity.Parity(16, 0.5, ("Question: 1+1?",), ("two",), ("one",)), made(tmp_path / "model"))
    (tmp_path / "asked.jsonl").write_text('{"id": "a", "question": "1+1?"}\n')
    arguments = [
        "--model",
        str(tmp_path / "model"),
        "--task",
        "jsonl",
        "--split",
        str(tmp_path / "asked.jsonl"),
        "--n",
        "1",
    ]
    assert cli.main(["sample", *arguments, "--out", str(tmp_path / "o.jsonl")]) == 2
    assert sampling.HINT in capsys.readouterr().err
