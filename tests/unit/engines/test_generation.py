"""The loop that steps and the verb `sample` share. `test_generate` and `test_sampling` have it resumed after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from w2s.config.schema import Runtime
from w2s.engines import journal
from w2s.engines.base import Decoding, Loading, Request
from w2s.engines.generation import Generation, Part
from w2s.engines.scripted import ScriptedEngine
from w2s.errors import UserError
from w2s.models import parity
from w2s.records import Question, Response

QUESTIONS = [Question(f"q{k}", f"{k}?") for k in range(5)]
DECODING = Decoding(3, temperature=1.0)


def say(request: Request, decoding: Decoding) -> str:
    """Two words at sample 0, and four, of which `DECODING` takes three, at sample 1."""
    return "a b" if request.sample == 0 else f"{request.prompt} b c d"


class Engine(ScriptedEngine):
    """Remembers what it did."""

    def __init__(self, refuse: str = "") -> None:
        super().__init__(say)
        self.refuse, self.ran, self.closed = refuse, 0, False

    def plan(self, requests: Any, decoding: Decoding) -> Any:
        if self.refuse in {request.id for request in requests}:
            raise UserError("too long")
        return super().plan(requests, decoding)

    def run(self, batch: Any, decoding: Decoding) -> Any:
        self.ran += len(batch)
        return super().run(batch, decoding)

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def two_questions_per_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "PART", 4)


def generate(
    folder: Path, engine: Engine, sample: Any = None, model: str = "m", **runtime: Any
) -> tuple[Generation, list[Response], Any, list[tuple[int, int, int]]]:
    seen: list[tuple[int, int, int]] = []
    responses: list[Response] = []
    generation = Generation(
        lambda: QUESTIONS, "Q: {}".format, 2, DECODING, folder.joinpath, lambda *counts: seen.append(counts)
    )
    loading = Loading("scripted", runtime=Runtime(**runtime))
    check = generation.run(lambda: engine, model, loading, responses.extend, sample)
    return generation, responses, check, seen


def test_responses_come_in_order_with_their_counts_and_a_journal_per_part(tmp_path: Path) -> None:
    generation, responses, check, seen = generate(tmp_path, engine := Engine())
    assert [(r.id, r.question, r.sample) for r in responses] == [
        (f"q{k}", f"{k}?", n) for k in range(5) for n in (0, 1)
    ]
    assert [r.response for r in responses[:2]] == ["a b", "Q: 0? b"]
    assert (generation.done, generation.tokens, generation.cut_off) == (10, 25, 5)  # 5 * (2 + 3) tokens
    assert seen == [(0, 10, 0), (4, 10, 10), (8, 10, 20), (10, 10, 25)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2"]
    assert check is None and engine.closed
    again = Engine()
    assert generate(tmp_path, again)[1] == responses and again.ran == 0


def test_an_engine_that_measures_its_gpu_is_asked_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "with").mkdir()
    assert generate(tmp_path, Engine())[0].device_memory is None
    engine = Engine()
    engine.device_memory = lambda: 10 * engine.ran  # type: ignore[attr-defined]
    assert generate(tmp_path / "with", engine)[0].device_memory == 100


def test_a_later_part_that_is_refused_is_refused_first(tmp_path: Path) -> None:
    engine = Engine(refuse="q4")
    with pytest.raises(UserError, match="too long"):
        generate(tmp_path, engine)
    assert engine.ran == 0 and engine.closed


def test_without_questions_no_model_is_loaded(tmp_path: Path) -> None:
    written: list[list[Response]] = []
    generation = Generation(lambda: [], str, 2, DECODING, tmp_path.joinpath)
    load = lambda: pytest.fail("an engine was loaded")  # noqa: E731
    assert generation.run(load, "m", Loading(), lambda rows: written.append(list(rows))) is None
    assert written == [[]]


def test_a_sampler_that_needs_fewer_lowers_what_there_can_be(tmp_path: Path) -> None:
    def first_only(generation: Generation, engine: Engine, part: Part) -> Any:
        generation.most -= len(part.questions)
        return generation.complete(engine, part.requests(1), f"first-{part.number}")

    generation, responses, _, seen = generate(tmp_path, Engine(), first_only)
    assert (generation.done, generation.most, len(responses)) == (5, 5, 5)
    assert seen == [(0, 10, 0), (2, 8, 4), (4, 6, 8), (5, 5, 10)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first-0", "first-1", "first-2"]


def test_the_engine_is_compared_with_what_training_left_unless_that_is_off(tmp_path: Path) -> None:
    """`say` answers every prompt with "a b" at sample 0, and the trained model with something else."""
    for name, text in (("same", "a b"), ("other", "x y")):
        (tmp_path / name).mkdir()
        parity.write(parity.Parity(16, 0.5, ("p",), (text,), ("base",)), tmp_path / name)
    (tmp_path / "out").mkdir()
    check = generate(tmp_path / "out", Engine(), model=str(tmp_path / "same"))[2]
    assert check == {"agreement": 1.0, "base": 0.5, "telling": 1, "agreement_telling": None}
    engine = Engine()
    with pytest.raises(UserError, match="the adapter is lost"):
        generate(tmp_path / "out", engine, model=str(tmp_path / "other"))
    assert engine.closed
    assert generate(tmp_path / "out", Engine(), model=str(tmp_path / "other"), check_engine=False)[2] is None
