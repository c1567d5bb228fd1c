from __future__ import annotations

from w2s.costs import estimates
from w2s.records import Question


def test_the_work_of_several_samples_after_demonstrations() -> None:
    """10 around questions of 2 and 6 characters: 12 + 16 = 28, and 4 shots of 14 each; 35 % of 4 x 100 tokens."""
    asked = [Question("a", "1?"), Question("b", "1+1=2?")]
    work = estimates.answering("strong", asked, around=10, samples=3, shots=4, new_tokens=100)
    assert (work.model, work.prompts, work.prompt_characters, work.longest_prompt) == ("strong", 2, 28, 16)
    assert (work.shown_characters, work.shown_tokens, work.rows, work.new_tokens) == (56, 140, 6, 100)
