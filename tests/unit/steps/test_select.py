"""Selection steps on small files: what is kept is written, an empty result ends the branch and says why."""

from __future__ import annotations

import random
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from step_params import params_of

from w2s.answers import AnswerRule, answered
from w2s.answers.workers import pool
from w2s.config import functions
from w2s.config.schema import Runtime
from w2s.data import jsonl, selections
from w2s.errors import BranchEnds, UserError
from w2s.flow.step import Context
from w2s.method import augment as method
from w2s.method import pairs, voting
from w2s.method.selector import Judged, Selected
from w2s.method.voting import PairRule
from w2s.prompting import PLAIN
from w2s.records import Response
from w2s.steps import io, select
from w2s.steps.params import Resources

READING = {"style": "gsm8k", "match": "equivalent"}
RULE = AnswerRule("gsm8k", "equivalent")
Run = Callable[..., tuple[dict[str, Any], list[dict[str, Any]]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a selection step on responses given as {role: [(id, sample, text)]}: its result and the rows it wrote."""

    def call(step: Any, params: dict[str, Any], **inputs: list[tuple[str, int, str]]) -> Any:
        responses = {
            role: [Response(i, f"Q{i}?", text, sample) for i, sample, text in some] for role, some in inputs.items()
        }
        context = in_folder(tmp_path, step, params, responses)
        return step(context), [row for _, row in jsonl.read(context.output)]

    return call


def in_folder(
    folder: Path, step: Any, params: dict[str, Any], responses: dict[str, list[Response]], results: Any = None
) -> Context[Any]:
    """A context with the responses as its inputs."""
    for role, some in responses.items():
        io.write_responses(folder / f"{role}.jsonl", some)
    return Context(
        params=params_of(step, {**READING, **params}),
        inputs={role: folder / f"{role}.jsonl" for role in responses},
        results=results or {},
        output=folder / "out.jsonl",
        scratch=folder,
        runtime=Runtime(),
        progress=lambda done, total, tokens=0: None,
        resources=Resources(PLAIN),
    )


def test_agreement_writes_two_rows_a_kept_question_and_counts_the_rest(run: Run) -> None:
    result, written = run(
        select.agree,
        {},
        weak=[("a", 0, "#### 4"), ("b", 0, "#### 5"), ("c", 0, "no idea"), ("d", 0, "#### 0.50")],
        strong=[("d", 0, "#### 1/2"), ("a", 0, "so #### 4"), ("b", 0, "#### 6"), ("c", 0, "#### 7")],
    )
    assert [(row["id"], row["source"]) for row in written] == [
        ("a", "weak"), ("a", "icl"), ("d", "weak"), ("d", "icl"),
    ]  # fmt: skip
    assert written[0] == {
        "id": "a",
        "source": "weak",
        "prompt": "Question: Qa?\nAnswer:",
        "completion": " #### 4",
        "prediction": "4",
    }
    assert result["kept"] == 2 and result["of"] == 4
    assert result["same_text"] == 0  # a has one answer in two texts
    assert result["dropped"] == {"disagree": 1, "weak_no_answer": 1}
    assert result["differs_from_string_match"] == 1  # 0.50 and 1/2 are the same number and other strings
    assert result["differs_from_string_match_ids"] == ["d"] and result["undecided"] == 0


def test_kept_questions_with_one_text_from_both_models_are_counted(run: Run) -> None:
    """a: one text but for the space around it. b: two texts. c: one text, and not kept, as it has no answer."""
    weak = [("a", 0, "#### 4"), ("b", 0, "so #### 5"), ("c", 0, "no idea")]
    strong = [("a", 0, " #### 4\n"), ("b", 0, "#### 5"), ("c", 0, "no idea")]
    result, _ = run(select.agree, {}, weak=weak, strong=strong)
    assert (result["kept"], result["same_text"]) == (2, 1)


def test_by_string_two_texts_without_an_answer_agree(run: Run) -> None:
    said = {"weak": [("a", 0, "well"), ("b", 0, "#### 4")], "strong": [("a", 0, "so"), ("b", 0, "#### 4")]}
    result, written = run(select.agree, {"match": "string"}, **said)
    assert [(row["id"], row["prediction"]) for row in written] == [("a", None), ("a", None), ("b", "4"), ("b", "4")]
    assert (result["kept"], result["dropped"], result["differs_from_equivalent_match"]) == (2, {}, 1)
    result, written = run(select.agree, {}, **said)
    assert [row["id"] for row in written] == ["b", "b"] and result["dropped"] == {"weak_no_answer": 1}


ANSWERS = ["1", "1.0", "2", "$3", None, ""]


@given(
    weak=st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=12),
    drawn=st.lists(st.sampled_from(ANSWERS), min_size=36, max_size=36),
    order=st.randoms(use_true_random=False),
    chunk=st.integers(1, 20),
    max_pairs=st.integers(1, 3),
)
def test_one_question_at_a_time_decides_as_the_method_does_on_all(
    weak: list[str | None], drawn: list[str | None], order: random.Random, chunk: int, max_pairs: int
) -> None:
    """All answers in memory against files read in chunks, whatever the order of their rows."""

    def said(number: int, sample: int, answer: str | None) -> Response:
        text = {None: f"no idea {sample}", "": ""}.get(answer, f"{sample} #### {answer}")
        return Response(f"q{number}", f"{number}?", text, sample)

    ours = [said(number, 0, answer) for number, answer in enumerate(weak)]
    theirs = [said(number, k, drawn[3 * number + k]) for number in range(len(weak)) for k in range(3)]
    order.shuffle(theirs)
    settings = {"confidence": 0.5, "reject_confidence": 0.6, "max_pairs": max_pairs, "seed": 1}
    by_id = {r.id: sorted((answered(t, RULE) for t in theirs if t.id == r.id), key=lambda a: a.sample) for r in ours}
    made = [pairs.pairs(answered(r, RULE), by_id[r.id], PairRule(0.5, 0.6, max_pairs), seed=1) for r in ours]
    expected = [pair for each in made if not isinstance(each, str) for pair in each]
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(selections, "CHUNK", chunk)
        context = in_folder(Path(name), select.build_pairs, settings, {"weak": ours, "samples": theirs})
        dropped = dict(Counter(each for each in made if isinstance(each, str)))
        if expected:
            assert select.build_pairs(context)["dropped"] == dropped
            assert [(row["id"], row["chosen"], row["rejected"]) for _, row in jsonl.read(context.output)] == [
                (pair.id, " " + pair.chosen, " " + pair.rejected) for pair in expected
            ]
        else:
            with pytest.raises(BranchEnds, match=re.escape(f"of {len(weak)} questions {dropped}")):
                select.build_pairs(context)
        select.majority(context)
        winners = [(id, voting.vote(by_id[id]).key) for id in dict.fromkeys(r.id for r in theirs)]
        chosen = io.read_answered(context.output, RULE)
        assert [(answer.id, answer.key) for answer in chosen] == winners


def test_nothing_agreed_ends_the_branch(run: Run) -> None:
    with pytest.raises(BranchEnds, match="agreement set is empty"):
        run(select.agree, {}, weak=[("a", 0, "#### 4")], strong=[("a", 0, "#### 5")])


def test_the_majority_stands_in_for_the_weak_answer_and_no_answer_is_empty(run: Run) -> None:
    result, written = run(
        select.majority,
        {},
        samples=[("a", 0, "x #### 1"), ("a", 1, "y #### 2"), ("a", 2, "z #### 2"), ("b", 0, "?"), ("b", 1, "??")],
    )
    assert [row["response"] for row in written] == ["y #### 2", ""]
    assert result == {"kept": 1, "of": 2}


def test_pairs_set_weak_texts_against_samples(run: Run) -> None:
    """a: vote 2 of 3 for 4, the weak answer; b: 3 of 3 for 6, weak 5: confidence 1; c: 1 of 3 each: below 0.6."""
    params = {"confidence": 0.6, "reject_confidence": 0.8, "max_pairs": 1, "seed": 0}
    result, written = run(
        select.build_pairs,
        params,
        weak=[("a", 0, "w #### 4"), ("b", 0, "w #### 5"), ("c", 0, "w #### 1")],
        samples=[
            *(("a", k, f"s{k} #### {n}") for k, n in enumerate((4, 4, 9))),
            *(("b", k, "s #### 6") for k in range(3)),
            *(("c", k, f"#### {k}") for k in range(3)),
        ],
    )
    assert [(r["id"], r["chosen"], r["rejected"], r["weak_role"]) for r in written] == [
        ("a", " w #### 4", " s2 #### 9", "chosen"),
        ("b", " s #### 6", " w #### 5", "rejected"),
    ]
    assert written[0]["confidence"] == pytest.approx(2 / 3)
    # Different texts: 3 of a, 1 of b, 3 of c, which is 7 of 9; two samples repeat another one of b.
    assert result["distinct_texts"] == pytest.approx(7 / 3) and result["duplicate_texts"] == pytest.approx(2 / 9)
    assert result["pairs"] == 2 and result["dropped"] == {"low_confidence": 1}
    assert (result["differs_from_string_match"], result["differs_from_string_match_ids"]) == (0, [])


def test_pairs_that_the_other_match_would_make_are_told_where_all_samples_were_drawn(run: Run) -> None:
    """a: a vote of 3 for one half, the weak answer; by string of 2 for 0.5, and the weak text is rejected.

    b: weak 7, and a vote of 3 for 9 by either.
    """
    params = {"confidence": 0.5, "reject_confidence": 0.5, "max_pairs": 1, "seed": 0}
    said = {
        "weak": [("a", 0, "w #### 1/2"), ("b", 0, "w #### 7")],
        "samples": [
            *(("a", k, f"s{k} #### {n}") for k, n in enumerate(("0.5", "0.5", "1/2", "9"))),
            *(("b", k, f"s{k} #### 9") for k in range(4)),
        ],
    }
    result, written = run(select.build_pairs, params, **said)
    assert [row["weak_role"] for row in written] == ["chosen", "rejected"]
    assert (result["differs_from_string_match"], result["differs_from_string_match_ids"]) == (1, ["a"])
    by_string, written = run(select.build_pairs, {**params, "match": "string"}, **said)
    assert [row["weak_role"] for row in written] == ["rejected", "rejected"]
    assert by_string["differs_from_equivalent_match_ids"] == ["a"]
    spared, _ = run(select.build_pairs, {**params, "n": 4}, **said)
    assert not any(name.startswith("differs") for name in spared) and spared["undecided"] == 0


def test_answers_that_were_not_read_in_time_are_counted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """a has such an answer on one side, b on none; the weak text of a, which may be right, is not rejected."""
    monkeypatch.setattr(pool, "available", lambda: True)
    monkeypatch.setattr(pool, "read_many", lambda answers, seconds: [pool.UNDECIDED] * len(answers))
    slow = r"The answer is: \prod_{k=1}^{7} k^{k+1}"
    weak = [("a", 0, slow), ("b", 0, "The answer is: 5")]
    agreed, _ = run(
        select.agree, {"style": "math"}, weak=weak, strong=[(id, 0, "The answer is: 5") for id in ("a", "b")]
    )
    assert (agreed["kept"], agreed["undecided"]) == (1, 1)
    params = {"style": "math", "confidence": 0.5, "reject_confidence": 0.5, "max_pairs": 1, "seed": 0}
    drawn = [(id, k, f"{k} The answer is: {n}") for id in ("a", "b") for k, n in enumerate((6, 6))]
    result, written = run(select.build_pairs, params, weak=weak, samples=drawn)
    assert [row["id"] for row in written] == ["b"]
    assert (result["undecided"], result["dropped"]) == (1, {"undecided": 1})


def test_empty_texts_are_never_set_against_anything(run: Run) -> None:
    params = {"confidence": 0.5, "reject_confidence": 0.5, "max_pairs": 1, "seed": 0}
    with pytest.raises(BranchEnds, match="no preference pair"):
        run(
            select.build_pairs,
            params,
            weak=[("a", 0, "#### 4"), ("b", 0, "")],
            samples=[("a", 0, "#### 4"), ("a", 1, ""), ("b", 0, "#### 1"), ("b", 1, "#### 1")],
        )


def test_full_weak_data_leaves_only_empty_texts_out(run: Run) -> None:
    result, written = run(select.all_examples, {}, weak=[("a", 0, "wrong"), ("b", 0, "")])
    assert [row["completion"] for row in written] == [" wrong"]
    assert result["dropped"] == {"empty": 1}


def test_no_answer_at_all_leaves_nothing_to_demonstrate(run: Run) -> None:
    with pytest.raises(BranchEnds, match="nothing to demonstrate"):
        run(select.choose_demonstrations, {"k": 4, "mode": "random", "seed": 0}, weak=[("a", 0, "?")])


WEAK = [("a", 0, "#### 1"), ("b", 0, "#### 1"), ("c", 0, "#### 1"), ("d", 0, "well"), ("e", 0, "#### 1")]
ICL = [("a", 0, "#### 1"), ("b", 0, "#### 2"), ("c", 0, "#### 2"), ("d", 0, "#### 2"), ("e", 0, "so")]
SAMPLES = [
    *(("b", k, f"b{k} #### {n}") for k, n in enumerate((2, 1, 2, 2))),
    *(("c", k, f"c{k} #### {n}") for k, n in enumerate((2, 1, 1, 1))),
    *(("e", k, "#### 2") for k in range(4)),
]
"""a is agreed upon; one of b's samples agrees, three of c's; d has no weak answer, e no sample that agrees."""


@pytest.fixture
def augmented(tmp_path: Path) -> Run:
    """Agree on WEAK and ICL, then run a step on that agreement: its result and the rows it wrote."""

    def call(step: Any, params: dict[str, Any], **inputs: list[tuple[str, int, str]]) -> Any:
        said = {
            role: [Response(i, f"Q{i}?", text, k) for i, k, text in some]
            for role, some in {"weak": WEAK, "strong": ICL, **inputs}.items()
        }
        agreed = in_folder(
            tmp_path, select.agree, {"augmented": True}, {role: said[role] for role in ("weak", "strong")}
        )
        result = select.agree(agreed)
        agreed.output.rename(tmp_path / "agreed.jsonl")
        context = in_folder(tmp_path, step, params, said, {"agreed": result})
        context = replace(context, inputs={**context.inputs, "agreed": tmp_path / "agreed.jsonl"})
        return step(context), [row for _, row in jsonl.read(context.output)]

    return call


def test_only_questions_that_were_missed_and_can_agree_are_asked_again(augmented: Run) -> None:
    result, written = augmented(select.missed, {"augment_to": 2})
    assert written == [{"id": id, "question": f"Q{id}?"} for id in "bce"]
    assert result == {"kept": 3, "of": 5, "dropped": {"weak_no_answer": 1}}


def test_nothing_is_asked_where_nothing_is_missing_to_the_target(augmented: Run) -> None:
    result, written = augmented(select.missed, {"augment_to": 1})
    assert (written, result["kept"]) == ([], 0)
    result, written = augmented(select.augment, {"augment_to": 1, "augment": "sampled", "seed": 0}, more=[])
    assert [row["id"] for row in written] == ["a", "a"]
    assert (result["kept"], result["added"], result["short"]) == (1, 0, 0)


def test_sampled_texts_that_agree_are_added_and_marked(augmented: Run) -> None:
    """c (3 of 4 agree) before b (1 of 4), each with its first agreeing text; 5 wanted, 1 kept, 2 added: 2 short."""
    params = {"augment": "sampled", "seed": 0}
    result, written = augmented(select.augment, {"augment_to": 2, **params}, more=SAMPLES)
    assert [(row["id"], row["source"], row.get("added")) for row in written] == [
        ("a", "weak", None), ("a", "icl", None), ("c", "weak", True), ("c", "icl", True),
    ]  # fmt: skip
    assert written[3] == {
        "id": "c",
        "source": "icl",
        "prompt": "Question: Qc?\nAnswer:",
        "completion": " c1 #### 1",
        "prediction": "1",
        "added": True,
    }
    assert (result["kept"], result["of"], result["added"], result["short"]) == (1, 5, 1, 0)
    assert result["dropped"] == {"disagree": 2, "weak_no_answer": 1, "strong_no_answer": 1}
    result, written = augmented(select.augment, {"augment_to": 5, **params}, more=SAMPLES)
    assert [row["id"] for row in written[::2]] == ["a", "c", "b"]
    assert (result["kept"], result["added"], result["short"]) == (1, 2, 2)


def test_as_in_the_released_data_disagreeing_texts_are_added(augmented: Run) -> None:
    """Both sides answer and disagree on b and c; d and e have one answer each."""
    result, written = augmented(select.augment, {"augment_to": 9, "augment": "disagreeing", "seed": 0}, more=ICL)
    assert written[0]["id"] == "a" and sorted(row["id"] for row in written[2::2]) == ["b", "c"]
    assert [row["prediction"] for row in written] == ["1", "1", "1", "2", "1", "2"]
    assert (result["added"], result["short"]) == (2, 6)


@pytest.mark.parametrize("augment, more", [("sampled", SAMPLES), ("disagreeing", ICL)])
@pytest.mark.parametrize("chunk", [1, 3, 4096])
def test_a_step_adds_the_smallest_ranks_of_all_whatever_the_chunk(
    augmented: Run, monkeypatch: pytest.MonkeyPatch, augment: str, more: Any, chunk: int
) -> None:
    """a is kept already; of the others those are added that `method.augment` offers, best first: b and c."""
    monkeypatch.setattr(selections, "CHUNK", chunk)
    offer = {"sampled": method.agreeing, "disagreeing": method.disagreeing}[augment]
    weak, strong = ([answered(Response(i, f"Q{i}?", text, k), RULE) for i, k, text in some] for some in (WEAK, more))
    offers = [offer(answer, [each for each in strong if each.id == answer.id], 5) for answer in weak[1:]]
    best = [made.selected for made in sorted(filter(None, offers), key=lambda made: made.rank)]
    for target, added in ((2, best[:1]), (4, best)):
        result, written = augmented(select.augment, {"augment_to": target, "augment": augment, "seed": 5}, more=more)
        assert [row["completion"] for row in written[2:]] == [
            f" {text.response}" for each in added for text in (each.weak, each.strong)
        ]
        assert (result["kept"], result["added"], result["short"]) == (1, len(added), target - 1 - len(added))


def test_an_empty_agreement_can_be_augmented_and_an_empty_set_ends_the_branch(augmented: Run) -> None:
    params = {"augment_to": 9, "augment": "sampled", "seed": 0}
    result, written = augmented(select.augment, params, strong=[*ICL[1:], ("a", 0, "#### 9")], more=SAMPLES)
    assert (result["kept"], result["added"], [row["id"] for row in written[::2]]) == (0, 2, ["c", "b"])
    with pytest.raises(BranchEnds, match="nothing to add: of 5 questions"):
        augmented(select.augment, params, strong=[*ICL[1:], ("a", 0, "#### 9")], more=[("e", 0, "#### 2")])


def own_selector(tmp_path: Path, selector: Any, **more: list[tuple[str, int, str]]) -> Any:
    """Select with a function of one's own: the result and the rows."""
    responses = {
        role: [Response(i, f"Q{i}?", text, sample) for i, sample, text in some]
        for role, some in {"weak": WEAK, "strong": ICL, **more}.items()
    }
    context = in_folder(tmp_path, select.agree, {"by": "own:function"}, responses)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(functions, "load", lambda name, field: selector)
        return select.agree(context), [row for _, row in jsonl.read(context.output)]


def test_a_selector_of_one_s_own_decides_and_sees_further_answers(tmp_path: Path) -> None:
    """It keeps what the third answers confirm: b alone, with the third completion in the weak one's place."""
    third = [(id, 0, "#### 1" if id == "b" else "#### 99") for id, _, _ in WEAK]

    def confirmed(question: Judged) -> Selected | str:
        other = question.answers["third"]
        return Selected(other, question.strong) if other.key == "1" else "not_confirmed"

    result, written = own_selector(tmp_path, confirmed, third=third)
    assert [(row["id"], row["source"]) for row in written] == [("b", "weak"), ("b", "icl")]
    assert written[0]["completion"] == " #### 1"
    assert result["kept"] == 1 and result["dropped"] == {"not_confirmed": len(WEAK) - 1}


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        (lambda question: 1 / 0, r"own:function fails on question 'a' \(ZeroDivisionError"),
        (lambda question: True, r"(?s)own:function returns bool for question 'a'.*Selected\(weak, strong\)"),
    ],
)
def test_a_selector_that_fails_is_the_user_s_error(tmp_path: Path, selector: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        own_selector(tmp_path, selector)
