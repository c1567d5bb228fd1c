"""Servers with /chat/completions alone: few-shot demonstrations as turns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("openai")

from openai_server import MODEL, PROBES, connected, once, running, text
from typer.testing import CliRunner

from w2s import models, seeds
from w2s.engines import journal
from w2s.engines.base import Decoding, Request
from w2s.engines.openai import NEUTRAL
from w2s.errors import UserError
from w2s.models import chat
from w2s.models.chat import TURNS
from w2s.records import Response

DECODING = Decoding(12, temperature=1.0, stop=(), seed=7)
SHOTS = [Response("s", "1+1?", " #### 2\n")]
ASKED = [Request(f"q{i}", sample, TURNS.prompt(f"{i} + é?", SHOTS)) for i in range(4) for sample in range(3)]
MESSAGES = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "#### 2"}]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def expected(request: Request) -> tuple[str, int, str]:
    words = text(request.prompt, seeds.derive(7, request.id, request.sample), 1.0).split("Question:")[0].split()
    return " ".join(words[:12]), min(len(words) + 1, 12), "length" if len(words) > 12 else "stop"


def test_demonstrations_are_turns_and_each_sample_has_its_seed() -> None:
    with running(chats=True, chat_only=True) as server, connected(server.url, chat=True) as engine:
        done = journal.generate(engine, ASKED, DECODING)
        bodies = server.asked[PROBES:]
    assert [(c.text, c.tokens, c.finish) for c in done] == [expected(request) for request in ASKED]
    assert sorted(body["seed"] for body in bodies) == sorted(seeds.derive(7, r.id, r.sample) for r in ASKED)
    turns = [*MESSAGES, {"role": "user", "content": "0 + é?"}]
    assert sum(body["messages"] == turns for body in bodies) == 3
    assert all(body.keys() == {"model", "messages", "temperature", "max_tokens", "seed"} for body in bodies)


def test_settings_that_change_something_are_sent() -> None:
    with running(chats=True, owner="vllm") as server, connected(server.url, chat=True) as engine:
        engine.run(ASKED[:1], Decoding(12, 0.5, top_p=0.9, stop=("#",)))
        assert {"top_p": 0.9, "stop": ["#"], "temperature": 0.5, **NEUTRAL}.items() <= server.asked[-1].items()


def test_what_a_host_does_not_take_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with running(chats=True, unknown=("max_tokens", "seed")) as server, connected(server.url, chat=True) as engine:
        journal.generate(engine, ASKED, DECODING)
        bodies = server.asked[PROBES + 2 :]
        assert len(bodies) == len(ASKED)
        assert all(body["max_completion_tokens"] == 12 and "seed" not in body for body in bodies)
        assert caplog.text.count("takes no seed") == 1
    with (
        running(chats=True, unknown=("temperature",)) as server,
        connected(server.url, chat=True) as engine,
        pytest.raises(UserError, match="Unsupported parameter: 'temperature'"),
    ):
        engine.run(ASKED[:1], DECODING)


def test_each_kind_of_server_names_the_other_reference() -> None:
    with (
        running() as server,
        connected(server.url, chat=True) as engine,
        pytest.raises(UserError, match=f"the model is openai:{MODEL}"),
    ):
        engine.run(ASKED[:1], DECODING)
    with (
        running(chats=True, chat_only=True) as server,
        connected(server.url) as engine,
        pytest.raises(UserError, match=f"the model is openai-chat:{MODEL}"),
    ):
        engine.run(ASKED[:1], DECODING)
    with (
        running(chats=True) as server,
        connected(server.url, chat=True, model="other") as engine,
        pytest.raises(UserError, match=f"expected: openai-chat:{MODEL}"),
    ):
        engine.run(ASKED[:1], DECODING)


@pytest.mark.parametrize("prompt", ["Question: 1+1?\nAnswer:", "[]", "7", TURNS.prompt(" "), '[{"role": "user"}]'])
def test_prompts_without_turns_are_refused(prompt: str) -> None:
    with (
        connected("http://127.0.0.1:9/v1", chat=True) as engine,
        pytest.raises(UserError, match="'odd' has no chat turns"),
    ):
        engine.plan([*ASKED, Request("odd", 0, prompt)], DECODING)


def test_faults_are_those_of_completions() -> None:
    with running(chats=True) as server, connected(server.url, chat=True) as engine:
        server.fault = once("garbage:{}", 0)
        engine.run(ASKED[:1], DECODING)
        server.fault = lambda number, body: "model:another"
        with pytest.raises(UserError, match="answered with the model 'another'"):
            engine.run(ASKED[:1], DECODING)


def test_the_model_s_kind_decides_the_builder() -> None:
    model = models.find("openai-chat:owner/name")
    assert model.identity == "openai-chat:owner/name"
    assert chat.builder("plain", model) == chat.builder("chat", model) == TURNS
    assert json.loads(TURNS.prompt(" 2+2? ", SHOTS)) == [*MESSAGES, {"role": "user", "content": "2+2?"}]
    assert TURNS.completion(" 4\n") == "4" and TURNS.stop(True) == () and len(TURNS.hash) == 64
    with pytest.raises(UserError, match="takes no options"):
        models.find("openai-chat:name#layers=0-3")


def test_sample_answers_the_questions_of_a_file(tmp_path: Path) -> None:
    questions, shots, out = tmp_path / "q.jsonl", tmp_path / "shots.jsonl", tmp_path / "out.jsonl"
    questions.write_text('{"id": "a", "question": "2+2?"}\n')
    shots.write_text('{"id": "s", "question": "1+1?", "response": "#### 2"}\n')
    with running(chats=True, chat_only=True) as server:
        from w2s.cli.verbs import app

        options = ["--task", "jsonl", "--split", str(questions), "--n", "3", "--few-shot", str(shots)]
        options += ["--engine", "openai", "--model", f"openai-chat:{MODEL}", "--server", server.url]
        result = CliRunner().invoke(app, ["sample", *options, "--out", str(out)])
        assert result.exit_code == 0, result.output
        assert server.asked[-1]["messages"] == [*MESSAGES, {"role": "user", "content": "2+2?"}]
    assert len(out.read_text().splitlines()) == 3
