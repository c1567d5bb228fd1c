from __future__ import annotations

import html as entities
import importlib.util
import json
import re
from html.parser import HTMLParser

import pytest

from w2s import config, report
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


def test_figures_take_their_colours_from_the_page(page):
    assert "var(--accent)" in page
    assert "#01020" not in page


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
    found = re.findall(rf"<tr[^>]*><td>{row}</td>.*?</tr>", page, re.DOTALL)[-1]
    return [re.sub("<.*?>", "", cell).strip() for cell in re.findall(r"<td.*?</td>", found, re.DOTALL)]


def test_what_was_added_is_shown_where_a_set_was_augmented(folder, record):
    report.write(folder, RUN)
    assert "precision of added" not in (folder / "report.html").read_text()
    record(folder, "stage1_iter1", {"kept": 8, "of": 20, "dropped": {"disagree": 12}, "added": 4, "short": 3})
    record(folder, "precision_stage1_iter1", {"precision": 0.75, "ci95": [0.4, 0.9], "added_precision": 0.25,
                                              "added_ci95": [0.05, 0.7]})  # fmt: skip
    report.write(folder, RUN)
    page = (folder / "report.html").read_text()
    assert cells(page, "stage1_iter1") == [
        "stage1_iter1", "8", "20", "75.0", "40.0 – 90.0", "4", "3", "25.0", "5.0 – 70.0", "disagree 12",
    ]  # fmt: skip
    assert cells(page, "stage2_pairs") == ["stage2_pairs", "0", "20", "–", "", "", "", "", "", ""]


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
    assert "<th>Algebra</th><th>Number &lt;b&gt;theory</th>" in page
    assert cells(page.partition("Accuracy by subject")[2], "m_plus") == ["m_plus", "83.3", "25.0"]
