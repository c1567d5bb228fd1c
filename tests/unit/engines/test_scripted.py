from __future__ import annotations

import pytest

from w2s import engines
from w2s.engines.base import Completion, Decoding, Loading, Request
from w2s.engines.scripted import ScriptedEngine
from w2s.errors import UserError


def shout(request: Request, decoding: Decoding) -> str:
    return request.prompt.upper()


def _one(engine: ScriptedEngine, sample: int = 0, **decoding) -> Completion:
    return engine.run([Request("q", sample, "p")], Decoding(**({"max_new_tokens": 9} | decoding)))[0]


def test_a_table_answers_by_id_and_sample() -> None:
    engine = ScriptedEngine({"q": ["one two", "three"]})
    assert [_one(engine, sample).text for sample in range(3)] == ["one two", "three", "one two"]
    with pytest.raises(UserError, match="no text for question 'r'"):
        engine.run([Request("r", 0, "p")], Decoding(9))


def test_text_is_cut_as_by_a_real_engine() -> None:
    engine = ScriptedEngine({"q": [" a\nb c Question: d"]})
    assert _one(engine) == Completion("q", 0, "a\nb c", 3, "stop")
    assert _one(engine, max_new_tokens=2) == Completion("q", 0, "a\nb", 2, "length")


def test_a_function_is_found_by_reference(monkeypatch, tmp_path) -> None:
    (tmp_path / "my_script.py").write_text("def shout(request, decoding):\n    return request.prompt.upper()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    engine = engines.load("scripted:my_script:shout", Loading("scripted"))
    assert engine.run([Request("q", 0, "abc")], Decoding(9))[0].text == "ABC"


@pytest.mark.parametrize(
    ("reference", "message"),
    [("a/folder", "scripted:module:function"), ("scripted:json:nothing", "no function of json is called 'nothing'")],
)
def test_a_wrong_reference_is_the_users_error(reference: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        engines.load(reference, Loading("scripted"))


def test_an_unknown_engine_is_the_users_error() -> None:
    with pytest.raises(UserError, match="no engine is called 'vlm' \\(did you mean 'vllm'"):
        engines.load("m", Loading("vlm"))
