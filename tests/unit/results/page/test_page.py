"""The page of a run: what it holds, and that hostile text is nothing but text."""

from __future__ import annotations

import base64
import hashlib
import html as entities
import re
from html.parser import HTMLParser

import pytest

from w2s import results as results_of_run
from w2s.config import load, schema
from w2s.results import collect, page
from w2s.results.page import browser

RUN = schema.Run(recipe=schema.Recipe(name="toy", task=schema.ArithTask()))
HOSTILE = "</pre></script><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }} & #### 7"


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def text(folder, model) -> str:
    model(folder, "m_plus", range(0, 6), text=HOSTILE)
    results_of_run.write(folder, RUN)
    return (folder / "report.html").read_text(encoding="utf-8")


def packed(text: str) -> dict:
    found = re.search(r'<script type="application/octet-stream" id="samples-data">([A-Za-z0-9+/=]*)</script>', text)
    assert found is not None
    return browser.unpack(found[1])


def test_model_output_is_text_and_nothing_else(text):
    """Two scripts: the data of the samples, which no browser runs, and the page's own."""
    tags = Tags(text).found
    assert [attributes.get("type") for tag, attributes in tags if tag == "script"] == ["application/octet-stream", None]
    assert not [tag for tag, _ in tags if tag in ("img", "iframe", "object", "link", "base", "form")]
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on") or name == "style"]
    assert "alert(" not in text and HOSTILE in str(packed(text))


def test_a_step_message_is_text_too(folder, record):
    record(folder, "stage1_iter2", {}, "ended", "<script>alert(3)</script>")
    results_of_run.write(folder, RUN)
    assert "<script>alert" not in (folder / "report.html").read_text()


@pytest.mark.parametrize("field", ["id", "question", "prediction", "gold", "level"])
def test_no_field_of_a_row_reaches_the_page_as_markup(folder, answers, field):
    answers(folder, "m_plus", **{field: lambda i: f"{HOSTILE}{i}"})
    results_of_run.write(folder, RUN)
    text = (folder / "report.html").read_text()
    assert "<script>alert" not in text and "<img" not in text


def test_the_policy_allows_one_script_and_one_style_and_nothing_else(text):
    """By their hashes: an injected script or style is refused even if some text were not escaped."""
    policy = next(a["content"] for _, a in Tags(text).found if a.get("http-equiv") == "Content-Security-Policy")
    own = re.findall(r"<(script|style)>(.*?)</\1>", text, re.DOTALL)
    hashes = {
        name: "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for name, content in own
    }
    assert [name for name, _ in own] == ["style", "script"]
    assert policy == (
        f"default-src 'none'; script-src '{hashes['script']}'; style-src '{hashes['style']}'; base-uri 'none'; "
        "form-action 'none'"
    )


def test_the_script_writes_text_only():
    script = page._asset("browser.js")
    assert "textContent" in script
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "fetch(",
                 "XMLHttpRequest", "WebSocket", "import(", "http:", "https:"):  # fmt: skip
        assert word not in script


def test_nothing_is_loaded_from_anywhere(text):
    for tag, attributes in Tags(text).found:
        for name in ("src", "href", "xlink:href", "data", "action"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, name)
    assert not re.search(r"@import|url\((?!#)", text)


def test_the_page_says_what_the_results_say(text):
    for words in ("m_plus", "60.0", "0.50", "PGR = (accuracy", "no preference pair could be made", "disagree 12"):
        assert words in text


def test_the_page_says_for_how_many_tests_p_is_corrected(text):
    """m_pro_dpo with floor, naive and m_plus: three verdicts. m_plus with floor, naive and ceiling: three others."""
    assert "Holm's correction for these 3 comparisons" in text and "(0 of 6 have p ≤ 0.05)" in text
    assert text.count('<tr><th scope="row">m_p') == 6


def test_every_link_inside_the_page_finds_its_place(text):
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    links = set(re.findall(r'href="#([^"]*)"', text))
    assert links and {link for link in links if not link.startswith("s?")} <= set(ids)
    assert "s?a=m_plus&amp;b=weak_floor&amp;f=differ" in links


def test_figures_and_tables_can_be_heard(text):
    """A drawing has a label, or is hidden because the row has its figures as text."""
    tags = Tags(text).found
    drawn = [attributes for tag, attributes in tags if tag == "svg" and attributes.get("class") != "free"]
    assert drawn and all(each.get("aria-hidden") == "true" or each.get("aria-label") for each in drawn)
    assert {attributes.get("scope") for tag, attributes in tags if tag == "th"} == {"row", "col"}
    rows = re.findall(r"<tbody>.*?</tbody>", text, re.DOTALL)
    assert all(body.count("<tr") == body.count('<th scope="row"') for body in rows)


def luminance(colour: str) -> float:
    """WCAG 2.1, relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_all_text_can_be_read_on_every_ground(text):
    """Contrast of 4.5 and more (WCAG 2.1, AA), in the light and in the dark; counts on bars too."""
    schemes = re.findall(r":root \{(.*?)\}", text, re.DOTALL)
    assert len(schemes) == 2
    pairs = [(words, ground) for words in ("ink", "muted", "accent", "good", "bad", "warn") for ground in
             ("paper", "faint")]  # fmt: skip
    pairs += [("ink", "mark"), ("ink", "corrected"), ("ink", "wrong"), ("ink", "band"), ("quiet", "paper")]
    pairs += [("paper", bar) for bar in ("good", "bad", "same")]
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#\w{6})", scheme))
        for words, ground in pairs:
            dark, light = sorted(luminance(colours[name]) for name in (words, ground))
            least = 3.0 if words == "quiet" else 4.5  # marks of figures, not text
            assert (light + 0.05) / (dark + 0.05) >= least, (words, ground)


def test_the_recipe_of_the_page_can_be_run(text, tmp_path):
    shown = re.search(r"The resolved recipe</summary><pre>(.*?)</pre>", text, re.DOTALL)
    assert shown is not None
    (tmp_path / "shown.yaml").write_text(entities.unescape(shown[1]))
    assert load.load(str(tmp_path / "shown.yaml")) == RUN


def test_the_host_is_not_on_the_page(text):
    assert "secret-host" not in text and "w2s 9.9" in text


def test_an_unfinished_limited_or_damaged_run_says_so_at_its_top(folder, record):
    """Two of the seven models have no answers; the limit is of the recipe; a record is damaged by hand."""
    limited = RUN.model_copy(update={"recipe": RUN.recipe.model_copy(update={"limit": 7})})
    (folder / "records" / "stage1_iter1.json").write_text("{}")
    results_of_run.write(folder, limited)
    top = (folder / "report.html").read_text().partition("<main>")[0]
    for words in ("One seed (0)", "at most 7 questions per split", "5 of 7 models evaluated", "<b>Damage:</b>",
                  "limit 7 per split", "1 damaged"):  # fmt: skip
        assert words in top


def test_a_run_without_any_model_has_a_page(tmp_path, record):
    record(tmp_path, "questions_test", {"of": 3})
    results_of_run.write(tmp_path, RUN)
    text = (tmp_path / "report.html").read_text()
    assert "No model of this run has been evaluated" in text and 'id="samples"' not in text


def test_pass_at_k_is_shown(folder, record):
    record(folder, "evaluate_samples_m_plus", {"pass_at_k": {"1": 0.5, "10": 0.9}, "maj_at_k": {"1": 0.5}})
    results_of_run.write(folder, RUN)
    text = (folder / "report.html").read_text()
    assert "pass@10" in text
    assert "90.0" in text


def test_several_runs_need_their_results_over_all_seeds(folder):
    """A dot per seed, and verdicts from the results over the seeds."""
    one = page.read(folder, RUN, collect.collect(folder, RUN))
    with pytest.raises(ValueError, match="2 runs"):
        page.render([one, one])
    over = one.results | {
        "models": {
            name: of | {"by_seed": {"0": of["accuracy"], "1": of["accuracy"]}} for name, of in one.models.items()
        },
        "paired": {
            name: {"difference": 0.5, "ci95": [0.4, 0.6], "p": 0.001, "p_holm": 0.002, "n": 10,
                   "by_seed": {"0": 0.45, "1": 0.55}} for name in one.results["paired"]
        },
        "caveats": ["2 seeds"],
    }  # fmt: skip
    del over["verdicts"]
    text = page.render([one, one], over)
    assert "Stage II (DPO) is better than the weak model: +50.0 points (95 % +40.0 to +60.0)" in text
    assert "seeds 0, 0" in text and "One seed" not in text and "each seed" in text
    assert text.count('class="seed ') == 2 * (len(one.models) + len(one.results["paired"]))
