"""The tables of the page, cell by cell."""

from __future__ import annotations

import re

from w2s import results as results_of_run
from w2s.config import schema

RUN = schema.Run(recipe=schema.Recipe(name="toy", task=schema.ArithTask()))


def cells(page: str, row: str) -> list[str]:
    """The texts of the cells of the last table row that begins so."""
    found = re.findall(rf"<tr[^>]*>\s*<th scope=.row.>{row}</th>.*?</tr>", page, re.DOTALL)[-1]
    return [re.sub("<.*?>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", found, re.DOTALL)]


def test_the_page_shows_the_models_of_the_record(custom):
    results_of_run.write(custom, RUN)
    page = (custom / "report.html").read_text()
    models = page.partition('id="paired"')[0]
    results = re.findall(r'<tr class="result">\s*<th scope="row">(.*?)</th>', models)
    assert results == ["round_3", "m_pro_simpo"]
    assert cells(models, "m_pro_simpo")[-1] == "SimPO from round_3"
    assert "Stage II (SimPO) is not distinguished from teacher: +60.0 points" in page and "p = 0.094 after" in page
    assert "a selector of one&#39;s own" in page and "(<code>gold_model</code>)" in page


def test_what_was_added_is_shown_where_a_set_was_augmented(folder, record):
    results_of_run.write(folder, RUN)
    assert "precision of added" not in (folder / "report.html").read_text()
    record(folder, "stage1_iter1", {"kept": 8, "of": 20, "dropped": {"disagree": 12}, "added": 4, "short": 3})
    record(folder, "precision_stage1_iter1", {"precision": 0.75, "ci95": [0.4, 0.9], "added_precision": 0.25,
                                              "added_ci95": [0.05, 0.7]})  # fmt: skip
    results_of_run.write(folder, RUN)
    page = (folder / "report.html").read_text()
    assert cells(page, "stage1_iter1") == [
        "stage1_iter1", "8", "20", "75.0", "40.0 to 90.0", "4", "3", "25.0", "5.0 to 70.0", "disagree 12", "both agree",
    ]  # fmt: skip
    assert cells(page, "stage2_pairs") == ["stage2_pairs", "0", "20", "–", "", "", "", "", "", "", "preference pairs"]


TRAINED = {
    "examples": 1580, "tokens": 70_000, "seconds": 200.0, "loss_first": 1.802, "loss_last": 0.0371,
    "chosen_logp_first": None, "chosen_logp_last": None, "chosen_drop_most": None,
}  # fmt: skip
PREFERRED = TRAINED | {"chosen_logp_first": -0.854, "chosen_logp_last": -3.1, "chosen_drop_most": 0.126, "spelled": 4}
GENERATED = {"of": 400, "tokens": 6640, "cut_off": 3, "generation_seconds": 60.0, "parity": {"agreement": 0.8918}}


def steps(page: str) -> str:
    return page.partition("Step by step")[2].partition("</details>")[0]


def test_training_and_generation_are_shown_step_by_step(folder, record):
    """70,000 tokens in 200 s are 350 per second, 6,640 in 60 s 111; 3 of 400 are 0.75 %, which prints as 0.8."""
    record(folder, "m_plus", TRAINED)
    record(folder, "m_pro_dpo", PREFERRED)
    record(folder, "test_m_plus", GENERATED)
    record(folder, "m_pro_orpo", {}, "ended", "there is no example to train on")
    results_of_run.write(folder, RUN)
    page = (folder / "report.html").read_text()
    assert "Trainings: 2. Generations: 1.\n3 of 400 completions were cut" in page
    assert "4 examples were left out" in page
    table = steps(page)
    assert re.findall(r'scope="col">(.*?)</th>', table) == [
        "step", "examples", "tokens", "tokens/s", "loss", "chosen, nats", "fall, nats per token", "left out", "cut, %",
        "as in training, %",
    ]  # fmt: skip
    assert cells(table, "m_plus") == ["m_plus", "1,580", "70,000", "350", "1.80 → 0.04", "", "", "", "", ""]
    assert cells(table, "m_pro_dpo")[5:8] == ["-0.85 → -3.10", "0.13", "4"]
    assert cells(table, "test_m_plus") == ["test_m_plus", "400", "6,640", "111", "", "", "", "", "0.8", "89.2"]
    assert "m_pro_orpo" not in table


def test_columns_without_anything_are_left_out_and_a_diverged_loss_is_a_dash(folder, record):
    results_of_run.write(folder, RUN)
    assert "Step by step" not in (folder / "report.html").read_text()
    record(folder, "m_plus", TRAINED | {"loss_last": None})  # a NaN is null on record
    record(folder, "icl_answers", {"of": 0, "tokens": 0, "cut_off": 0, "generation_seconds": 0.0})
    results_of_run.write(folder, RUN)
    table = steps((folder / "report.html").read_text())
    assert re.findall(r'scope="col">(.*?)</th>', table) == ["step", "examples", "tokens", "tokens/s", "loss"]
    assert cells(table, "m_plus")[-1] == "1.80 → –" and cells(table, "icl_answers")[1:] == ["0", "0", "", ""]


def test_undecided_answers_are_shown_where_there_are_some(folder, answers):
    results_of_run.write(folder, RUN)
    assert "undecided, %" not in (folder / "report.html").read_text()
    answers(folder, "m_plus", verdict=lambda i: {7: "undecided", 8: "no_answer", 9: "no_answer"}.get(i, "correct"))
    results_of_run.write(folder, RUN)
    page = (folder / "report.html").read_text().partition('id="paired"')[0]
    assert cells(page, "m_plus")[6:8] == ["20.0", "10.0"] and cells(page, "weak_floor")[7] == "0.0"


def test_questions_in_two_splits_are_listed_where_the_record_has_them(folder, record):
    """A folder of before has no such record. Ids are hostile: one is markup, one is half a surrogate pair."""
    results_of_run.write(folder, RUN)
    assert "in two splits" not in (folder / "report.html").read_text()
    found = {
        "policy": "allow", "masked": False, "given": {"train_1": 30, "test": 20},
        "shared": {"train_1 in test": 7}, "near": {"train_1 in test": 4},
        "examples": {"train_1 in test": [["<b>a", "x"], ["\ud800", "y"]]},
        "repeated": {"train_1": 0, "test": 0}, "dropped": {"train_1": {}, "test": {}},
    }  # fmt: skip
    record(folder, "overlap", found)
    results_of_run.write(folder, RUN)
    page = (folder / "report.html").read_text()
    assert cells(page, "train_1 in test") == ["train_1 in test", "30", "7", "4", "&lt;b&gt;a = x, \\ud800 = y"]
    assert "The shared questions were kept." in page


def test_accuracy_is_shown_by_level_and_by_subject(folder, answers):
    """m_plus is right on 0-5: one of the questions 5, 7, 8 and 9, and five of the other six."""
    results_of_run.write(folder, RUN)
    page = (folder / "report.html").read_text()
    assert "Accuracy by level" in page and "Accuracy by subject" not in page
    answers(folder, "m_plus", subject=lambda i: "Number <b>theory" if i in (5, 7, 8, 9) else "Algebra")
    results_of_run.write(folder, RUN)
    page = (folder / "report.html").read_text()
    assert '<th scope="col">Algebra</th><th scope="col">Number &lt;b&gt;theory</th>' in page
    assert cells(page.partition("Accuracy by subject")[2].partition("</table>")[0], "m_plus") == [
        "m_plus",
        "83.3",
        "25.0",
    ]


def test_the_page_says_how_many_kept_pairs_are_one_text_twice(folder, record):
    """Only where a step counted them: no column for records of before that, and an empty cell for Stage II."""
    record(folder, "stage1_iter1", {"kept": 65, "of": 600, "dropped": {}})
    results_of_run.write(folder, RUN)
    assert "same completion twice" not in (folder / "report.html").read_text()
    record(folder, "stage1_iter1", {"kept": 65, "of": 600, "same_text": 41, "dropped": {}})
    record(folder, "stage2_pairs", {"kept": 9, "of": 600, "pairs": 9, "dropped": {}})
    results = results_of_run.write(folder, RUN)
    assert results["selection"]["stage1_iter1"]["same_text"] == 41
    page = (folder / "report.html").read_text()
    assert "same completion twice" in page
    assert "<td>41</td>" in page


def test_the_levels_of_overlap_are_columns_and_an_old_record_has_no_near_duplicates(folder, record):
    counts = {"policy": "near", "masked": False, "given": {"train_1": 9, "test": 5}, "shared": {"train_1 in test": 3},
              "near": {"train_1 in test": 2}, "examples": {"train_1 in test": [["a", "b"]]}}  # fmt: skip
    record(folder, "overlap", counts | {"other_numbers": {"train_1 in test": 4}})
    results = results_of_run.write(folder, RUN)
    page = (folder / "report.html").read_text()
    assert cells(page, "train_1 in test") == ["train_1 in test", "9", "3", "2", "4", "a = b"]
    assert "and near duplicates were removed" in page and results["overlap"]["near"] == {"train_1 in test": 2}
    record(folder, "overlap", counts)
    results_of_run.write(folder, RUN)
    page = (folder / "report.html").read_text()
    assert cells(page, "train_1 in test") == ["train_1 in test", "9", "3", "2", "a = b"]
    assert "near duplicates</th>" not in page


def test_the_page_says_how_many_questions_were_dropped_for_a_cut_text(folder, record):
    """2 in a selection, 3 in the naive baseline's examples."""
    record(folder, "weak_answers", GENERATED)
    for name, dropped in (("stage1_iter1", {"cut": 2, "disagree": 9}), ("full_weak", {"empty": 1, "cut": 3})):
        record(folder, name, {"kept": 8, "of": 20, "dropped": dropped})
    results_of_run.write(folder, RUN)
    page = " ".join((folder / "report.html").read_text().split())
    assert "3 of 400 completions were cut at the token limit. 5 times a selection dropped a question for that" in page
