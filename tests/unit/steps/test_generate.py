"""Generation steps with a scripted engine: all samples, or only those that decide."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from step_params import params_of

from w2s import seeds
from w2s.answers.workers import pool
from w2s.config.schema import Runtime
from w2s.data import jsonl
from w2s.engines import journal
from w2s.engines.base import Decoding, Loading, Request
from w2s.engines.scripted import ScriptedEngine
from w2s.errors import BranchEnds, UserError
from w2s.flow.step import Context
from w2s.models.chat import Chat
from w2s.prompting import PLAIN, Builder
from w2s.records import Response
from w2s.steps import generate, io, launch, select
from w2s.steps.params import Resources

PARAMS = {
    "engine": "scripted", "dtype": "float32", "trust_remote_code": False, "max_new_tokens": 20, "temperature": 1.0,
    "top_p": 1.0, "stop": (), "seed": 7, "n": 10, "style": "gsm8k", "match": "equivalent", "prompt": "",
}  # fmt: skip
RULE = {"confidence": 0.6, "reject_confidence": 0.8, "max_pairs": 1}
QUESTIONS = [f"q{number}" for number in range(60)]


def sampled(request: Request, decoding: Decoding) -> str:
    """Question k says 1 with probability (k mod 11) / 10, else 2, 3, 4 or nothing."""
    draw = random.Random(seeds.derive(decoding.seed, request.id, request.sample))
    if draw.random() < int(request.id[1:]) % 11 / 10:
        return f"Sum {request.sample} #### 1"
    return draw.choice(["no idea", "#### 2", "#### 2.0", "#### 3", "#### 4", ""])


class Counting(ScriptedEngine):
    """Remembers what it ran, and can be killed after so many batches."""

    def __init__(self, batches: int = 10**6) -> None:
        super().__init__(sampled)
        self.ran: list[Request] = []
        self.left = batches

    def run(self, batch: Any, decoding: Decoding) -> Any:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        self.ran += batch
        return super().run(batch, decoding)


class OnGpu(Counting):
    def device_memory(self) -> int:
        return 2**30


Run = Callable[..., tuple[dict[str, Any], list[Response]]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a step that generates: its result and its responses. Weak answers say 1 (even), 2 or nothing (fifths)."""
    questions, weak = tmp_path / "questions.jsonl", tmp_path / "weak.jsonl"
    jsonl.write(questions, ({"id": id, "question": f"{id}?"} for id in QUESTIONS))
    says = ["#### 1" if k % 2 == 0 else "#### 2" if k % 5 else "well" for k in range(len(QUESTIONS))]
    io.write_responses(weak, [Response(id, f"{id}?", text) for id, text in zip(QUESTIONS, says, strict=True)])

    def call(
        step: Any,
        name: str,
        engine: ScriptedEngine,
        against: bool = True,
        progress: Any = None,
        builder: Builder = PLAIN,
        shots: Path | None = None,
        **params: Any,
    ) -> Any:
        monkeypatch.setattr(launch, "engine", lambda *_, **__: engine)
        (tmp_path / name).mkdir(exist_ok=True)
        inputs = {"questions": questions, "weak": weak} if against else {"questions": questions}
        if shots is not None:
            inputs["demonstrations"] = shots
        out = tmp_path / f"{name}.jsonl"
        context = Context(
            params=params_of(step, PARAMS | (RULE if against else {}) | params),
            inputs=inputs,
            results={},
            output=out,
            scratch=tmp_path / name,
            runtime=Runtime(),
            progress=progress or (lambda done, total, tokens=0: None),
            resources=Resources(builder, model="scripted"),
        )
        return step(context), io.read_responses(out)

    return call


def stage2(
    tmp_path: Path, samples: str, builder: Builder = PLAIN, **params: Any
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    out = tmp_path / f"pairs-{samples}"
    context = Context(
        params=params_of(select.build_pairs, PARAMS | RULE | {"n": None} | params),
        inputs={"weak": tmp_path / "weak.jsonl", "samples": tmp_path / samples},
        results={},
        output=out,
        scratch=tmp_path,
        runtime=Runtime(),
        progress=lambda done, total, tokens=0: None,
        resources=Resources(builder),
    )
    return select.build_pairs(context), [row for _, row in jsonl.read(out)]


def test_the_record_has_the_memory_of_a_gpu_where_there_is_one(run: Run) -> None:
    on_cpu, responses = run(generate.answer, "cpu", Counting())
    on_gpu, same = run(generate.answer, "gpu", OnGpu())
    assert "device_memory" not in on_cpu and on_gpu["device_memory"] == 2**30
    assert set(on_gpu) == {*on_cpu, "device_memory"} and same == responses


@pytest.mark.parametrize("max_pairs", [1, 3])
def test_the_pairs_are_those_of_all_samples(run: Run, tmp_path: Path, max_pairs: int) -> None:
    everything, full = run(generate.answer, "full", Counting())
    engine = Counting()
    spared, some = run(generate.answer_until_settled, "some", engine, max_pairs=max_pairs)
    texts = [{(r.id, r.sample): r.response for r in side} for side in (some, full)]
    assert texts[0].items() < texts[1].items()  # each text is the one that its (question, sample) has with all samples
    assert len(engine.ran) == len(some) == spared["of"] < spared["of_all"] == everything["of"] == 600
    assert spared["tokens"] < everything["tokens"] and spared["waves"] > 1
    result, pairs = stage2(tmp_path, "some.jsonl", n=10, max_pairs=max_pairs)
    expected, all_pairs = stage2(tmp_path, "full.jsonl", max_pairs=max_pairs)
    for field in ("kept", "of", "pairs", "weak_chosen", "weak_rejected"):
        assert result[field] == expected[field] > 0
    assert sum(result["dropped"].values()) == sum(expected["dropped"].values())
    assert result["dropped"]["all_samples_agree"] == expected["dropped"]["all_samples_agree"]
    assert [(row["id"], row["weak_role"]) for row in pairs] == [(row["id"], row["weak_role"]) for row in all_pairs]
    bounds = [(row["confidence"], row.get("confidence_most", row["confidence"])) for row in pairs]
    exact = [row["confidence"] for row in all_pairs]
    assert all(low <= share <= high for (low, high), share in zip(bounds, exact, strict=True))
    assert any(low < high for low, high in bounds) and not any("confidence_most" in row for row in all_pairs)


def test_no_sample_is_drawn_that_could_have_been_spared(run: Run) -> None:
    """Without its last sample each question would be open, unless the first wave settled it (ten: waves of one)."""
    from w2s.answers import AnswerRule, answered
    from w2s.method.early_stopping import least, settled
    from w2s.method.voting import PairRule

    _, some = run(generate.answer_until_settled, "some", Counting())
    rule, reading = PairRule(0.6, 0.8, 1), AnswerRule("gsm8k")
    for number, id in enumerate(QUESTIONS):
        drawn = [answered(response, reading) for response in some if response.id == id]
        key = "1" if number % 2 == 0 else "2" if number % 5 else None
        weak = answered(Response(id, "", f"#### {key}" if key else "hm"), reading)
        assert settled(drawn, 10, weak, rule) is not None
        assert len(drawn) == least(10, rule, key is not None) or settled(drawn[:-1], 10, weak, rule) is None


def test_the_control_s_votes_are_those_of_all_samples(run: Run, tmp_path: Path) -> None:
    written = {}
    for name, step in (("full", generate.answer), ("some", generate.answer_until_settled)):
        result, _ = run(step, name, Counting(), against=False)
        written[name] = (tmp_path / f"majority-{name}", result["of"])
        select.majority(
            Context(
                params=params_of(select.majority, PARAMS),
                inputs={"samples": tmp_path / f"{name}.jsonl"},
                results={},
                output=written[name][0],
                scratch=tmp_path,
                runtime=Runtime(),
                progress=lambda done, total, tokens=0: None,
            )
        )
    assert written["some"][0].read_bytes() == written["full"][0].read_bytes()
    assert written["some"][1] < 0.8 * written["full"][1]


@pytest.mark.parametrize("step", [generate.answer, generate.answer_until_settled])
def test_parts_give_what_all_at_once_gives(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: Any
) -> None:
    """Nine parts of seven questions (the last has four), where 65,536 texts fit into one."""
    whole, _ = run(step, "whole", Counting())
    monkeypatch.setattr(journal, "PART", 70)
    parts, _ = run(step, "parts", Counting())
    assert (tmp_path / "parts.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert {**parts, "generation_seconds": 0} == {**whole, "generation_seconds": 0}
    assert len({path.name.split("-")[1] for path in (tmp_path / "parts").iterdir()}) == 9


def test_killed_in_a_later_part_the_earlier_ones_are_not_drawn_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "PART", 200)
    _, unbroken = run(generate.answer, "unbroken", Counting())
    killed, rest = Counting(5), Counting()
    with pytest.raises(KeyboardInterrupt):
        run(generate.answer, "killed", killed)
    assert len(killed.ran) > 200
    _, resumed = run(generate.answer, "killed", rest)
    assert resumed == unbroken and len(killed.ran) + len(rest.ran) == 600


class Refusing(Counting):
    """Refuses the last question."""

    def plan(self, requests: Any, decoding: Decoding) -> Any:
        if any(request.id == QUESTIONS[-1] for request in requests):
            raise UserError("the prompt is too long")
        return super().plan(requests, decoding)


def test_a_request_that_is_refused_is_refused_before_anything_is_drawn(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "PART", 100)
    engine = Refusing()
    with pytest.raises(UserError, match="too long"):
        run(generate.answer, "refused", engine)
    assert engine.ran == []


def test_progress_never_falls_and_ends_with_all_that_was_drawn(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "PART", 100)
    seen: list[tuple[int, int, int]] = []
    result, _ = run(generate.answer_until_settled, "seen", Counting(), progress=lambda *told: seen.append(told))
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert seen[-1][0] == result["of"] and seen[-1][2] == result["tokens"]
    assert all(done <= most <= 600 for done, most, _ in seen)


@pytest.mark.parametrize("batches", range(1, 9))
def test_killed_after_any_batch_and_started_again_nothing_differs_and_nothing_is_drawn_twice(
    run: Run, tmp_path: Path, batches: int
) -> None:
    _, unbroken = run(generate.answer_until_settled, "unbroken", whole := Counting())
    killed, rest = Counting(batches), Counting()
    with pytest.raises(KeyboardInterrupt):
        run(generate.answer_until_settled, "killed", killed)
    result, resumed = run(generate.answer_until_settled, "killed", rest)
    assert resumed == unbroken and result["of"] == len(unbroken)
    assert sorted((r.id, r.sample) for r in killed.ran + rest.ran) == sorted((r.id, r.sample) for r in whole.ran)


def test_without_questions_no_model_is_loaded(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(generate.answer, "before", Counting())
    (tmp_path / "questions.jsonl").write_text("")
    monkeypatch.setattr(ScriptedEngine, "close", lambda _: pytest.fail("an engine was loaded"))
    for step in (generate.answer, generate.answer_until_settled):
        result, written = run(step, "none", Counting())
        assert (result["of"], result["tokens"], written) == (0, 0, [])


CHAT = Chat(
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>\n{% endfor %}"
    "{{ '<assistant>' if add_generation_prompt }}",
    {"eos_token": "</s>"},
)


def test_a_chat_model_is_asked_in_turns_and_learns_what_it_is_asked(run: Run, tmp_path: Path) -> None:
    engine = Counting()
    shots = tmp_path / "shots.jsonl"
    io.write_responses(shots, [Response("a", "1?", "#### 1")])
    run(generate.answer, "chat", engine, against=False, builder=CHAT, shots=shots, n=1, stop=CHAT.stop(True))
    asked = {request.id: request.prompt for request in engine.ran}
    assert asked["q7"] == "<user>1?<end>\n<assistant>#### 1<end>\n<user>q7?<end>\n<assistant>"
    learned = {}
    for step, name in ((select.all_examples, "all"), (select.agree, "agreed")):
        context = Context(
            params=params_of(step, PARAMS),
            inputs={"weak": tmp_path / "weak.jsonl", "strong": tmp_path / "weak.jsonl"},
            results={},
            output=tmp_path / name,
            scratch=tmp_path,
            runtime=Runtime(),
            progress=lambda done, total, tokens=0: None,
            resources=Resources(CHAT),
        )
        step(context)
        learned[name] = {(row["prompt"], row["completion"]) for _, row in jsonl.read(tmp_path / name)}
    assert ("<user>q2?<end>\n<assistant>", "#### 1<end>") in learned["all"] & learned["agreed"]
    assert all(prompt.endswith("<end>\n<assistant>") for prompt, _ in learned["all"] | learned["agreed"])
    run(generate.answer, "several", Counting(), builder=CHAT)
    _, pairs = stage2(tmp_path, "several.jsonl", CHAT)
    assert pairs and all(row["prompt"] == f"<user>{row['id']}?<end>\n<assistant>" for row in pairs)
    assert all(row[side].endswith("<end>") for row in pairs for side in ("chosen", "rejected"))


def test_what_comes_from_a_quantised_model_is_loaded_quantised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[str] = []

    def load(model: str, loading: Loading) -> ScriptedEngine:
        models.append(model)
        return ScriptedEngine(sampled)

    monkeypatch.setattr(launch, "engine", load)
    jsonl.write(tmp_path / "questions", [{"id": "q0", "question": "?"}])
    for params in (PARAMS, PARAMS | {"quantize": "4bit"}):
        context = Context(
            params=params_of(generate.answer, params),
            inputs={"questions": tmp_path / "questions", "model": tmp_path / "m_plus"},
            results={},
            output=tmp_path / "out",
            scratch=tmp_path,
            runtime=Runtime(),
            progress=lambda done, total, tokens=0: None,
            resources=Resources(),
        )
        generate.answer(context)
    assert models == [f"{tmp_path}/m_plus", f"{tmp_path}/m_plus#quantize=4bit"]


INTEGRAL = r"The answer is $\boxed{\int_0^1 2x\,dx}$"


@pytest.mark.parametrize("hard", ["samples", "weak"])
def test_an_answer_that_is_read_in_time_only_later_costs_no_pair(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard: str
) -> None:
    """The machine is busy during sampling, and no longer when pairs are made. All ten samples agree.

    Taken for no answer, five samples of ten would settle a question: at most 5 votes are left, and 5/10 < 0.6. Read,
    the vote is 10/10. A weak answer that is another one is rejected: a pair for each of the 60 questions. The weak
    answer taken for no answer would be rejected at 8 votes of 8; read, it is that of the samples, and makes no pair.
    """
    busy, asked = True, []

    def read_many(answers: list[str], seconds: float | None = None) -> list[pool.WorkerResult]:
        asked.append((list(answers), seconds))
        return [pool.UNDECIDED if busy else pool.WorkerResult("1", decided=True) for _ in answers]

    monkeypatch.setattr(pool, "available", lambda: True)
    monkeypatch.setattr(pool, "read_many", read_many)
    pool.forget()
    weak, drawn = (INTEGRAL, r"\boxed{1}") if hard == "weak" else (r"\boxed{2}", INTEGRAL)
    run(generate.answer, "before", Counting())  # the files that are overwritten now
    io.write_responses(tmp_path / "weak.jsonl", [Response(id, f"{id}?", weak) for id in QUESTIONS])
    engine = ScriptedEngine(lambda request, decoding: f"{request.sample}: {drawn}")
    result, some = run(generate.answer_until_settled, "some", engine, style="math")
    assert result["of"] == len(some) == 600
    if hard == "samples":  # one call a wave for all 60 questions, each answer with the time it has in the selection
        assert asked == [([r"\int_0^1 2x\,dx"], None)] * result["waves"]
    busy = False
    if hard == "samples":
        made, _ = stage2(tmp_path, "some.jsonl", style="math", n=10)
        assert (made["kept"], made["weak_rejected"], made["dropped"]) == (60, 60, {})
    else:
        with pytest.raises(BranchEnds, match="'all_samples_agree': 60"):
            stage2(tmp_path, "some.jsonl", style="math", n=10)
    pool.forget()


def test_rows_say_what_was_cut_and_only_rows_that_do_not_are_outdated(run: Run, tmp_path: Path) -> None:
    """One word fits; sample 0 has one, sample 1 has two."""
    engine = ScriptedEngine(lambda request, _: "so #### 1"[: 2 + 5 * request.sample])
    result, responses = run(generate.answer, "short", engine, against=False, max_new_tokens=1, n=2)
    assert {(r.sample, r.response, r.cut, r.tokens) for r in responses} == {(0, "so", False, 1), (1, "so", True, 1)}
    assert result["cut_off"] == len(QUESTIONS)
    assert generate.unmarked(result) is None
    earlier = {"of": 9, "cut_off": 4}
    assert generate.unmarked(earlier) == "4 of its responses are cut, and its rows do not say which"
    assert generate.unmarked(earlier | {"cut_off": 0}) is None
