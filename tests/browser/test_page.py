"""The page in Chromium: every count by hand from `conftest.RIGHT`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

Look = Callable[..., Any]
pytestmark = pytest.mark.slow


def test_it_opens_offline_without_a_complaint(look: Look) -> None:
    """What was complained about or requested is asserted when the fixture ends."""
    page = look()
    assert page.count() == 16 and page.id() == "q-0" and page.requests
    assert "Does it beat its teacher?" in page.tab.inner_text(".verdicts")
    assert urlsplit(page.tab.url).fragment == ""  # the address changes only when somebody asks for something


@pytest.mark.parametrize(
    ("words", "count"),
    [("question 1", 7), ("QUESTION 15", 1), ("q-3", 1), ("weak_floor says, on 4,", 1), ("nothing such", 0), ("", 16)],
)
def test_search_looks_into_questions_ids_and_texts(look: Look, words: str, count: int) -> None:
    """ "question 1" is in 1 and 10 to 15: seven."""
    page = look()
    page.tab.fill("#s-q", words)
    assert page.count() == count
    assert ("No question matches" in page.shown()) == (count == 0)


@pytest.mark.parametrize(
    ("cell", "count"),
    [("both", 3), ("a", 6), ("b", 3), ("none", 4), ("differ", 9), ("same", 2), ("noanswer", 1), ("undecided", 0),
     ("cut", 1), ("match", 1), ("", 16)],
)  # fmt: skip
def test_filters_of_two_models(look: Look, cell: str, count: int) -> None:
    """A is m_plus, B the floor. "match": only the 007 of m_plus is right and other than gold as a text."""
    page = look()
    page.tab.select_option("#s-f", cell)
    assert page.count() == count


def test_a_level_is_a_filter(look: Look) -> None:
    page = look()
    page.tab.select_option("#s-l", "2")
    assert page.count() == 8 and page.id() == "q-8"
    page.tab.select_option("#s-u", "algebra")  # the odd ones
    assert page.count() == 4 and page.id() == "q-9" and "level 2 · algebra" in page.shown()
    assert "u=algebra" in page.tab.url


def test_train_2_is_filtered_by_level_too(look: Look) -> None:
    """Of six the last two have level 2, and none has a subject."""
    page = look()
    page.tab.select_option("#s-l", "2")
    page.tab.click("#tab-train")
    assert page.count() == 6 and page.tab.input_value("#s-l") == ""
    assert page.tab.is_visible("#s-l") and not page.tab.is_visible("#s-u")
    page.tab.select_option("#s-l", "2")
    assert page.count() == 2 and page.id() == "t-4" and "level 2" in page.shown()


def test_models_a_and_b_are_chosen_and_swapped(look: Look) -> None:
    page = look()
    cards = "#s-detail .pair .head b"
    assert page.tab.locator(cards).all_inner_texts() == ["Stage I", "Weak model (floor)"]
    page.tab.select_option("#s-b", "strong_ceiling")
    assert page.tab.locator(cards).all_inner_texts() == ["Stage I", "Trained on gold (ceiling)"]
    page.tab.select_option("#s-f", "b")
    assert page.count() == 5  # the ceiling alone: 0, 1, 2, 12, 13
    page.tab.click("#s-swap")
    assert page.tab.locator(cards).all_inner_texts() == ["Trained on gold (ceiling)", "Stage I"]
    assert page.tab.input_value("#s-a") == "strong_ceiling" and page.count() == 0


def test_gold_what_was_read_and_differences_are_shown(look: Look) -> None:
    page = look("#s?id=q-12")
    words = page.shown()
    assert "gold 7" in words and words.count("read as 13") == 2 and "level 2" in words
    marked = page.tab.locator("#s-detail .pair mark").all_inner_texts()
    assert marked == ["m_plus", "weak_floor"]
    page.tab.uncheck("#s-diff")
    assert page.tab.locator("#s-detail mark").count() == 0


def test_keys_go_through_the_list(look: Look) -> None:
    page = look()
    for _ in range(3):
        page.tab.keyboard.press("j")
    page.tab.keyboard.press("k")
    assert page.id() == "q-2"
    page.tab.keyboard.press("/")
    page.tab.keyboard.type("j")  # in a field it is a letter
    assert page.tab.input_value("#s-q") == "j" and page.count() == 0


def test_a_link_opens_what_it_names_and_the_address_follows(look: Look) -> None:
    page = look("#s?id=q-7&a=m_plus&b=weak_floor&f=a&q=how")
    assert (page.id(), page.count(), page.tab.input_value("#s-f"), page.tab.input_value("#s-q")) == (
        "q-7",
        6,
        "a",
        "how",
    )
    page.tab.keyboard.press("j")
    given = parse_qs(urlsplit(page.tab.url).fragment.removeprefix("s?"))
    assert given == {"id": ["q-8"], "a": ["m_plus"], "b": ["weak_floor"], "f": ["a"], "q": ["how"]}
    again = look("#" + urlsplit(page.tab.url).fragment)
    assert (again.id(), again.count()) == ("q-8", 6)


@pytest.mark.parametrize("fragment", ["#s?id=none&a=none&b=none&f=none&l=9", "#s?", "#s?%zz=%", "#s?t=train&d=x", "#x"])
def test_a_wrong_link_does_no_harm(look: Look, fragment: str) -> None:
    page = look(fragment)
    assert page.tab.is_visible("#browser") and page.tab.input_value("#s-a") in (
        "m_plus",
        "weak_answers",
        "m_plus_samples",
    )


def test_a_comparison_opens_the_questions_that_only_one_has_right(look: Look) -> None:
    page = look()
    page.tab.click("#paired a >> nth=0")
    expect = pytest.importorskip("playwright.sync_api").expect  # waits; the page's policy lets no text be evaluated
    expect(page.tab.locator("#s-f")).to_have_value("differ")
    assert page.count() == 9


def test_train_2_has_votes_and_decisions(look: Look) -> None:
    page = look()
    page.tab.click("#tab-train")
    assert page.count() == 6 and "votes: 7 × 8, 9 × 2" in page.shown() and "Stage I.1: kept" in page.shown()
    assert "weak text 0" in page.shown()
    page.tab.select_option("#s-d", "stage1_iter1:disagree")
    assert page.count() == 2 and page.id() == "t-4"
    assert "t=train" in page.tab.url and "d=stage1_iter1" in page.tab.url


def test_hostile_texts_are_inert(look: Look) -> None:
    """In a question, a response and a command; shown in full, as text."""
    page = look()
    for number in (1, 2):
        page.tab.keyboard.press("j")
        assert "window.hacked = 1</script><img" in page.shown(), number
    assert page.tab.evaluate("window.hacked") is None
    assert page.tab.locator("img, iframe").count() == 0
    assert "<img src=x" in page.tab.inner_text("#costs")


def test_an_injected_script_or_style_is_refused(look: Look) -> None:
    """Even if some text became markup, the policy would hold: two complaints, and nothing happened."""
    page = look()
    page.tab.evaluate(
        """() => { for (const [name, text] of [["script", "window.hacked = 3"], ["style", "body { color: red }"]]) {
              const made = document.createElement(name); made.textContent = text; document.body.append(made); } }"""
    )
    assert page.tab.evaluate("window.hacked") is None
    assert len(page.complaints) == 2 and all("Content Security Policy" in line for line in page.complaints)
    page.complaints.clear()


PHONE = {"viewport": {"width": 390, "height": 844}}


def test_a_phone_scrolls_down_only_and_reads_everything(look: Look) -> None:
    """390 pixels wide; all details open; no text below 11 pixels, also in figures."""
    page = look(**PHONE)
    page.tab.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.tab.evaluate("document.documentElement.scrollWidth") == 390
    small = page.tab.evaluate(
        """() => [...document.querySelectorAll("body *")]
              .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()))
              .filter((e) => e.getClientRects().length && parseFloat(getComputedStyle(e).fontSize) < 11)
              .map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert small == []


def test_without_scripts_all_but_the_browser_is_there(look: Look) -> None:
    page = look(java_script_enabled=False)
    assert page.tab.is_visible(".verdicts") and page.tab.is_visible("#training .spark >> nth=0")
    assert not page.tab.is_visible("#browser") and page.tab.is_visible("noscript p")


def test_paper_has_no_browser_and_all_details(look: Look) -> None:
    page = look()
    page.tab.emulate_media(media="print")
    assert not page.tab.is_visible("#samples") and not page.tab.is_visible("nav")
    assert page.tab.is_visible("#paired details table")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_scheme_is_followed(look: Look, scheme: str) -> None:
    page = look(color_scheme=scheme)
    ground = page.tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(252, 252, 250)", "dark": "rgb(21, 24, 27)"}[scheme]
