from __future__ import annotations

from dataclasses import replace

from w2s.flow.step import Step
from w2s.records import Question
from w2s.steps import estimates, select


def test_the_work_of_several_samples_after_demonstrations() -> None:
    """10 around questions of 2 and 6 characters: 12 + 16 = 28, and 4 shots of 14 each; 35 % of 4 x 100 tokens."""
    asked = [Question("a", "1?"), Question("b", "1+1=2?")]
    work = estimates.answering("strong", asked, around=10, samples=3, shots=4, new_tokens=100)
    assert (work.model, work.prompts, work.prompt_characters, work.longest_prompt) == ("strong", 2, 28, 16)
    assert (work.shown_characters, work.shown_tokens, work.rows, work.new_tokens) == (56, 140, 6, 100)


def test_an_agreement_has_two_texts_a_question_for_who_trains_on_both() -> None:
    agreed = Step("stage1_iter1", select.agree, {})
    assert [estimates.most_examples(agreed, source, 5) for source in ("weak", "icl", "both")] == [5, 5, 10]
    assert estimates.most_examples(replace(agreed, run=select.augment), "both", 5) == 10
    assert estimates.most_examples(replace(agreed, run=select.all_examples), "both", 5) == 5
