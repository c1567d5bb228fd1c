"""Gold examples are prompts of the model that learns from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from step_params import params_of

from w2s.config.schema import FilesTask, Runtime
from w2s.data import jsonl
from w2s.flow.step import Context
from w2s.models.chat import Chat
from w2s.prompting import PLAIN, Builder
from w2s.records import Question
from w2s.steps import supervise
from w2s.steps.params import Resources

CHAT = Chat(
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>\n{% endfor %}"
    "{{ '<assistant>' if add_generation_prompt }}",
    {"eos_token": "</s>"},
)


@pytest.mark.parametrize(
    ("builder", "prompt", "completion"),
    [
        (PLAIN, "Question: 1+1?\nAnswer:", " Two.\n#### 2"),
        (CHAT, "<user>1+1?<end>\n<assistant>", "Two.\n#### 2<end>"),
    ],
)
def test_gold_examples_are_asked_as_the_builder_asks(
    tmp_path: Path, builder: Builder, prompt: str, completion: str
) -> None:
    file = tmp_path / "q.jsonl"
    jsonl.write(file, [{"id": "a", "question": "1+1?", "answer": "2", "solution": "Two."}])
    context = Context(
        params=params_of(supervise.gold_examples, {"split": "train_1", "style": "gsm8k"}),
        inputs={},
        results={},
        output=tmp_path / "out.jsonl",
        scratch=tmp_path,
        runtime=Runtime(),
        progress=lambda done, total, tokens=0: None,
        resources=Resources(
            builder, task=FilesTask(name="jsonl", train_1=str(file)), questions=[Question("a", "1+1?")]
        ),
    )
    assert supervise.gold_examples(context) == {"of": 1}
    assert [row for _, row in jsonl.read(context.output)] == [{"id": "a", "prompt": prompt, "completion": completion}]
