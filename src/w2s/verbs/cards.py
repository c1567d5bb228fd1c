"""The cards (README.md) of what `w2s export` writes: what it is, what was measured, and what it is not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from w2s.config import load, references
from w2s.config.choices import RowFormat
from w2s.config.schema import Run
from w2s.models import chat
from w2s.models.model import Model
from w2s.prompting import Builder
from w2s.verbs import figures


class Facts(NamedTuple):
    """Of a run: `title` names what is exported."""

    title: str
    run: Run
    results: Mapping[str, Any]


class PromptText(NamedTuple):
    """How a model is asked: for "QUESTION" and "ANSWER", as it was in training."""

    prompt: str
    completion: str
    stop: Sequence[str]
    chat: bool


def prompt_text(run: Run, name: str, model: Model) -> PromptText:
    """How the run asks one of its models. UserError: as `chat.builder`."""
    form = (run.recipe.weak_prompt or run.recipe.prompt) if _is_weak(name) else run.recipe.prompt
    builder: Builder = chat.builder(form, model)
    return PromptText(builder.prompt("QUESTION"), builder.completion("ANSWER"), builder.stop(False), form == "chat")


def of_model(facts: Facts, name: str, prompt: PromptText, *, base: str | None, dtype: str) -> str:
    """The card of a model, in Markdown; `base`: of an adapter."""
    head = {
        "library_name": "peft" if base else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["weak-to-strong", "w2s", "reasoning"],
    }
    recipe = facts.run.recipe
    origin = base or references.parse(recipe.weak if _is_weak(name) else recipe.strong).source
    if origin.count("/") == 1 and not _is_local(origin):
        head["base_model"] = origin.partition("@")[0]
    parts = [
        _front(head),
        f"# {facts.title}\n\n`{name}` of the run `{facts.run.recipe.name}`: made by weak-to-strong reasoning "
        f"([Yang, Ma and Liu 2024](https://arxiv.org/abs/2407.13647)) with w2s {_version(facts)}. "
        f"{_model_sentence(facts, name)}",
        figures.of(facts.results, name),
        _prompting(prompt),
        _use(facts, prompt, base, dtype),
        _data(facts),
        _limits(facts),
        _recipe(facts),
    ]
    return "\n\n".join(parts) + "\n"


def of_data(facts: Facts, counts: Mapping[str, int], format: RowFormat) -> str:
    """The card of training rows; `counts`: rows by name."""
    configs = [{"config_name": name, "data_files": f"{name}.jsonl"} for name in counts]
    columns = {
        "trl": "TRL's prompt-completion and preference rows: texts as the model reads them, with the prompt's format",
        "messages": "TRL's conversational rows: the bare question and the answer as messages",
        "alpaca": "Alpaca rows: the bare question as instruction",
    }[format]
    rows = [f"- `{name}`: {count:,} rows. {_selected(facts, name)}" for name, count in counts.items()]
    call = f'load_dataset("{facts.title}", "{next(iter(counts))}", split="train")'
    use = f"from datasets import load_dataset\n\nrows = {call}"
    whole = format == "trl"
    template = "give it `template: empty`: rows hold whole prompts" if whole else "its template writes the prompt"
    parts = [
        _front({"task_categories": ["text-generation"], "tags": ["weak-to-strong", "w2s", "trl"], "configs": configs}),
        f"# {facts.title}\n\nTraining rows of the run `{facts.run.recipe.name}` of weak-to-strong reasoning "
        f"([Yang, Ma and Liu 2024](https://arxiv.org/abs/2407.13647)) with w2s {_version(facts)}. {columns}. "
        "No answer is gold: weak and strong models wrote all of them, and their agreement and votes chose them.",
        "## Files\n\n" + "\n".join(rows),
        f"## Use\n\n```python\n{use}\n```\n\n`dataset_info.json` is LLaMA-Factory's; " + f"{template}.",
        _limits(facts),
        _recipe(facts),
    ]
    return "\n\n".join(parts) + "\n"


def as_json(content: object) -> str:
    """JSON for people to read."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _front(head: Mapping[str, Any]) -> str:
    """YAML of the hub; JSON values are YAML."""
    return "\n".join(["---", *(f"{name}: {json.dumps(value)}" for name, value in head.items()), "---"])


def _model_sentence(facts: Facts, name: str) -> str:
    found = facts.results.get("models", {}).get(name, {})
    what = found.get("what")
    task = facts.results.get("task")
    return f"Task: {task}." + (f" It is: {what}." if what else "")


def _prompting(prompt: PromptText) -> str:
    stop = "; ".join(json.dumps(text) for text in prompt.stop) or "none but the end of the text"
    how = (
        "The chat template of its tokenizer: `apply_chat_template(messages, add_generation_prompt=True)`."
        if prompt.chat
        else "Plain text, without a chat template and without a space at the prompt's end."
    )
    return (
        f"## How to prompt\n\n{how} In training a question and its answer were this text:\n\n"
        f"{_fenced(prompt.prompt + prompt.completion)}\n\n"
        f"As JSON, the prompt: `{json.dumps(prompt.prompt)}`, and what follows it: `{json.dumps(prompt.completion)}`. "
        f"Texts that end an answer, beside EOS: {stop}. Other prompts were not trained on."
    )


def _use(facts: Facts, prompt: PromptText, base: str | None, dtype: str) -> str:
    name = facts.title
    asked = (
        'prompt = tokenizer.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True, '
        "tokenize=False)"
        if prompt.chat
        else f'prompt = {json.dumps(prompt.prompt)}.replace("QUESTION", question)'
    )
    loader = "AutoPeftModelForCausalLM" if base else "AutoModelForCausalLM"
    library = "from peft import AutoPeftModelForCausalLM\nfrom transformers import AutoTokenizer" if base else (
        "from transformers import AutoModelForCausalLM, AutoTokenizer"
    )  # fmt: skip
    code = (
        f'{library}\n\nquestion = "What is 2 + 2?"\ntokenizer = AutoTokenizer.from_pretrained("{name}")\n'
        f'model = {loader}.from_pretrained("{name}", dtype="{dtype}")\n{asked}\n'
        'inputs = tokenizer(prompt, return_tensors="pt", add_special_tokens='
        f"{'False' if prompt.chat else 'True'})\n"
        "output = model.generate(**inputs, max_new_tokens=512, do_sample=False)\n"
        'print(tokenizer.decode(output[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))'
    )
    of, commit = _parted(base or "")
    served = f"{name} --dtype {dtype}"
    if base:
        served = f"{of}{f' --revision {commit}' if commit else ''} --enable-lora --lora-modules w2s={name}"
    route = (
        "/v1/chat/completions, which applies the template"
        if prompt.chat
        else f'/v1/completions with the prompt above and "stop": {json.dumps(list(prompt.stop))}'
    )
    parts = [
        f"## Use\n\n```python\n{code}\n```",
        f"Serve it: `vllm serve {served}`, then {route}.",
        _evaluation(facts, prompt, base, dtype),
    ]
    return "\n\n".join(parts)


def _evaluation(facts: Facts, prompt: PromptText, base: str | None, dtype: str) -> str:
    name, task = facts.title, str(facts.results.get("task"))
    commands = [
        f"w2s sample --model {name} --task {task} --split test --temperature 0 --out responses.jsonl"
        + (" --prompt chat" if prompt.chat else ""),
        f"w2s tasks {task} --out gold",
        f"w2s grade --task {task} --gold gold/gold_test.jsonl --responses responses.jsonl",
    ]
    lines = ["## Evaluate", _fenced("\n".join(commands))]
    if task == "gsm8k" and not prompt.chat:
        model = f"pretrained={_parted(base)[0]},peft={name}" if base else f"pretrained={name}"
        commands = [
            f"lm_eval --model hf --model_args {model},dtype={dtype} --tasks gsm8k --num_fewshot 0 --log_samples "
            "--output_path logs",
            "w2s grade logs/*/samples_gsm8k_*.jsonl --task gsm8k",
        ]
        lines += ["lm-evaluation-harness asks GSM8K with the same prompt, zero-shot:", _fenced("\n".join(commands))]
    else:
        lines.append(
            "With lm-evaluation-harness: a task whose `doc_to_text` is the prompt above"
            + (" (the bare question, with `--apply_chat_template`)" if prompt.chat else "")
            + ", `--num_fewshot 0` and `--log_samples`; `w2s grade` reads its log. In another prompt figures differ."
        )
    return "\n\n".join(lines)


def _data(facts: Facts) -> str:
    rows = [f"- `{name}`: {_selected(facts, name)}" for name in facts.results.get("selection", {})]
    told = "Gold answers of the questions in `train_2` were read by no step that generates, selects or trains."
    return "## Data\n\n" + "\n".join([told, *([""] if rows else []), *rows])


def _selected(facts: Facts, name: str) -> str:
    found = facts.results.get("selection", {}).get(name, {})
    parts = [f"{found.get('kept', '?'):,} of {found.get('of', '?'):,} questions kept"] if "kept" in found else []
    if found.get("precision") is not None and found.get("precision_ci95"):
        low, high = (100 * end for end in found["precision_ci95"])
        parts.append(f"{100 * found['precision']:.1f} % of them right by gold (95 % {low:.1f} to {high:.1f})")
    what = found.get("what")
    return (f"{what}: " if what else "") + ", ".join(parts) + "." if parts or what else ""


def _limits(facts: Facts) -> str:
    return (
        f"## Limits\n\n- Measured on one task ({facts.results.get('task')}), seed {facts.results.get('seed')}; "
        "nothing is known of others.\n"
        "- Trained on answers of models, wrong ones among them. A right answer may have false steps.\n"
        "- The terms of the base models and of the questions hold for this too; no licence is given here."
    )


def _recipe(facts: Facts) -> str:
    text = load.dump(facts.run).partition("\nruntime:")[0]  # where it ran decides nothing, and may name servers
    for path in _inputs(facts.run):  # a folder of this machine is nobody's business
        text = text.replace(path, Path(path).name)
    versions = ", ".join(f"{name} {version}" for name, version in facts.results.get("versions", {}).items())
    settings = f"<details><summary>All settings</summary>\n\n{_fenced(text, 'yaml')}\n\n</details>"
    return f"## Recipe\n\nVersions: {versions}.\n\n{settings}"


def _inputs(run: Run) -> list[str]:
    """Files and folders of this machine that the recipe names, the longest first."""
    recipe, found = run.recipe, list[str]()
    task = recipe.task.model_dump(include={"train_1", "train_2", "test", "gold", "folder"})
    for value in (*task.values(), recipe.weak, recipe.strong, *recipe.models.values()):
        found += [str(each) for each in (value.values() if isinstance(value, dict) else [value])]
    sources = {references.parse(each).source for each in found if each}
    return sorted((each for each in sources if Path(each).exists()), key=len, reverse=True)


def _version(facts: Facts) -> str:
    return str(facts.results.get("versions", {}).get("w2s", ""))


def _fenced(text: str, language: str = "") -> str:
    """A code block whose fence is in no line of the text."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _is_weak(name: str) -> bool:
    """Whether a run's model was made of the weak one."""
    return name.startswith(("weak_", "rest_weak"))


def _parted(base: str) -> tuple[str, str]:
    """(name, revision or ""): of a hub model."""
    name, _, revision = base.partition("@")
    return (base, "") if _is_local(base) else (name, revision)


def _is_local(reference: str) -> bool:
    return ":" in reference or Path(reference.partition("@")[0]).exists()
