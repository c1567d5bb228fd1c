"""What was cut at the token limit is dropped by every selection, and counted where nothing else would drop it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from step_params import params_of

from w2s.config import functions
from w2s.config.schema import Runtime
from w2s.data import jsonl
from w2s.flow.step import Context
from w2s.method.selector import Selected
from w2s.records import Response
from w2s.steps import io, select
from w2s.steps.params import Resources

Run = Callable[..., tuple[dict[str, Any], list[dict[str, Any]]]]


def said(id: str, text: str, sample: int = 0, *, cut: bool = False) -> Response:
    return Response(id, f"Q{id}?", text, sample, cut=cut)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a selection step on responses by role: its result and its rows."""

    def call(step: Any, params: dict[str, Any], selector: Any = None, **inputs: list[Response]) -> Any:
        for role, responses in inputs.items():
            io.write_responses(tmp_path / role, responses)
        context = Context(
            params=params_of(step, {"style": "gsm8k", "match": "equivalent", **params}),
            inputs={role: tmp_path / role for role in inputs},
            results={},
            output=tmp_path / "out",
            scratch=tmp_path,
            runtime=Runtime(),
            progress=lambda done, total, tokens=0: None,
            resources=Resources(),
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(functions, "load", lambda name, field: selector)
            return step(context), [row for _, row in jsonl.read(context.output)]

    return call


def test_a_question_with_a_cut_text_is_dropped_as_cut_where_it_would_be_kept(run: Run) -> None:
    """a and b agree: the weak text of a, the strong one of b is cut. c disagrees anyway; d is whole."""
    weak = [said(id, f"#### {id}1", cut=id in "ac") for id in "abcd"]
    strong = [said(id, f"#### {id}1" if id != "c" else "#### 9", cut=id == "b") for id in "abcd"]
    for match, other in (("equivalent", "string"), ("string", "equivalent")):
        result, written = run(select.agree, {"match": match}, weak=weak, strong=strong)
        assert [row["id"] for row in written] == ["d", "d"] and "cut" not in written[0]
        assert (result["kept"], result["of"], result["dropped"]) == (1, 4, {"cut": 2, "disagree": 1})
        assert result[f"differs_from_{other}_match"] == 0


def test_what_a_selector_of_one_s_own_takes_must_be_whole(run: Run) -> None:
    """It takes everything; the strong completion of b is cut."""
    weak, strong = ([said(id, "#### 1", cut=cut and id == "b") for id in "ab"] for cut in (False, True))
    result, _ = run(select.agree, {"by": "own:all"}, lambda of: Selected(of.weak, of.strong), weak=weak, strong=strong)
    assert (result["kept"], result["dropped"]) == (1, {"cut": 1})


WEAK = [said("a", "#### 1", cut=True), said("b", "#### 2"), said("c", "", cut=True)]


def test_the_naive_baseline_learns_whole_texts(run: Run) -> None:
    result, written = run(select.all_examples, {}, weak=WEAK)
    assert [row["id"] for row in written] == ["b"]
    assert result == {"kept": 1, "of": 3, "dropped": {"empty": 0, "cut": 2}}


def test_whole_texts_are_shown(run: Run) -> None:
    _, written = run(select.choose_demonstrations, {"k": 4, "mode": "random", "seed": 0}, weak=WEAK)
    assert [row["id"] for row in written] == ["b"]


def test_nothing_is_sampled_for_a_weak_text_that_is_cut(run: Run) -> None:
    """c has no answer."""
    result, written = run(select.missed, {"augment_to": 9}, weak=WEAK, agreed=[said("none", "")])
    assert [row["id"] for row in written] == ["b"]
    assert (result["kept"], result["dropped"]) == (1, {"weak_no_answer": 1, "cut": 1})


def test_the_control_s_label_is_whole_if_any_sample_of_the_majority_is(run: Run) -> None:
    """Of a the first sample is cut, of b every one: its label says so, and no later step learns it."""
    samples = [said(id, f"{id}{k} #### 1", k, cut=(id, k) != ("a", 1)) for id in "ab" for k in range(2)]
    result, written = run(select.majority, {}, samples=samples)
    assert [(row["response"], row.get("cut")) for row in written] == [("a1 #### 1", None), ("b0 #### 1", True)]
    assert result == {"kept": 2, "of": 2}


def test_pairs_are_made_of_whole_texts(run: Run) -> None:
    """The weak texts have the majority's answer, 2 of 3. Of a the only other answer is cut, of b an equal one."""
    samples = [
        said(id, f"{id}{k} #### {n}", k, cut=(id, k) in (("a", 2), ("b", 0)))
        for id in "ab"
        for k, n in enumerate((1, 1, 2))
    ]
    params = {"confidence": 0.6, "reject_confidence": 0.8, "max_pairs": 1, "seed": 0}
    result, written = run(select.build_pairs, params, weak=[said(id, "#### 1") for id in "ab"], samples=samples)
    assert [(row["id"], row["rejected"]) for row in written] == [("b", " b2 #### 2")]
    assert (result["kept"], result["of"], result["dropped"]) == (1, 2, {"cut": 1})
