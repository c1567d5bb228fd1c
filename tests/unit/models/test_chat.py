"""Chat templates as they are published, rendered as transformers renders them, and learned as they are asked."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from w2s.answers import olympicarena
from w2s.engines.base import Decoding, Request
from w2s.engines.tokens import Tokens
from w2s.errors import UserError
from w2s.models import chat, find
from w2s.models.chat import Chat
from w2s.prompting import PLAIN
from w2s.records import Example, Response
from w2s.training import data

LLAMA_3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + "
    "message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}"
    "{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
LLAMA_3_2 = """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim }}
        {{- '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {{- '{"parameters": ' }}{{- message.tool_calls[0].arguments | tojson }}{{- "}" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}"
    "{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}{% else %}"
    "{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)
QWEN_2_5 = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" \
and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
SMOLLM_2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
PHI_3 = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}"
    "{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
GENERATION = """{% for message in messages %}
{% if message.role == 'assistant' %}
<|im_start|>assistant
{% generation %}{{ message.content }}<|im_end|>{% endgeneration %}

{% else %}
<|im_start|>user
{{ message.content }}<|im_end|>
{% endif %}{% endfor %}
{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
THINKING = """{%- for message in messages %}
    {%- if message.role == 'assistant' %}
        {{- '<|Assistant|>' + message.content.split('</think>')[-1] + eos_token }}
    {%- else %}
        {{- '<|User|>' + message.content }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|Assistant|>' }}{%- endif %}"""

MODELS: dict[str, tuple[str, dict[str, str], bool]] = {
    "llama-3": (LLAMA_3, {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}, True),
    "llama-3-with-the-base-model-s-eos": (
        LLAMA_3, {"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>"}, True
    ),
    "llama-3.2": (LLAMA_3_2, {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}, True),
    "gemma": (GEMMA, {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}, True),
    "mistral": (MISTRAL, {"bos_token": "<s>", "eos_token": "</s>"}, True),
    "qwen-2.5": (QWEN_2_5, {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}, False),
    "smollm-2": (SMOLLM_2, {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"}, False),
    "phi-3": (PHI_3, {"bos_token": "<s>", "eos_token": "<|endoftext|>"}, True),
    "generation": (GENERATION, {"eos_token": "<|endoftext|>"}, False),
}  # fmt: skip
"""Template, special tokens, and whether the tokenizer puts BOS first by itself."""

MARKS = (
    "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<start_of_turn>", "<end_of_turn>", "<|im_start|>",
    "<|im_end|>", "<|user|>", "<|assistant|>", "<|end|>",
)  # fmt: skip
SHOTS = [Response("a", "1+1?", "So\n\n2.\n#### 2"), Response("b", " 2+2? ", "#### 4\n")]


def builder(name: str) -> Chat:
    template, tokens, _ = MODELS[name]
    return Chat(template, tokens)


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, PreTrainedTokenizerFast]:
    """For each model a tokenizer with one token a byte and the marks of the templates as special tokens."""
    found = {}
    for name, (template, tokens, puts_bos) in MODELS.items():
        special = list(dict.fromkeys([*tokens.values(), *(mark for mark in MARKS if mark in template)]))
        pieces = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
        core = Tokenizer(models.BPE(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[]))
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        core.decoder = decoders.ByteLevel()
        core.add_special_tokens(special)
        if puts_bos:
            bos = tokens["bos_token"]
            core.post_processor = processors.TemplateProcessing(
                single=f"{bos} $A", special_tokens=[(bos, special.index(bos))]
            )
        found[name] = PreTrainedTokenizerFast(tokenizer_object=core, chat_template=template, **tokens)
    return found


def conversation(question: str) -> list[dict[str, str]]:
    turns = [turn for shot in SHOTS for turn in (("user", shot.question), ("assistant", shot.response))]
    return [{"role": role, "content": content.strip()} for role, content in [*turns, ("user", question)]]


@pytest.mark.parametrize("name", MODELS)
def test_prompts_are_those_of_transformers(name: str, tokenizers: dict[str, PreTrainedTokenizerFast]) -> None:
    tokenizer, dated = tokenizers[name], {"date_string": "26 Jul 2024"}
    for shots, messages in ((SHOTS, conversation("3+3?")), ([], conversation("3+3?")[-1:])):
        prompt = builder(name).prompt("3+3? ", shots)
        assert prompt == tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **dated)
        answered = [*messages, {"role": "assistant", "content": "It is 6.\n#### 6"}]
        whole = tokenizer.apply_chat_template(answered, tokenize=False, **dated)
        learned = prompt + builder(name).completion(" It is 6.\n#### 6\n")
        assert whole.startswith(learned)
        assert "".join(whole.removeprefix(learned).split()) in ("", tokenizer.eos_token)


def test_what_follows_a_prompt_has_the_end_of_turn_unless_that_is_eos() -> None:
    found = {name: (builder(name).completion(" 6\n"), builder(name).stop(True)) for name in MODELS}
    assert found == {
        "llama-3": ("6", ()),
        "llama-3-with-the-base-model-s-eos": ("6<|eot_id|>", ("<|eot_id|>",)),
        "llama-3.2": ("6", ()),
        "gemma": ("6<end_of_turn>", ("<end_of_turn>",)),
        "mistral": ("6", ()),
        "qwen-2.5": ("6", ()),
        "smollm-2": ("6", ()),
        "phi-3": ("6<|end|>", ("<|end|>",)),
        "generation": ("6<|im_end|>", ("<|im_end|>",)),
    }
    assert all(builder(name).stop(False) == builder(name).stop(True) for name in MODELS)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="<|>"), min_size=1, max_size=40).filter(str.strip)


@pytest.mark.parametrize("name", MODELS)
@given(question=TEXT, response=TEXT)
def test_training_sees_what_generation_sees(
    name: str, tokenizers: dict[str, PreTrainedTokenizerFast], question: str, response: str
) -> None:
    """One BOS, EOS once and last, the loss from the first token that generation would write to where it would stop."""
    asked, tokenizer = builder(name), tokenizers[name]
    prompt = asked.prompt(question, SHOTS)
    (row,) = data.encode(tokenizer, [Example("a", prompt, asked.completion(response))], 10**6)
    stop = asked.stop(True)
    tokens = Tokens(tokenizer, [tokenizer.eos_token_id], None)
    assert list(row.prompt) == tokens.prompts([prompt])[prompt]
    assert row.labels == [data.IGNORE] * len(row.prompt) + list(row.completion)
    assert row.labels[-1] == tokenizer.eos_token_id not in row.completion[:-1]
    puts_bos = MODELS[name][2]
    assert row.tokens.count(tokenizer.bos_token_id) == puts_bos or not puts_bos  # ChatML's turns start with "BOS"
    written = [*row.completion]
    end = next(place for place, token in enumerate(written) if token in tokens.ending(stop)) + 1
    assert len(written) - end == len(stop)  # the mark of the end of a turn ends a text, before EOS does
    (done,) = tokens.completions([Request("a", 0, prompt)], [written[:end]], Decoding(99, stop=stop))
    assert (done.text, done.finish) == (response.strip(), "stop")


def test_a_chat_model_may_write_question_and_blank_lines() -> None:
    assert not {"Question:", "\n\n"} & set(builder("gemma").stop(True))
    assert "So\n\n2.\n#### 2" in builder("gemma").prompt("3+3?", SHOTS)  # and its demonstrations keep theirs


def test_an_answer_that_the_template_would_cut_is_learned_whole() -> None:
    asked = Chat(THINKING, {"eos_token": "<e>"})
    assert asked.completion("<think>Two and two.</think>4") == "<think>Two and two.</think>4"
    assert asked.completion("4") == "4"


@pytest.mark.parametrize("opening", ["<think>\n", "<think>", "\n[THINK]", "<|think|>\n\n"])
def test_a_prompt_may_open_the_thinking(opening: str) -> None:
    """As the R1 types do: generation sees the opening, so a completion is learned after it."""
    end = "{%- if add_generation_prompt %}{{- '<|Assistant|>' }}{%- endif %}"
    asked = Chat(THINKING.replace(end, end.replace("Assistant|>", "Assistant|>" + opening)), {"eos_token": "<e>"})
    assert asked.prompt("2+2?", SHOTS[:1]).endswith("<|User|>2+2?<|Assistant|>" + opening)
    for response in ("4", "Two and two.</think>4", "<4"):
        assert asked.completion(response) == response
    assert asked.stop(False) == ()


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ raise_exception('no roles') }}", "fails .TemplateError: no roles"),
        ("{% for m in messages %}", "fails .TemplateSyntaxError"),
        ("{{ messages[9].content.x.y }}", "fails .UndefinedError"),
        ("{{ 1 / 0 }}", "fails .ZeroDivisionError"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "fails .SecurityError"),
        ("{{ messages.append(1) }}", "fails .SecurityError"),
        ("{% for i in range(1000000) %}{% endfor %}", "fails .OverflowError"),
        ("{% include 'secrets' %}", "fails .TypeError"),
        ("{{ messages[0].content }}{% if add_generation_prompt %}<think>{% endif %}{{ messages[-1].content }}",
         "changes a prompt when its answer follows"),
        ("{{ messages[0].content }}", "leaves out the assistant's message"),
    ],
)  # fmt: skip
def test_an_unusable_or_hostile_template_is_one_message(template: str, message: str) -> None:
    with pytest.raises(UserError, match=rf"here .prompt.: its chat template {message}") as refused:
        Chat(template, {"eos_token": "</s>"}, "here")
    assert "hint: use prompt=plain" in str(refused.value)


def test_without_eos_nobody_can_say_where_an_answer_ends() -> None:
    with pytest.raises(UserError, match="has no eos_token"):
        Chat(MISTRAL, {"bos_token": "<s>"})


def test_the_hash_holds_what_decides_the_texts_and_nothing_else() -> None:
    gemma, tokens = builder("gemma"), MODELS["gemma"][1]
    assert (
        gemma.hash
        == Chat(GEMMA, tokens | {"pad_token": "<x>"}, "elsewhere").hash
        == pickle.loads(pickle.dumps(gemma)).hash
    )
    others = [
        Chat(GEMMA.replace(" | trim", ""), tokens),
        Chat(GEMMA, tokens | {"bos_token": "<s>"}),
        Chat(GEMMA, tokens | {"eos_token": "</s>"}),
    ]
    assert len({PLAIN.hash, gemma.hash, *(other.hash for other in others)}) == 5
    assert len(gemma.hash) == 64


def saved(folder: Path, config: Any, **files: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer_config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return str(folder)


def test_templates_are_found_where_they_are_kept(tmp_path: Path) -> None:
    tokens = {"bos_token": "<bos>", "eos_token": {"content": "<eos>", "special": True}, "add_bos_token": True}
    expected = Chat(GEMMA, {"bos_token": "<bos>", "eos_token": "<eos>"})
    several = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": GEMMA}]
    for number, (template, files) in enumerate(
        [
            ({"chat_template": GEMMA}, {}),
            ({"chat_template": several}, {}),
            ({"chat_template": "another"}, {"chat_template__jinja": GEMMA}),
            ({}, {"chat_template__jinja": GEMMA}),
        ]
    ):
        assert chat.load(find(saved(tmp_path / str(number), tokens | template, **files))) == expected
    bare = saved(
        tmp_path / "map", {"chat_template": GEMMA, "eos_token": None}, special_tokens_map__json=json.dumps(tokens)
    )
    assert chat.load(find(bare)) == expected


def test_transformers_saves_what_is_read_here(tmp_path: Path, tokenizers: dict[str, PreTrainedTokenizerFast]) -> None:
    for name, tokenizer in tokenizers.items():
        tokenizer.save_pretrained(tmp_path / name)
        assert chat.load(find(str(tmp_path / name))).hash == builder(name).hash


def test_a_model_without_a_template_is_refused_with_the_mend(tmp_path: Path) -> None:
    for config in ({"eos_token": "</s>"}, {"eos_token": "</s>", "chat_template": [{"name": "rag", "template": "x"}]}):
        with pytest.raises(UserError, match=r"(?s)has no chat template: it is a base model.*prompt=plain.*instruct"):
            chat.load(find(saved(tmp_path / "base", config)))
    with pytest.raises(UserError, match="has no chat template"):
        chat.builder("chat", find("w2s:tiny-strong"))
    assert chat.builder("plain", find("w2s:tiny-strong")) is PLAIN
    for place in ("openai:gpt", "scripted:module:function"):
        with pytest.raises(UserError, match=r"(?s)has no chat template here.*prompt=plain"):
            chat.load(find(place))


@pytest.mark.parametrize("config", ["{", "[]", "\udcff"])
def test_a_damaged_configuration_is_named(tmp_path: Path, config: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "tokenizer_config.json").write_bytes(config.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=r"tokenizer_config.json: is not"):
        chat.load(find(str(folder)))


@pytest.mark.parametrize("name", MODELS)
def test_the_type_of_answer_is_read_from_a_chat_prompt_too(name: str) -> None:
    """As OlympicArena asks; the first sentence is another one, and the rest stands on a line of its own."""
    question = (
        "You are participating in an international Math competition.\nThis is a multiple choice question (only one "
        "correct answer).\nYou should only provide the letter.\n\nQuestion: Which?\nA) 1\nB) 2"
    )
    assert olympicarena.expected_answer(builder(name).prompt(question)).kind == "SC"
