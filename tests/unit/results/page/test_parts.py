"""The parts of the page, on a run of which every count is known."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from w2s.config import schema
from w2s.data import jsonl
from w2s.results import collect
from w2s.results.page import RunPage, costs, curves, forest, funnel, ladder, read, reliability, strip, whose
from w2s.results.page.run import step_label

RUN = schema.Run(recipe=schema.Recipe(name="toy", task=schema.ArithTask()))
SELECTIONS = {
    "stage1_iter1": {"answers": {"weak": "weak_answers", "strong": "icl_answers"}},
    "stage2_pairs": {"answers": {"weak": "weak_answers", "samples": "m_plus_samples"}},
}


def judged(number: int) -> dict[str, Any]:
    """Of 20 questions: the weak answer is right on 0-7, weak ICL on 4-13, the majority on 0-15.

    Shares: 0.5 for 16-19, else 0.9. Stage I keeps 4-7 and, wrongly, 18 and 19; Stage II chooses the weak text on 0-7
    and rejects it on 8-15 and, wrongly, on 16.
    """
    verdict = {True: "correct", False: "wrong"}
    share = 0.5 if number >= 16 else 0.9
    return {
        "id": str(number), "question": f"Question {number}?", "gold": "7",
        "answers": {
            "weak_answers": {"prediction": "7", "cut": False, "verdict": verdict[number < 8]},
            "icl_answers": {"prediction": "7", "cut": False, "verdict": verdict[4 <= number < 14]},
        },
        "votes": {"m_plus_samples": {"prediction": "7", "share": share, "n": 10, "counts": {"7": 9, "8": 1}, "cut": 0,
                                     "verdict": verdict[number < 16]}},
        "decisions": {
            "stage1_iter1": "kept" if 4 <= number < 8 or number >= 18 else "disagree",
            "stage2_pairs": "chosen" if number < 8 else "rejected" if number < 17 else "low_confidence",
        },
    }  # fmt: skip


Made = Callable[[], RunPage]


@pytest.fixture
def made(folder: Path, record: Callable[..., None]) -> Made:
    """The page of the folder as it is now."""
    jsonl.write(folder / "data/judged_train_2.jsonl", map(judged, range(20)))
    record(folder, "judged_train_2", {"of": 20})
    record(folder, "stage1_iter1", {"kept": 6, "of": 20, "dropped": {"disagree": 14}})
    record(folder, "precision_stage1_iter1", {"precision": 4 / 6, "ci95": [0.3, 0.9]})
    record(folder, "stage2_pairs", {"kept": 17, "of": 20, "dropped": {"low_confidence": 3}})
    record(folder, "precision_stage2_pairs", {"precision": 16 / 17, "ci95": [0.7, 1.0]})

    def page() -> RunPage:
        found = read(folder, RUN, collect.collect(folder, RUN))
        found.records["judged_train_2"]["payload"] = {"params": {"selections": SELECTIONS}}  # type: ignore[index]
        return found

    return page


def test_the_funnel_has_precision_and_recall(made: Made) -> None:
    """Stage I keeps 4 right of 6; on 0-13 one of the two is right: recall 4/14. Stage II: 16 right of 17, on 0-15 one
    of the two is right: 16/16."""
    (with_weak,) = funnel.funnels(made())
    given, stage1, stage2 = with_weak.stages
    assert (given.name, given.kept, given.right, given.able) == ("weak answers", 20, 8, None)
    assert (stage1.name, stage1.kept, stage1.right, stage1.able) == ("Stage I.1", 6, 4, 14)
    assert "6 · 66.7 % right" in stage1.words and stage1.words.endswith("recall 28.6 %")
    assert (stage2.kept, stage2.right, stage2.able) == (17, 16, 16) and "recall 100.0 %" in stage2.words


def test_a_rejected_weak_text_leaves_the_majority_as_the_label(made: Made) -> None:
    """On 8 the weak answer is wrong and the majority right, on 16 both are wrong."""
    candidates = SELECTIONS["stage2_pairs"]["answers"]
    assert funnel.is_right(judged(8), "rejected", candidates) and not funnel.is_right(
        judged(16), "rejected", candidates
    )
    assert funnel.is_right(judged(3), "chosen", candidates) and not funnel.is_right(judged(8), "chosen", candidates)
    assert not funnel.is_right(judged(3), "disagree", candidates)


def test_a_funnel_that_does_not_fit_the_count_on_record_has_no_recall(made: Made, folder: Path, record: Any) -> None:
    """The rows keep six and the record seven: only what is on record is shown."""
    made()
    record(folder, "stage1_iter1", {"kept": 7, "of": 20, "dropped": {}})
    stage = funnel.stage(made(), "stage1_iter1")
    assert (stage.kept, stage.able) == (7, None) and "recall" not in stage.words


def test_a_selection_with_labels_of_its_own_has_the_precision_on_record(made: Made, folder: Path, record: Any) -> None:
    """By the weak answers 4 of 6 are right, on record 6 of 6: the labels are others."""
    made()
    record(folder, "precision_stage1_iter1", {"precision": 1.0, "ci95": [0.6, 1.0]})
    page = read(folder, RUN, collect.collect(folder, RUN))
    page.records["judged_train_2"]["payload"] = {"params": {"selections": SELECTIONS}}  # type: ignore[index]
    stage = funnel.stage(page, "stage1_iter1")
    assert (stage.right, stage.able) == (6, None) and "6 · 100.0 % right" in stage.words


def test_what_weak_texts_became(made: Made) -> None:
    """Chosen on 0-7, all right. Rejected on 8-16, all wrong."""
    chosen, rejected = funnel.roles(made())
    assert chosen.startswith("The weak text was chosen 8 times, and right in 8 of them (100 %, 95 % 68 to 100)")
    assert rejected.startswith("The weak text was rejected 9 times, and wrong in 9 of them")
    assert rejected.endswith(" The text chosen instead was right in 8."), "16 was rejected wrongly"


def test_reliability_by_share_of_votes(made: Made) -> None:
    """16 questions with a share of 0.9, all right; 4 with 0.5, none right. Share 0.05 rounds up."""
    (panel,) = reliability.panels(made())
    assert [tuple(each) for each in panel.bins] == [(0.5, 4, 0), (0.9, 16, 16)]
    assert panel.thresholds == [("keep", 0.6), ("reject weak", 0.8)]
    assert (
        'aria-label="Share of votes against share right. share 0.5: 0 of 4 right, share 0.9: 16 of 16'
        in panel.reliability
    )
    assert "80 % kept: 100 % right, 100 % kept: 80 % right" in panel.coverage
    assert reliability.binned([{"share": 0.05, "verdict": "wrong"}])[0].share == 0.1


def test_reliability_is_answered_by_two_intervals() -> None:
    """Wilson: 16 of 16 from 80.6, 0 of 4 to 49.0; 3 of 4 from 30.1, 1 of 4 to 69.9."""
    right, wrong = {"share": 0.6, "verdict": "correct"}, {"share": 0.5, "verdict": "wrong"}
    limits = [("keep", 0.6)]
    assert reliability.answer([right] * 16 + [wrong] * 4, limits) == (
        "yes. From 0.6 on 16 of 16 are right (100.0 %, 95 % 80.6 to 100.0), below it 0 of 4 are right "
        "(0.0 %, 95 % 0.0 to 49.0)."
    )
    mixed = [right] * 3 + [right | {"verdict": "wrong"}] + [wrong] * 3 + [wrong | {"verdict": "correct"}]
    assert reliability.answer(mixed, limits).startswith("not shown. From 0.6 on 3 of 4 are right (75.0 %, 95 % 30.1")
    assert reliability.answer([right], limits) == reliability.answer([right, wrong], []) == ""


def test_without_gold_there_is_no_reliability(made: Made, folder: Path) -> None:
    made()
    rows = [judged(number) for number in range(20)]
    for row in rows:
        del row["gold"]
        for part in ("answers", "votes"):
            for each in row[part].values():
                del each["verdict"]
    jsonl.write(folder / "data/judged_train_2.jsonl", rows)
    page = made()
    assert reliability.panels(page) == [] and funnel.roles(page) == []
    assert funnel.funnels(page)[0].stages[0].able is None


def test_whose_errors(made: Made, folder: Path, answers: Any) -> None:
    """The floor is right on 0 and 1, m_plus on 0-5. Of 6-9, which both have wrong, m_plus says the floor's "7" on 6 and
    7, another number on 8, and nothing on 9: no answer is never the same as another."""
    answers(folder, "m_plus", prediction=lambda i: {8: "8", 9: None}.get(i, "7"))
    rows = {row.name: row for row in whose.compare(made())}
    assert rows["m_plus"].counts == {"kept": 2, "corrected": 4, "lost": 0, "wrong": 2, "same": 2}
    assert rows["m_plus"].repeated == "2 of 4 (50 %, 15 to 85)" and rows["strong_ceiling"].repeated == "0 of 0"
    assert "weak_floor" not in rows and rows["m_plus"].links["same"] == "#s?a=m_plus&b=weak_floor&f=same"
    nothing = {"verdict": "no_answer", "prediction": None}
    assert whose.kind(nothing, nothing) == "wrong"
    assert whose.kind({"verdict": "wrong", "prediction": "1"}, {"verdict": "correct"}) == "lost"


def test_errors_by_level(made: Made) -> None:
    """m_pro_dpo is right on 0-6, the floor on 0 and 1; level 1 has 0-4, level 2 has 5-9. All wrong answers are "7"."""
    first, second = whose.by_level(made())
    assert (first.label, first.counts) == (
        "level 1 (n = 5)",
        {"kept": 2, "corrected": 3, "lost": 0, "wrong": 0, "same": 0},
    )
    assert (second.label, second.counts) == (
        "level 2 (n = 5)",
        {"kept": 0, "corrected": 2, "lost": 0, "wrong": 0, "same": 3},
    )
    assert second.links["lost"] == "#s?a=m_pro_dpo&b=weak_floor&f=b&l=2"


def test_the_ladder_has_an_axis_of_pgr(made: Made) -> None:
    """Floor 20 %, ceiling 100 %: a PGR of 0.5 is 60 %, where m_plus stands."""
    page = made()
    drawn = ladder.draw(page, page.models)
    x = re.findall(r'<text[^>]* x="([\d.]+)%"[^>]*>PGR 0.5</text>', drawn.above)
    mark = next(row.mark for row in drawn.rows if row.name == "m_plus")
    assert x and f'cx="{x[0]}%"' in mark
    roles = {row.name: row.role for row in drawn.rows}
    assert roles == {"weak_floor": "floor", "full_weak_ft": "baseline", "m_plus": "method", "m_pro_dpo": "method",
                     "strong_ceiling": "ceiling"}  # fmt: skip


def test_the_ladder_says_of_whom_most_answers_were_cut(made: Made, folder: Path, answers: Any) -> None:
    """Of 10: 6 are most, 5 are not."""
    answers(folder, "m_plus", cut=lambda i: i < 6)
    answers(folder, "weak_floor", cut=lambda i: i < 5)
    page = made()
    labels = {row.name: row.label for row in ladder.draw(page, page.models).rows}
    assert labels["m_plus"] == "Stage I (6 of 10 cut)" and labels["weak_floor"] == "Weak model (floor)"


def test_without_a_gap_there_is_no_axis_of_pgr(made: Made, folder: Path, model: Any) -> None:
    model(folder, "strong_ceiling", range(0, 1))
    page = made()
    assert ladder.draw(page, page.models).above == ""


def test_marks_of_the_forest_follow_the_rule(made: Made) -> None:
    """With ten questions no p stands: every mark is open."""
    page = made()
    drawn = forest.draw(page, page.results["paired"])
    assert drawn is not None and {row.relation for row in drawn.rows} == {"not distinguished"} and drawn.corrected == 0
    one = page.results["paired"] | {"m_plus vs weak_floor": {"difference": 0.4, "ci95": [0.2, 0.6], "p_holm": 0.01}}
    row = next(row for row in forest.draw(page, one).rows if row.relation != "not distinguished")  # type: ignore[union-attr]
    assert (row.first, row.second, row.relation, row.value) == ("Stage I", "Weak model (floor)", "above", "+40.0")
    assert 'class="mark above"' in row.mark
    assert forest.draw(page, {}) is None


def test_strategies_are_drawn_where_their_contribution_is_measured(made: Made) -> None:
    page = made()
    of = {"model": "m_plus", "control": "control_x", "weak_contribution": None, "weak_contribution_ci95": None}
    two = of | {"weak_contribution": 0.2, "weak_contribution_ci95": [0.1, 0.3]}
    test = {"difference": 0.1, "ci95": [0.05, 0.15], "p_holm": 0.01}
    assert forest.strategies(page, {"strategies": {"one": of}, "paired": {}}) is None
    for paired, relation in (({}, "not distinguished"), ({"m_plus vs control_x": test}, "above"),
                             ({"m_plus vs control_x": test | {"p_holm": 0.06}}, "not distinguished")):  # fmt: skip
        drawn = forest.strategies(page, {"strategies": {"one": of, "two": two}, "paired": paired})
        assert drawn is not None
        assert [(row.first, row.value, row.relation) for row in drawn.rows] == [("two", "+0.20", relation)]


def test_the_highest_strategy_is_named_with_its_test(made: Made) -> None:
    """The page is about m_pro_dpo."""
    page = made()
    given = {"weak_to_strong": {"model": "m_pro_dpo", "accuracy": 0.7}, "trust": {"model": "trust", "accuracy": 0.8}}
    test = {"difference": 0.1, "ci95": [-0.02, 0.22], "p_holm": 0.2}
    shown = {"strategies": given, "paired": {"trust vs m_pro_dpo": test}}
    assert forest.best(page, shown) == (
        "The highest of 2, chosen on these questions: Trust is not distinguished from Stage II (DPO): "
        "+10.0 points (95 % -2.0 to +22.0)."
    )
    given["trust"]["accuracy"] = 0.6
    assert forest.best(page, shown) == "The highest of 2, on these questions: Stage II (DPO)."
    assert forest.best(page, {"strategies": {}, "paired": {}}) == ""


TRAINED = {
    "examples": 6, "steps": 3, "tokens": 70, "seconds": 2.0, "loss_first": 2.0, "loss_last": 1.0,
    "curve": [2.0, 1.5, 1.0], "device": "CPU, threads: 1", "device_memory": 2**30,
}  # fmt: skip


def test_curves_of_each_training(made: Made, folder: Path, record: Any) -> None:
    """A training of before has its loss only; a curve that is none is left out."""
    record(folder, "weak_floor", TRAINED)
    extra = {"margin": [0.0, 0.1, 0.2], "grad_norm": [3.0, "x", 1.0], "learning_rate": [1e-5, 1e-5, 0.0]}
    record(folder, "m_pro_dpo", TRAINED | {"curves": extra, "chosen_drop_most": 0.125})
    first, second = curves.trainings(made())
    assert (first.label, [line.name for line in first.shown], first.more) == ("Weak model (floor)", ["loss"], [])
    assert first.shown[0].ends == "2.00 → 1.00" and 'points="0.00,2.00 50.00,24.00 100.00,46.00"' in first.shown[0].mark
    assert [line.name for line in second.shown] == ["loss", "margin"]
    assert [line.ends for line in second.more] == ["1.0e-05 → 0.00"]
    assert second.facts == "6 examples, 3 steps; chosen fell 0.12 at most (limit 1)"
    assert not curves.usable([1.0]) and not curves.usable([1.0, True]) and not curves.usable(None)


def test_costs_by_part(made: Made, folder: Path, record: Any) -> None:
    """Of 1.5 seconds per record."""
    whose_steps = {"m_plus": "method", "scpo": "strategies"}
    parts = [costs.part_of(*step, whose_steps) for step in (
        ("m_plus", "train"), ("scpo", "train"), ("control_m_plus", "train"), ("test_m_plus", "generate"),
        ("evaluate_m_plus", "evaluate"), ("full_weak_ft", "train"), ("recipe", "data"))]  # fmt: skip
    assert parts == ["method", "strategies", "control", "evaluation", "evaluation", "baselines", "data"]
    page = made()
    found = costs.parts(page)
    assert sum(part.seconds for part in found) == pytest.approx(1.5 * len(page.records))
    assert math.isclose(sum(part.share for part in found), 1) and sum(part.steps for part in found) == len(page.records)


def test_provenance_is_what_is_on_record(made: Made, folder: Path, record: Any) -> None:
    record(folder, "m_plus", TRAINED)
    assert "most GPU memory of a generation" not in dict(costs.provenance(made()).facts)
    record(folder, "test_m_plus", {"of": 9, "tokens": 9, "cut_off": 0, "device_memory": 3 * 2**30})
    facts = dict(costs.provenance(made()).facts)
    assert facts["most GPU memory of a generation"] == "3.00 GiB"
    assert facts["commit"] == facts["processor"] == facts["commands"] == "not on record"
    assert facts["trained on"] == "CPU, threads: 1" and facts["most GPU memory of a training"] == "1.00 GiB"
    assert "secret-host" not in str(facts)


def test_the_strip_says_what_was_not_measured(made: Made) -> None:
    """The folder has neither weak ICL nor a control."""
    page = made()
    built = strip.build([page], page.results)
    assert [line.answer for line in built.lines] == [
        "not shown",
        "not shown",
        "not shown",
        "not measured",
        "not measured",
    ]
    assert built.lines[0].sentence.startswith("Stage II (DPO) is not distinguished from the weak model: +50.0 points")
    assert not any("repeat a test" in chip.words for chip in built.chips)
    assert ("one seed: 0", True) in built.chips and ("5 of 7 models evaluated", True) in built.chips
    assert ("checksums of all files match", False) in built.chips


@pytest.mark.parametrize(("policy", "kept"), [("allow", 6), ("refuse", 4), ("drop", 4), ("near", 0)])
def test_the_strip_counts_training_questions_that_are_like_one_of_test(
    made: Made, folder: Path, record: Any, policy: str, kept: int
) -> None:
    """2 are the same and 4 nearly; what two training splits share does not count."""
    shared = {"train_1 in test": 0, "train_2 in test": 2, "train_2 in train_1": 9}
    near = {"train_1 in test": 3, "train_2 in test": 1, "train_2 in train_1": 9}
    overlap = {"policy": policy, "masked": False, "given": {"train_1": 30, "train_2": 30, "test": 20}, "examples": {}}
    record(folder, "overlap", overlap | {"shared": shared, "near": near})
    page = made()
    words = [chip.words for chip in strip.build([page], page.results).chips if "repeat a test" in chip.words]
    assert words == ([f"{kept} training questions (nearly) repeat a test question"] if kept else [])


def test_the_strip_names_the_model_whose_answers_were_cut(made: Made, folder: Path, answers: Any) -> None:
    """Three of four cut answers are m_plus's; of two and two neither has more than half."""
    answers(folder, "m_plus", cut=lambda i: i < 3)
    answers(folder, "weak_floor", cut=lambda i: i < 1)
    page = made()
    words = [chip.words for chip in strip.build([page], page.results).chips]
    assert "4 of 50 test answers cut at the token limit, 3 of them by: Stage I" in words
    answers(folder, "m_plus", cut=lambda i: i < 1)
    page = made()
    words = [chip.words for chip in strip.build([page], page.results).chips]
    assert "2 of 50 test answers cut at the token limit" in words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("weak_answers", "Weak model"),
        ("iter1_weak_ft_answers", "Stage I.1 (weak texts)"),
        ("control_iter2_icl_ft_answers", "Control: Stage I.2 (own texts)"),
        ("control_iter1_weak_ft_answers", "Control: Stage I.1 (its majority's texts)"),
        ("control_answers", "Control: own majority"),
        ("m_plus_samples", "Stage I, votes"),
        ("control_m_plus_samples", "Control: Stage I, votes"),
        ("stage1_iter3", "Stage I.3"),
        ("control_stage2_pairs", "Control: Stage II, pairs"),
        ("kept_by_mine", "kept by mine"),
    ],
)
def test_steps_have_words(name: str, words: str) -> None:
    assert step_label(name) == words
