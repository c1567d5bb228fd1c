"""Labels from all answers, calibrated on held-back questions: written as training rows, or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from step_params import params_of

from w2s.config.schema import Runtime
from w2s.data import jsonl
from w2s.errors import BranchEnds
from w2s.flow.step import Context
from w2s.method.calibration import Heard
from w2s.method.certified import Graded
from w2s.method.certified import halves as halves_of
from w2s.records import Response
from w2s.steps import halves, io, label
from w2s.steps.params import Resources

READING = {"style": "gsm8k", "match": "equivalent"}


def responses(prefix: str, count: int, answer: Any) -> list[Response]:
    ids = [f"{prefix}{n:03}" for n in range(count)]  # of one length: texts are features
    return [Response(id, f"{id}?", f"{id} says\n#### {answer(n)}") for n, id in enumerate(ids)]


def context(
    folder: Path, step: Any, params: dict[str, Any], right: list[dict[str, Any]], **by_role: Any
) -> Context[Any]:
    for role, some in by_role.items():
        io.write_responses(folder / role, some)
    jsonl.write(folder / "right", right)
    return Context(
        params=params_of(step, READING | params),
        inputs={role: folder / role for role in (*by_role, "right")},
        results={},
        output=folder / "out",
        scratch=folder,
        runtime=Runtime(),
        progress=lambda done, total, tokens=0: None,
        resources=Resources(),
    )


def answers(held: int) -> dict[str, Any]:
    """Weak and strong agree on the right answer, 1, of every even question; of odd ones each has its own wrong one."""

    def weak(n: int) -> int:
        return 1 if n % 2 == 0 else 1000 + n % 20

    def strong(n: int) -> int:
        return 1 if n % 2 == 0 else 5000 + n % 20

    return {
        "weak": responses("q", 40, weak),
        "strong": responses("q", 40, strong),
        "held_weak": responses("h", held, weak),
        "held_strong": responses("h", held, strong),
    }


def right(held: int) -> list[dict[str, Any]]:
    return [{"id": f"h{n:03}", "right": ["1"] if n % 2 == 0 else []} for n in range(held)]


PROMISE = {"precision": 0.9, "confidence": 0.9}


def test_certified_keeps_what_both_say_in_the_strong_model_s_words(tmp_path: Path) -> None:
    """200 held back, half of them test: about 50 of these agree, all right; 22 without an error would be enough."""
    step = context(tmp_path, label.certify, PROMISE, right(200), **answers(200))
    result = label.certify(step)
    rows = {row["id"]: row for _, row in jsonl.read(tmp_path / "out")}
    agreed = {f"q{n:03}" for n in range(0, 40, 2)}
    assert agreed <= set(rows) and result["kept"] == len(rows) <= 22 and result["of"] == 40  # 20 of 22 are 91 %
    assert {rows[id]["source"] for id in agreed} == {"strong"} and all(0.5 < rows[id]["weight"] < 1 for id in agreed)
    assert result["certificate"]["checked"] == 100 and result["dropped"] == {"low_posterior": 40 - len(rows)}


def test_what_cannot_be_certified_ends_the_branch_and_says_what_it_needs(tmp_path: Path) -> None:
    step = context(tmp_path, label.certify, PROMISE, right(20), **answers(20))  # ten are for the test
    with pytest.raises(BranchEnds, match=r"90% cannot be certified: only 10 kept questions .* at least 22 are needed"):
        label.certify(step)


def test_trust_keeps_the_likelier_half_of_the_weak_texts(tmp_path: Path) -> None:
    result = label.trust(context(tmp_path, label.trust, {"share": 0.5}, right(60), **answers(60)))
    rows = [row for _, row in jsonl.read(tmp_path / "out")]
    assert {row["id"] for row in rows} == {f"q{n:03}" for n in range(0, 40, 2)}
    assert {row["source"] for row in rows} == {"weak"} and not any("weight" in row for row in rows)
    assert result == {"kept": 20, "of": 40, "dropped": {"low_trust": 20}}


def test_the_order_of_the_inputs_changes_nothing(tmp_path: Path) -> None:
    """The columns of the features are the sources: held-back questions have them in the order of the others."""
    some = answers(60)
    some["samples"] = [replace(row, sample=n) for row in some["strong"] for n in range(3)]
    some["held_samples"] = [replace(row, sample=n) for row in some["held_weak"] for n in range(3)]
    written = []
    for number, roles in enumerate((sorted(some), sorted(some, reverse=True))):
        (tmp_path / str(number)).mkdir()
        step = context(
            tmp_path / str(number), label.probable, {"at_least": 0.5}, right(60), **{role: some[role] for role in roles}
        )
        label.probable(step)
        written.append(step.output.read_bytes())
    assert written[0] == written[1] != b""


def test_what_is_probable_is_kept_and_half_of_the_golds_are_left(tmp_path: Path) -> None:
    """As certified, without a promise: another right answer of a test question changes nothing."""
    step = context(tmp_path, label.probable, {"at_least": 0.5}, right(60), **answers(60))
    result = label.probable(step)
    rows = {row["id"]: row for _, row in jsonl.read(tmp_path / "out")}
    assert set(rows) == {f"q{n:03}" for n in range(0, 40, 2)} and result["dropped"] == {"low_posterior": 20}
    before = step.output.read_bytes()
    _, tested = halves_of([Graded(row["id"], Heard({}, {}), row["right"]) for row in right(60)])
    changed = {each.id for each in tested}
    jsonl.write(tmp_path / "right", [row | ({"right": []} if row["id"] in changed else {}) for row in right(60)])
    label.probable(step)
    assert step.output.read_bytes() == before


@pytest.mark.parametrize(("step", "params"), [(label.trust, {"share": 0.5}), (label.probable, {"at_least": 0.5})])
def test_a_control_has_no_weak_answers(step: Any, params: dict[str, Any], tmp_path: Path) -> None:
    """Alone, the strong model's answers look alike: half of them are kept, or none that is probable enough."""
    strong = {role: some for role, some in answers(60).items() if "weak" not in role}
    result = step(context(tmp_path, step, params, right(60), **strong))
    rows = [row for _, row in jsonl.read(tmp_path / "out")]
    assert {row["source"] for row in rows} == {"strong"} and result["kept"] == len(rows) == 20


def test_without_an_answer_nothing_is_calibrated(tmp_path: Path) -> None:
    silent = {role: [Response(r.id, r.question, "I do not know.") for r in some] for role, some in answers(9).items()}
    each = ((label.certify, PROMISE), (label.trust, {"share": 0.5}), (label.probable, {"at_least": 0.5}))
    for step, params in each:
        with pytest.raises(BranchEnds, match="no question has an answer"):
            step(context(tmp_path, step, params, [{"id": f"h{n:03}", "right": []} for n in range(9)], **silent))


def test_halves_share_the_questions_and_union_has_them_again(tmp_path: Path) -> None:
    rows = [{"id": str(n), "source": source} for n in range(20) for source in ("weak", "icl")]
    jsonl.write(tmp_path / "rows", rows)
    found: list[list[Any]] = []
    for number in (0, 1):
        step = context(tmp_path, halves.half, {}, [])
        step = Context(
            params=halves.Half(number=number, seed=7), inputs={"rows": tmp_path / "rows"}, results={},
            output=tmp_path / f"half_{number}", scratch=tmp_path, runtime=Runtime(), progress=step.progress,
        )  # fmt: skip
        assert halves.half(step)["of"] == 40
        found.append([row for _, row in jsonl.read(step.output)])
    ids = [{row["id"] for row in half} for half in found]
    assert not ids[0] & ids[1] and len(ids[0] | ids[1]) == 20 and all(ids)
    assert [row for row in rows if row["id"] in ids[0]] == found[0]
    together = Context(
        params={}, inputs={f"part_{n}": tmp_path / f"half_{n}" for n in (1, 0)}, results={}, output=tmp_path / "all",
        scratch=tmp_path, runtime=Runtime(), progress=lambda done, total, tokens=0: None,
    )  # fmt: skip
    assert halves.union(together) == {"of": 40}
    assert [row for _, row in jsonl.read(tmp_path / "all")] == [*found[0], *found[1]]
