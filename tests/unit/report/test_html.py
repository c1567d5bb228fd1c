from __future__ import annotations

import html as entities
import importlib.util
import json
import re
from html.parser import HTMLParser

import pytest

from w2s import config, presets, report
from w2s.report import collect, html

RUN = config.Run(recipe=config.Recipe(name="toy", task=config.ArithTask()))
HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }} & #### 7"


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def page(folder, model) -> str:
    model(folder, "m_plus", range(0, 6), text=HOSTILE)
    report.write(folder, RUN)
    return (folder / "report.html").read_text(encoding="utf-8")


def test_model_output_is_text_and_nothing_else(page):
    tags = Tags(page).found
    assert not [tag for tag, _ in tags if tag in ("script", "img", "iframe", "object", "link")]
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert entities.escape(HOSTILE, quote=False) in page.replace("&#34;", '"')


def test_a_step_message_is_text_too(folder, record):
    record(folder, "stage1_iter2", {}, "ended", "<script>alert(3)</script>")
    report.write(folder, RUN)
    assert "<script" not in (folder / "report.html").read_text()


def test_nothing_is_loaded_from_anywhere(page):
    for tag, attributes in Tags(page).found:
        for name in ("src", "href", "xlink:href", "data", "action"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, name)
    assert not re.search(r"@import|url\((?!#)", page)
    assert "<!DOCTYPE svg" not in page


def test_the_page_says_what_the_results_say(page):
    for text in ("m_plus", "60.0", "0.50", "PGR = (accuracy", "no preference pair could be made", "disagree 12"):
        assert text in page
    assert page.count("<svg") == 2


def test_the_bar_for_several_tests_is_told(page):
    """Four pairs of the five models are compared: 0.05 / 4 = 0.0125."""
    assert page.count(" vs ") == 4
    assert "The 4 tests of two models below are not corrected for their number" in page
    assert "0.05 / 4 = 0.0125" in page


def test_figures_take_their_colours_from_the_page(page):
    assert "var(--accent)" in page
    assert "#01020" not in page


def test_no_id_is_there_twice_and_every_reference_finds_its_own(page):
    """Both figures have a `figure_1` of matplotlib's."""
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert {"accuracy-figure_1", "selection-figure_1"} <= set(ids) and len(ids) == len(set(ids))
    referred = set(re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', page))
    assert referred and {first or second for first, second in referred} <= set(ids)


def test_figures_and_tables_can_be_heard(page):
    tags = Tags(page).found
    figures = [attributes for tag, attributes in tags if tag == "svg"]
    assert all(figure["role"] == "img" and figure["aria-label"] for figure in figures) and len(figures) == 2
    assert {attributes.get("scope") for tag, attributes in tags if tag == "th"} == {"row", "col"}
    rows = re.findall(r"<tbody>.*?</tbody>", page, re.DOTALL)
    assert all(body.count("<tr") == body.count('<th scope="row"') for body in rows)


def luminance(colour: str) -> float:
    """WCAG 2.1, relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_all_text_can_be_read_on_paper_and_on_cards(page):
    """Contrast of 4.5 and more (WCAG 2.1, AA), in the light and in the dark."""
    schemes = re.findall(r":root \{(.*?)\}", page, re.DOTALL)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#\w{6})", scheme))
        for text in ("ink", "muted", "accent", "good", "bad", "none"):
            for ground in ("paper", "card"):
                dark, light = sorted(luminance(colours[name]) for name in (text, ground))
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


def test_the_recipe_of_the_page_can_be_run(page, tmp_path):
    shown = re.search(r"The resolved recipe</summary><pre>(.*?)</pre>", page, re.DOTALL)
    assert shown is not None
    (tmp_path / "shown.yaml").write_text(entities.unescape(shown[1]))
    assert presets.load(str(tmp_path / "shown.yaml")) == RUN


def test_without_matplotlib_the_page_says_so(folder, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "matplotlib" else found(name, *a))
    report.write(folder, RUN)
    page = (folder / "report.html").read_text()
    assert "<svg" not in page
    assert "w2s-reasoning[report]" in page


def test_samples_stand_side_by_side(folder):
    answers = collect.read_answers(folder, ["weak_floor", "full_weak_ft", "m_plus", "m_pro_dpo"])
    samples = html.choose_samples(answers, seed=0, count=4)
    assert len(samples) == 4
    assert all(
        [answer["model"] for answer in sample["answers"]] == ["weak_floor", "full_weak_ft", "m_plus", "m_pro_dpo"]
        for sample in samples
    )
    for sample in samples:  # the floor is right on questions 0 and 1 only
        assert sample["answers"][0]["verdict"] == ("correct" if int(sample["id"]) < 2 else "wrong")


def test_samples_do_not_depend_on_the_order_of_files(folder):
    answers = collect.read_answers(folder, ["weak_floor", "m_plus"])
    turned = {name: dict(reversed(rows.items())) for name, rows in answers.items()}
    assert html.choose_samples(answers, 1) == html.choose_samples(turned, 1)
    chosen = [[sample["id"] for sample in html.choose_samples(answers, seed, 5)] for seed in range(4)]
    assert len({tuple(ids) for ids in chosen}) > 1


def test_a_run_without_any_model_has_a_page(tmp_path, record):
    record(tmp_path, "questions_test", {"of": 3})
    report.write(tmp_path, RUN)
    assert "No model of this run has been evaluated" in (tmp_path / "report.html").read_text()


def test_pass_at_k_is_shown(folder, record):
    record(folder, "evaluate_samples_m_plus", {"pass_at_k": {"1": 0.5, "10": 0.9}, "maj_at_k": {"1": 0.5}})
    report.write(folder, RUN)
    page = (folder / "report.html").read_text()
    assert "pass@10" in page
    assert "90.0" in page


def cells(page: str, row: str) -> list[str]:
    """The texts of the cells of the last table row that begins so."""
    found = re.findall(rf"<tr[^>]*>\s*<th scope=.row.>{row}</th>.*?</tr>", page, re.DOTALL)[-1]
    return [re.sub("<.*?>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", found, re.DOTALL)]


def test_what_was_added_is_shown_where_a_set_was_augmented(folder, record):
    report.write(folder, RUN)
    assert "precision of added" not in (folder / "report.html").read_text()
    record(folder, "stage1_iter1", {"kept": 8, "of": 20, "dropped": {"disagree": 12}, "added": 4, "short": 3})
    record(folder, "precision_stage1_iter1", {"precision": 0.75, "ci95": [0.4, 0.9], "added_precision": 0.25,
                                              "added_ci95": [0.05, 0.7]})  # fmt: skip
    report.write(folder, RUN)
    page = (folder / "report.html").read_text()
    assert cells(page, "stage1_iter1") == [
        "stage1_iter1", "8", "20", "75.0", "40.0 to 90.0", "4", "3", "25.0", "5.0 to 70.0", "disagree 12",
    ]  # fmt: skip
    assert cells(page, "stage2_pairs") == ["stage2_pairs", "0", "20", "–", "", "", "", "", "", ""]


TRAINED = {
    "examples": 1580, "tokens": 70_000, "seconds": 200.0, "loss_first": 1.802, "loss_last": 0.0371,
    "chosen_logp_first": None, "chosen_logp_last": None, "chosen_drop_most": None,
}  # fmt: skip
PREFERRED = TRAINED | {"chosen_logp_first": -0.854, "chosen_logp_last": -3.1, "chosen_drop_most": 0.126, "spelled": 4}
GENERATED = {"of": 400, "tokens": 6640, "cut_off": 3, "generation_seconds": 60.0, "parity": {"agreement": 0.8918}}


def steps(page: str) -> str:
    return page.partition("Step by step")[2].partition("</details>")[0]


def test_training_and_generation_are_shown_step_by_step(folder, record):
    """70,000 tokens in 200 s are 350 a second, 6,640 in 60 s 111; 3 of 400 texts are 0.75 %, which prints as 0.8."""
    record(folder, "m_plus", TRAINED)
    record(folder, "m_pro_dpo", PREFERRED)
    record(folder, "test_m_plus", GENERATED)
    record(folder, "m_pro_orpo", {}, "ended", "there is no example to train on")
    report.write(folder, RUN)
    page = (folder / "report.html").read_text()
    assert "Steps of training: 2; of generation: 1. 3 of 400 texts" in page and "4 examples were left out" in page
    table = steps(page)
    assert re.findall(r'scope="col">(.*?)</th>', table) == [
        "step", "texts", "tokens", "tokens/s", "loss", "chosen, nats", "fall, nats a token", "left out", "cut, %",
        "as trained, %",
    ]  # fmt: skip
    assert cells(table, "m_plus") == ["m_plus", "1,580", "70,000", "350", "1.80 → 0.04", "", "", "", "", ""]
    assert cells(table, "m_pro_dpo")[5:8] == ["-0.85 → -3.10", "0.13", "4"]
    assert cells(table, "test_m_plus") == ["test_m_plus", "400", "6,640", "111", "", "", "", "", "0.8", "89.2"]
    assert "m_pro_orpo" not in table


def test_columns_without_anything_are_left_out_and_a_diverged_loss_is_a_dash(folder, record):
    report.write(folder, RUN)
    assert "Step by step" not in (folder / "report.html").read_text()
    record(folder, "m_plus", TRAINED | {"loss_last": None})  # a NaN is null on record
    record(folder, "icl_answers", {"of": 0, "tokens": 0, "cut_off": 0, "generation_seconds": 0.0})
    report.write(folder, RUN)
    table = steps((folder / "report.html").read_text())
    assert re.findall(r'scope="col">(.*?)</th>', table) == ["step", "texts", "tokens", "tokens/s", "loss"]
    assert cells(table, "m_plus")[-1] == "1.80 → –" and cells(table, "icl_answers")[1:] == ["0", "0", "", ""]


def test_undecided_answers_are_shown_where_there_are_some(folder, record):
    report.write(folder, RUN)
    assert "undecided, %" not in (folder / "report.html").read_text()
    result = json.loads((folder / "records" / "evaluate_m_plus.json").read_text())["result"]
    record(folder, "evaluate_m_plus", result | {"undecided": 0.025})
    report.write(folder, RUN)
    page = (folder / "report.html").read_text().partition("How to read this")[0]
    assert cells(page, "m_plus")[5:7] == ["10.0", "2.5"] and cells(page, "weak_floor")[6] == "0.0"


def test_cards_show_what_was_read_as_the_answer(folder):
    path = folder / "data" / "test_m_plus.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    answers = {str(i): "7" for i in range(10)} | {"0": None, "1": "<b>" + "9" * 100}
    path.write_text("".join(json.dumps(row | {"prediction": answers[row["id"]]}) + "\n" for row in rows))
    report.write(folder, RUN)
    page = (folder / "report.html").read_text()
    assert page.count('<div class="read">read as') == 39  # 4 models, 10 questions, one without an answer
    assert f"read as <code>&lt;b&gt;{'9' * 77} … (103 characters)</code>" in page


def test_questions_in_two_splits_are_listed_where_the_record_has_them(folder, record):
    """A folder of before has no such record. Ids are hostile: one is markup, one is half a surrogate pair."""
    report.write(folder, RUN)
    assert "stand in two splits" not in (folder / "report.html").read_text()
    found = {
        "policy": "allow", "masked": False, "given": {"train_1": 30, "test": 20},
        "shared": {"train_1 in test": 7}, "near": {"train_1 in test": 4},
        "examples": {"train_1 in test": [["<b>a", "x"], ["\ud800", "y"]]},
        "repeated": {"train_1": 0, "test": 0}, "dropped": {"train_1": {}, "test": {}},
    }  # fmt: skip
    record(folder, "overlap", found)
    report.write(folder, RUN)
    page = (folder / "report.html").read_text()
    assert cells(page, "train_1 in test") == ["train_1 in test", "30", "7", "4", "&lt;b&gt;a = x, \\ud800 = y"]
    assert "They were kept." in page


def test_accuracy_is_shown_by_level_and_by_subject(folder, record):
    report.write(folder, RUN)
    page = (folder / "report.html").read_text()
    assert "Accuracy by level" in page and "Accuracy by subject" not in page
    result = json.loads((folder / "records" / "evaluate_m_plus.json").read_text())["result"]
    subjects = {"Number <b>theory": {"correct": 1, "n": 4}, "Algebra": {"correct": 5, "n": 6}}
    record(folder, "evaluate_m_plus", result | {"per_subject": subjects})
    report.write(folder, RUN)
    page = (folder / "report.html").read_text()
    assert '<th scope="col">Algebra</th><th scope="col">Number &lt;b&gt;theory</th>' in page
    assert cells(page.partition("Accuracy by subject")[2], "m_plus") == ["m_plus", "83.3", "25.0"]


def test_the_page_says_how_many_kept_pairs_are_one_text_twice(folder, record):
    """Only where a step counted them: no column for records of before that, and an empty cell for Stage II."""
    record(folder, "stage1_iter1", {"kept": 65, "of": 600, "dropped": {}})
    report.write(folder, RUN)
    assert "twice the same text" not in (folder / "report.html").read_text()
    record(folder, "stage1_iter1", {"kept": 65, "of": 600, "same_text": 41, "dropped": {}})
    record(folder, "stage2_pairs", {"kept": 9, "of": 600, "pairs": 9, "dropped": {}})
    results = report.write(folder, RUN)
    assert results["selection"]["stage1_iter1"]["same_text"] == 41
    page = (folder / "report.html").read_text()
    assert "twice the same text" in page
    assert "<td>41</td>" in page
