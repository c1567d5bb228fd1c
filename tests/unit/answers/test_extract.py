from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.answers import extract
from w2s.answers.extract import MAX_ANSWER

STYLES = ["gsm8k", "math", "number", "text", "olympicarena"]

GSM8K = [
    # the format's own mark
    ("2 + 3 = 5.\n#### 5", "5"),
    ("first #### 4\nthen\n####1,200 apples", "1,200"),
    ("#### 18 dollars", "18"),
    ("#### $18", "$18"),
    ("#### **18**", "18"),
    ("#### $18$", "18"),
    (r"#### \boxed{18}", "18"),
    ("#### The answer is 18", "18"),
    ("#### x = 5", "5"),
    ("#### 9 * 2 = 18", "18"),
    ("#### 18 (since 9 * 2 = 18)", "18"),
    ("#### 27 1/2", "27 1/2"),
    ("#### 1 hour, 45 minutes", "1 hour, 45 minutes"),
    ("#### 4:20", "4:20"),
    ("#### 7x + 11", "7x + 11"),
    ("#### 1.2*x", "1.2*x"),
    ("#### 12 - J", "12 - J"),
    ("#### -5", "-5"),
    ("#### 5 million", "5 million"),
    ("#### 18\n\nLet me check: 9 * 2 = 18, and 3 + 4 = 7.", "18"),
    ("#### Step 1: 3 apples\nshe has 3 * 2 = 6\n#### Step 2: done", "6"),
    ("#### 1. Add the eggs\nThat makes 7 eggs", "7"),
    ("####\nno number here", None),
    ("#### - 5", "-5"),
    ("#### \u20135", "\u20135"),
    ("#### -\u200e5", "-5"),
    ("The answer is \u20135.", "\u20135"),
    ("The answer is: - $5", "-$5"),
    ("The answer is:\n- 5 apples", "5"),
    ("10\u20135", "5"),
    ("#### 10 \u2013 5", "10 \u2013 5"),
    ("#### \uff11\uff18", "18"),
    ("#### \u0661\u0668", "18"),
    (r"#### \dfrac12", r"\dfrac12"),
    ("#### 2½", "2½"),
    ("#### ¼", "¼"),
    ("#### 5²", "5²"),
    ("#### 5k", "5k"),
    (r"#### \sqrt{2}", r"\sqrt{2}"),
    (r"#### 3\sqrt{2}", r"3\sqrt{2}"),
    ("The answer is 50 % of 20 = 10", "10"),
    ("The answer is 50% of the eggs", "50%"),
    # statements
    ("The answer is: 18.", "18"),
    ("So the answer is $5 x 3 = $15 in total.", "$15"),
    ("So the answer is 18 apples.", "18"),
    ("The answer is 18 because 9 x 2 = 18 and 7 = 3 + 4", "18"),
    ("The answer is 18 = 9 * 2.", "18"),
    ("The answer is 18! Well done.", "18"),
    ("the answer is therefore 18", "18"),
    ("The answer to the question is therefore: 18.", "18"),
    ("The final answer is 18.\nShe has 9 ducks.", "18"),
    ("The final answer is:\n18", "18"),
    ("The final answer is: $\\boxed{18}$", "18"),
    ("Final Answer: The final answer is $\\boxed{18}$. I hope it is correct.", "18"),
    ("The answer would be 18, after 3 days", "18"),
    ("The answer = 18 after 3 days", "18"),
    ("Answer: 18\n\nExplanation: she sells 9 eggs for 2 dollars.", "18"),
    ("**Answer: 18**", "18"),
    ("**Answer:** 18", "18"),
    ("**Answer**: $18$", "18"),
    ("**Final Answer**\n\n18 dollars, for 9 eggs", "18"),
    ("### Answer\n18\n\nwith 9 eggs", "18"),
    ("Ans: 18, from 9", "18"),
    ("Answer: Janet makes $18 every day.", "$18"),
    ("Answer: She has 3 + 4 = 7 eggs", "7"),
    ("Answer: There are 15 trees. Then 21 trees. 21 - 15 = 6.", "6"),
    ("Answer: She sold 48 clips in April\nThen she sold 24, so 72 in all", "72"),
    ("The answer is 17. No, the answer is 18.", "18"),
    ("The answer is 18. This answer is correct, 9 eggs were sold.", "18"),
    ("The answer is 18.\nThe answer is not 9.", "18"),
    ("The answer is 2\\pi", "2\\pi"),
    ("The answer is $1,234.50 a year", "$1,234.50"),
    ("The answer is -$5", "-$5"),
    ("The answer is 3/4 of a cup", "3/4"),
    ("The answer is 50%.", "50%"),
    ("The answer is .5", ".5"),
    # boxes
    (r"Thus \boxed{18}", "18"),
    (r"Thus \boxed{18 \text{ dollars}} for 9 eggs", "18"),
    (r"\boxed{x = 18}", "18"),
    (r"\boxed{\$18}", r"\$18"),
    (r"\boxed{\frac{3}{4}}", r"\frac{3}{4}"),
    (r"The answer is 17. Let me redo it: \boxed{18}", "18"),
    (r"\boxed{17} was wrong. The answer is 18.", "18"),
    (r"\boxed{none} and 18 eggs", "18"),
    # the rest
    ("Janet makes **$18** a day for 7 days.", "$18"),
    ("**Step 1:** 4 eggs\nIn all, **18** eggs in 7 days.", "18"),
    ("Therefore, Janet makes $18 every day.", "$18"),
    ("He has 3 and then 1,200.", "1,200"),
    ("It sank to -4.5 degrees", "-4.5"),
    ("It sank to \u22124.5 degrees", "\u22124.5"),
    ("it is 10-5", "5"),
    ("it is 10 - 5", "5"),
    ("between 10 and -5", "-5"),
    ("$10-$5", "$5"),
    ("x=-5", "-5"),
    ("a range of 10-12 eggs", "12"),
    ("half of it, 3/4 cup", "3/4"),
    ("He is left with 2 1/2 cups", "2 1/2"),
    ("a total of 3 x 10^8 m", "3 x 10^8"),
    ("about 1.5e3 eggs", "1.5e3"),
    ("an area of 50 cm^2", "50"),
    (r"an area of $50 \text{ m}^{2}$", "50"),
    ("she has 7 on the 3rd day", "7"),
    ("GPT4 says 7, as does GPT5", "7"),
    ("GPT4", "4"),
    ("1. Add them\n2. That makes 8\n3. Done here", "8"),
    ("8 eggs, see Step 3", "8"),
    ("at 3:30", "3:30"),
    ("2:3", "2:3"),
    ("1{,}234 eggs", "1{,}234"),
    ("5 million", "5 million"),
    ("no digits", None),
    ("", None),
    # a new problem, an end of turn, thoughts
    ("#### 5\nQuestion: another?\nAnswer: #### 7", "5"),
    ("#### 5 Question: another?\nAnswer: #### 7", "5"),
    ("#### 5\nquestion: another?\n#### 7", "5"),
    ("#### 5\nNext question: another? #### 7", "5"),
    ("The next question: is it 7?", "7"),
    ("#### 5\nQuestion 2\n#### 7", "5"),
    ("#### 5\n**Question**\n#### 7", "5"),
    ("#### 5\nQ: another?\nA: #### 7", "5"),
    ("#### 5\n\nProblem:\nanother? #### 7", "5"),
    ("#### 5\n### Problem 2\n#### 7", "5"),
    ("#### 5\nUser: thanks\n#### 7", "5"),
    ("#### 5</s>#### 7", "5"),
    ("#### 5<|im_end|>\n<|im_start|>user\n#### 7", "5"),
    ("#### 5<|eot_id|>#### 7", "5"),
    ("#### 5<end_of_turn>\n#### 7", "5"),
    ("Problem: 3 eggs\n#### 5", "5"),
    ("Question: the next one? #### 7", None),
    ("In question 2 there are 7 eggs", "7"),
    ("<think>\nQuestion: is it #### 7?\n</think>\n\n#### 5", "5"),
    ("is it \\boxed{7}?</think>It is 5.", "5"),
]
MATH = [
    (r"The answer is: \frac{1}{2}", r"\frac{1}{2}"),
    (r"The final answer is $3$. The answer is: 3", "3"),
    ("The answer is 5. I hope it is correct.", "5"),
    ("The answer is 5. We check it: 5 > 4.", "5"),
    (r"The answer is $37(a+3)(a-1)$", "37(a+3)(a-1)"),
    (r"The answer is $x$ and $y$.", "$x$ and $y$"),
    (r"The answer is $18$ dollars.", "18"),
    (r"The answer is $ 0$ because $a = 0$", "0"),
    (r"The answer is \[ \frac{3}{4}. \]", r"\frac{3}{4}"),
    ("The answer is:\n\n$$\n18\n$$\n", "18"),
    (r"The answer is: $\boxed{\frac{3}{2}}$ The answer is: 3/2", "3/2"),
    (r"so \boxed{\frac{1}{\sqrt{2}}} holds", r"\frac{1}{\sqrt{2}}"),
    (r"\fbox{7}", "7"),
    (r"\boxed 7", "7"),
    (r"\boxed {7}", "7"),
    (r"\boxed{\boxed{7}}", r"\boxed{7}"),
    (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
    (r"\boxed{\left\{x > 0\right.}", r"\left\{x > 0\right."),
    (r"\boxed{1} and \boxed{2}", "1, 2"),
    (r"\boxed{1} or \boxed{2}", "1, 2"),
    (r"$x=\boxed{1}$, $y=\boxed{2}$", "1, 2"),
    (r"\boxed{1}, \boxed{2}, and \boxed{3}", "1, 2, 3"),
    (r"\boxed{\frac12} = \boxed{0.5}", "0.5"),
    (r"\boxed{1} is wrong and so it must be \boxed{2}", "2"),
    (r"\boxed{unclosed 7", "7"),
    (r"\boxed{5} and then \boxed{6", "5"),
    (r"{ \boxed{5} }}}", "5"),
    (r"\boxed{}", None),
    (r"= \boxed{45}. Thus our answer is correct.", "45"),
    ("So the answer is Evelyn.", "Evelyn"),
    ("**Answer:** Evelyn\n\nShe runs fastest, at 5 m/s.", "Evelyn"),
    ("The answer is the number of ways to choose some of the books. There are 45", "45"),
    ("**Final Answer**\n\n$(1,2)$", "(1,2)"),
    ("#### 1. First\n#### x^2", "x^2"),
    ("x is 3/4", "3/4"),
    ("The answer is 5!", "5!"),
]
NUMBER = [
    ("from 3 to 12.5%", "12.5%"),
    ("no digits", None),
    ("The answer is 7.0.", "7.0"),
    ("#### 7\nThe answer is 8.", "8"),
    ("It is #### 7", "7"),
]
TEXT = [
    ("I think so.\nYes", "Yes"),
    ("The answer is Paris.\nBye", "Paris"),
    ("The answer is Paris. It lies in France.", "Paris"),
    ("The answer is Mr. Smith.", "Mr. Smith"),
    ("The answer is the U.S. Army.", "the U.S. Army"),
    ("**Answer:** *Paris*", "Paris"),
    ("Answer: \\boxed{Paris}", "Paris"),
    ("", None),
]
OLYMPICARENA = [
    (r"The final answer is $\boxed{\frac{1}{4}}$.", r"\frac{1}{4}"),
    (r"the correct answer is B) wind. The final answer is $\boxed{\text{B}}$.", r"\text{B}"),
    (r"The sum is \boxed{2}. The final answer is $\boxed{AD}$.", "AD"),
    (r"The final answer is $\boxed{True}$." + "\n\nYou are participating in an international Math competition", "True"),
    (r"The final answer is \boxed{A}. You end with 'The final answer is $\boxed{ANSWER}$'", "A"),
    ("Therefore, the final answer is A, C.", "A, C"),
    ("Therefore, option D fits. It has 4 parts", "D"),
    ("Therefore it has 4 parts", "4"),
    ("Therefore", None),
]  # fmt: skip
CASES = [
    (text, style, answer)
    for style, cases in zip(STYLES, [GSM8K, MATH, NUMBER, TEXT, OLYMPICARENA], strict=True)
    for text, answer in cases
]


@pytest.mark.parametrize(("text", "style", "answer"), CASES)
def test_flexible(text: str, style: str, answer: str | None) -> None:
    assert extract(text, style) == answer


@pytest.mark.parametrize(
    ("text", "style", "answer"),
    [
        ("2 + 3 = 5.\n#### 5", "gsm8k", "5"),
        ("#### 5\nQuestion 2: #### 6", "gsm8k", "5"),  # released: cut at "Question" without a colon
        ("#### 5\nThat is all 5", "gsm8k", None),  # released: the mark must stand on the last line
        ("#### 1 #### 2", "gsm8k", "1 #### 2"),
        ("He has 18", "gsm8k", None),
        ("The answer is 1,200.5. So", "gsm8k", "1200.5"),
        ("The answer is: 7", "math", "7"),
        (r"\boxed{7}", "math", None),
        ("The answer is 7.0.", "number", "7.0"),
        ("Answer: 7", "number", None),
        ("The answer is Paris.\nBye", "text", "Paris"),
        ("Paris", "text", None),
        (r"\boxed{7} and later \boxed{8}", "olympicarena", "7"),  # that benchmark's judge: the first box
        ("The final answer is 7", "olympicarena", None),
    ],
)
def test_strict(text: str, style: str, answer: str | None) -> None:
    assert extract(text, style, flexible=False) == answer


def test_an_answer_that_is_too_long_is_no_answer() -> None:
    assert extract("#### " + "7" * MAX_ANSWER, "gsm8k") == "7" * MAX_ANSWER
    assert extract("The answer is: " + "x" * (MAX_ANSWER + 1), "text", flexible=False) is None
    assert extract(r"\boxed{5} then \boxed{" + "x" * (MAX_ANSWER + 1) + "}", "math") == "5"


def test_only_the_end_of_a_long_response_is_read() -> None:
    assert extract("#### 4\n" + "so it goes on. " * 2000 + "\n7", "gsm8k") == "7"


_PIECES = [
    "####", "#### ", "#### 1 #", "1,", "1.", "1", "-", "1-", "1 ", "1/", "1 1/", "1:", "1e", "1^", "$", "-$.",
    "answer is ", "answer is 1. ", "Answer:", "\nAnswer\n", "answer ", "The answer is not ", r"\boxed{",
    r"\boxed{}", r"\boxed{a}", r"\boxed{1}", r"\boxed{1},", r"\boxed ", "{", "}", "{}", "\\", r"\[", r"\(", "*",
    "**", "**1", "** ", "#", "_", " ", "\n", "\n# ", "\n1. a", "Question", "Question:", "Q", "\nQ", "\0", "\u200f",
    "</think>", "<think>", "\\frac{1}", "=", "x=", "option ", "because ", ". A", "１", "é", "th",
]  # fmt: skip


@pytest.mark.parametrize("piece", _PIECES)
def test_hostile_text_is_read_in_linear_time(piece: str) -> None:
    """A megabyte of repeated marks, then an answer; quadratic work would take minutes."""
    text = piece * (1_000_000 // len(piece))
    for style in STYLES:
        for whole in (text, text[:19_000] + " answer is 7"):
            for flexible in (True, False):
                start = time.process_time()
                answer = extract(whole, style, flexible=flexible)
                assert time.process_time() - start < 60
                assert answer is None or 0 < len(answer) <= MAX_ANSWER


def test_a_line_of_a_hundred_megabytes() -> None:
    text = "1 " * 50_000_000
    start = time.process_time()
    assert extract(text, "gsm8k") == "1"
    assert time.process_time() - start < 60


_MARKS = st.sampled_from([
    "answer is ", "Answer:", "#### ", r"\boxed{", "}", "{", "$", "**", "\n", "=", "1", "2,000", "-", " and ", ".", "\\",
    "x", "<think>", "</think>", "Q:", "</s>", "option B", "%", r"\frac{1}{2}", "\0",
])  # fmt: skip
_TEXTS = st.one_of(st.text(max_size=300), st.lists(_MARKS, max_size=30).map("".join))


@given(_TEXTS, st.sampled_from(STYLES), st.booleans())
def test_never_raises_and_stays_in_bounds(text: str, style: str, flexible: bool) -> None:
    answer = extract(text, style, flexible=flexible)
    assert answer is None or (0 < len(answer) <= MAX_ANSWER and answer == answer.strip())


@given(
    _TEXTS.filter(lambda text: not text.startswith("<think>")),
    st.sampled_from(STYLES),
    _TEXTS.filter(lambda text: "</think>" not in text),  # it ends reasoning that the prompt has opened
)
def test_text_after_the_next_question_never_counts(text: str, style: str, more: str) -> None:
    assert extract(f"{text}Question:{more}", style) == extract(text, style)
    assert extract(f"{text}\nQuestion 2 {more}", style) == extract(text, style)


_NUMBERS = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["", "-"]),
    st.sampled_from(["", "$"]),
    st.integers(0, 10**12).map(lambda n: f"{n:,}"),
    st.sampled_from(["", ".5", ".25"]),
    st.sampled_from(["", "%", " million"]),
)


_NUMBER_FORMS = st.sampled_from([
    "#### {}", "#### {} eggs", "The answer is {}.", "The answer is: **{}**", "**Answer: {}**", "### Answer\n{}",
    "\\boxed{{{}}}", "So $\\boxed{{{}}}$.", "In all **{}** eggs.", "That makes {} eggs.",
])  # fmt: skip
_ANSWERS = st.sampled_from([
    r"\frac{1}{2}", "x^2+1", r"\{1, 2\}", "(1,2]", r"\sqrt{2}", "-5", "1,234", r"90^\circ", "y = 2x", r"\text{east}",
])  # fmt: skip
_ANSWER_FORMS = st.sampled_from([
    "The answer is: {}", "The answer is ${}$.", "Answer: ${}$\n\nWe see why.", "The final answer is $\\boxed{{{}}}$.",
    "**Final Answer**\n\n\\[ {} \\]", "so \\fbox{{{}}} holds",
])  # fmt: skip


@given(_NUMBERS, st.sampled_from(["gsm8k", "number"]), _NUMBER_FORMS)
def test_a_number_is_read_as_it_was_written(number: str, style: str, form: str) -> None:
    assert extract("She has 3 hens and 7 eggs.\n" + form.format(number), style) == number


@given(_ANSWERS, st.sampled_from(["math", "olympicarena"]), _ANSWER_FORMS)
def test_mathematics_is_read_as_it_was_written(answer: str, style: str, form: str) -> None:
    assert extract("We take 3 steps and 7 cases.\n" + form.format(answer), style) == answer
