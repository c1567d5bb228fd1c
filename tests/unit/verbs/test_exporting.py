"""What `w2s export` gives away, and what it refuses."""

from __future__ import annotations

import inspect
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from response_files import lines

import w2s
from w2s import models, results
from w2s.config import load
from w2s.config.schema import Runtime
from w2s.errors import UserError
from w2s.flow import runner
from w2s.flow.step import Step
from w2s.models import files

PAIR = {
    "id": 1, "prompt": "Question: 1+1?\nAnswer:", "chosen": " 2", "rejected": " 3", "weak_role": "chosen",
    "confidence": 0.75,
}  # fmt: skip
ROW = {"id": 1, "source": "weak", "prompt": "Question: 1+1?\nAnswer:", "completion": " 2", "prediction": "2"}


def _model(context: Any) -> dict[str, Any]:
    """The shipped strong model, in float32 as trainings write it."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(models.ASSETS / "tiny-strong", context.output)
    weights = context.output / "model.safetensors"
    save_file({name: tensor.float() for name, tensor in load_file(weights).items()}, weights, {"format": "pt"})
    if template := context.params.get("template"):
        (context.output / "chat_template.jinja").write_text(template)
        config = context.output / "tokenizer_config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"eos_token": "<eos>"}))
    return {}


def _adapter(context: Any) -> dict[str, Any]:
    """Rank 1 on the first query projection of the shipped strong model: B is zero but for one 0.5, A is all ones."""
    import numpy
    from safetensors.numpy import save_file

    name = "model.layers.0.self_attn.q_proj"
    size = files.read_json(models.ASSETS / "tiny-strong/config.json")["hidden_size"]
    up, down = numpy.zeros((size, 1), numpy.float32), numpy.ones((1, size), numpy.float32)
    up[3, 0] = 0.5
    context.output.mkdir()
    weights = {f"base_model.model.{name}.lora_A.weight": down, f"base_model.model.{name}.lora_B.weight": up}
    save_file(weights, context.output / "adapter_model.safetensors")
    config = {
        "base_model_name_or_path": context.params["base"], "r": 1, "lora_alpha": 1, "target_modules": ["q_proj"],
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "layers_to_transform": [0],
    }  # fmt: skip
    (context.output / "adapter_config.json").write_text(json.dumps(config))
    return {}


def _rows(context: Any) -> dict[str, Any]:
    context.output.write_text("".join(json.dumps(row) + "\n" for row in context.params["rows"]))
    return {}


def figures(right: int) -> dict[str, Any]:
    return {"accuracy": right / 10, "ci95": [0.05, 0.9], "correct": right, "n": 10, "pgr": None, "pgr_ci95": None}


RESULTS: dict[str, Any] = {
    "name": "tiny", "task": "gsm8k", "seed": 3, "finished": True, "n_test": 10, "damage": [],
    "caveats": ["one seed (3)"], "versions": {"w2s": "0.1.0"},
    "models": {
        "weak_floor": figures(2), "m_plus": {**figures(6), "what": "Stage I", "pgr": 0.5, "pgr_ci95": [0.1, 0.9]},
        "strong_ceiling": figures(9), "control_strong_only": figures(5),
    },
    "strategies": {"weak_to_strong": {"model": "m_plus", "control": "control_strong_only"}},
    "paired": {"m_plus vs weak_floor": {"difference": 0.4, "ci95": [0.1, 0.7], "mcnemar_p": 0.125}},
    "selection": {
        "stage1_iter2": {"kept": 1, "of": 4, "precision": 0.5, "precision_ci95": [0.1, 0.9], "what": "Stage I.2"},
        "stage2_pairs": {"kept": 1, "of": 4, "precision": None},
        "control_stage2_pairs": {"kept": 0, "of": 4},
    },
}  # fmt: skip


TEMPLATE = (
    "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{{ eos_token if m['role'] == 'assistant' else '' }}"
    "{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return made(tmp_path / "run", "org/base")


def made(folder: Path, base: str, *overrides: str) -> Path:
    """A run's folder: a model, an adapter on `base`, training rows, and results by hand."""
    steps = [
        Step(
            "m_plus",
            _model,
            {"template": TEMPLATE if "prompt=chat" in overrides else None},
            output="models/m_plus",
            kind="train",
        ),
        Step("m_pro_dpo", _adapter, {"base": base}, output="models/m_pro_dpo", kind="train"),
        Step("stage1_iter2", _rows, {"rows": [ROW]}, output="data/stage1_iter2.jsonl", kind="data"),
        Step("stage2_pairs", _rows, {"rows": [PAIR]}, output="data/stage2_pairs.jsonl", kind="data"),
    ]
    runner.run(steps, folder, Runtime(progress=False))
    (folder / "recipe.yaml").write_text(load.dump(load.load("tiny", list(overrides))))
    (folder / "results.json").write_text(json.dumps(RESULTS))
    return folder


def front(card: str) -> dict[str, Any]:
    """The hub's part of a card."""
    return yaml.safe_load(card.split("---\n")[1])


def test_a_model_is_whole_in_bfloat16_with_its_card(run: Path, tmp_path: Path) -> None:
    from safetensors import safe_open

    exported = w2s.export(run, tmp_path / "out", model="m_plus")
    written = {path.name for path in (tmp_path / "out").iterdir()}
    source = {path.name for path in (run / "models/m_plus").iterdir()}
    assert written == set(exported.files) == source | {"README.md"}
    files.check_folder(tmp_path / "out", "out")
    assert files.read_json(tmp_path / "out/config.json")["dtype"] == "bfloat16"
    with safe_open(tmp_path / "out/model.safetensors", "pt") as opened:
        assert {str(opened.get_tensor(name).dtype) for name in opened.keys()} == {"torch.bfloat16"}  # noqa: SIM118
    assert not list(tmp_path.glob(".w2s-export*"))
    card = (tmp_path / "out/README.md").read_text()
    assert front(card)["library_name"] == "transformers"
    for text in (
        "| **Stage I (`m_plus`)** | 60.0 (5.0 to 90.0) | 10 | 0.50 (0.10 to 0.90) |",
        "`control_strong_only`) | 50.0 (5.0 to 90.0) | 10 | - |",
        "- m_plus against weak_floor: +40.0 (+10.0 to +70.0; p = 0.12)",
        "- one seed (3)",
        "```\nQuestion: QUESTION\nAnswer: ANSWER\n```",
        'the prompt: `"Question: QUESTION\\nAnswer:"`',
        "# out\n",
        "`vllm serve out --dtype bfloat16`",
        "lm_eval --model hf --model_args pretrained=out,dtype=bfloat16 --tasks gsm8k --num_fewshot 0",
        "1 of 4 questions kept, 50.0 % of them right by gold (95 % 10.0 to 90.0)",
        "seed 3",
        "strong: w2s:tiny-strong",
    ):
        assert text in card, text
    assert "runtime:" not in card


def test_the_python_of_a_card_runs(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands in the card, beside the exported folder."""
    w2s.export(run, tmp_path / "m_plus", model="m_plus", dtype="float32")
    code = (tmp_path / "m_plus/README.md").read_text().partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    exec(code, {"print": said.append})
    assert len(said) == 1 and isinstance(said[0], str)


def test_a_chat_model_is_asked_through_its_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made(tmp_path / "run", "org/base", "prompt=chat")
    w2s.export(run, tmp_path / "chatty", model="m_plus")
    card = (tmp_path / "chatty/README.md").read_text()
    for text in (
        "apply_chat_template",
        "```\n[user]QUESTION[assistant]ANSWER\n```",
        "--prompt chat",
        "/v1/chat/completions",
    ):
        assert text in card, text
    code = card.partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    exec(code, {"print": said.append})
    assert len(said) == 1
    with pytest.raises(UserError, match=r"\[--format\]: the rows of this run hold prompts of a chat template"):
        w2s.export(run, tmp_path / "rows", data="all", format="alpaca")


def test_an_adapter_stays_one_or_is_merged(tmp_path: Path) -> None:
    """Merged, row 3 of the first query projection has 0.5 more in each column: B A is 0.5 there and 0 elsewhere."""
    import torch
    from safetensors.torch import load_file

    base = str(models.ASSETS / "tiny-strong")
    run = made(tmp_path / "run", base)
    w2s.export(run, tmp_path / "adapter", model="m_pro_dpo")
    config = json.loads((tmp_path / "adapter/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == base and not (tmp_path / "adapter/config.json").exists()
    assert {each.dtype for each in load_file(tmp_path / "adapter/adapter_model.safetensors").values()} == {
        torch.bfloat16
    }
    assert "AutoPeftModelForCausalLM" in (tmp_path / "adapter/README.md").read_text()
    w2s.export(run, tmp_path / "merged", model="m_pro_dpo", merge=True, dtype="float32")
    name = "model.layers.0.self_attn.q_proj.weight"
    before = load_file(models.ASSETS / "tiny-strong/model.safetensors")[name].float()
    moved = load_file(tmp_path / "merged/model.safetensors")[name] - before
    assert torch.allclose(moved[3], torch.tensor(0.5)) and not moved[:3].any() and not moved[4:].any()
    assert "AutoPeftModel" not in (tmp_path / "merged/README.md").read_text()


@pytest.mark.parametrize("format", ["trl", "messages", "alpaca"])
def test_training_rows_have_a_card_and_llama_factorys_entries(run: Path, tmp_path: Path, format: Any) -> None:
    """LLaMA-Factory has no pairs of TRL's messages: that file has no entry."""
    exported = w2s.export(run, tmp_path / "out", data="all", format=format)
    assert exported.files == ["README.md", "dataset_info.json", "stage1_iter2.jsonl", "stage2_pairs.jsonl"]
    card, info = (tmp_path / "out/README.md").read_text(), json.loads((tmp_path / "out/dataset_info.json").read_text())
    assert [each["data_files"] for each in front(card)["configs"]] == ["stage1_iter2.jsonl", "stage2_pairs.jsonl"]
    assert set(info) == {"stage1_iter2"} | ({"stage2_pairs"} if format != "messages" else set())
    for name, entry in info.items():
        (row,) = lines(tmp_path / "out" / entry["file_name"])
        assert set(entry["columns"].values()) <= row.keys()
        assert entry.get("ranking", False) == (name == "stage2_pairs")
    if format == "trl":
        assert lines(tmp_path / "out/stage2_pairs.jsonl") == [PAIR]
    datasets = pytest.importorskip("datasets")
    cache = str(tmp_path / "cache")
    loaded = datasets.load_dataset("json", data_files=str(tmp_path / "out/stage2_pairs.jsonl"), cache_dir=cache)
    assert loaded["train"][0]["confidence"] == 0.75


@pytest.mark.parametrize(("options", "says"), [
    ({"model": "m_pro"}, r"no model of this run is called 'm_pro' \(did you .*\n  expected: m_plus, m_pro_dpo"),
    ({"data": "stage1"}, r"no training set of this run is called .*\n  expected: stage1_iter2, stage2_pairs, all"),
    ({}, r"\[--model\]: one model or training rows are exported"),
    ({"model": "m_plus", "data": "all"}, r"\[--model\]: one model or training rows are exported"),
    ({"model": "m_plus", "merge": True}, r"\[--merge\]: m_plus is no adapter"),
    ({"model": "m_plus", "format": "alpaca"}, r"\[--format\]: has no effect with --model"),
    ({"data": "all", "dtype": "float32"}, r"\[--dtype\]: has no effect with --data"),
    ({"model": "m_plus", "dtype": "int8"}, r"\[--dtype\]: no dtype is called 'int8'"),
])  # fmt: skip
def test_what_cannot_be_exported_is_named(run: Path, tmp_path: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        w2s.export(run, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".w2s-export*"))


def test_no_folder_in_use_is_written_to(run: Path, tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used/notes.txt").write_text("mine")
    for place, says in (
        (tmp_path / "used", "is not empty"), (tmp_path / "used/notes.txt", "is not empty"),
        (run / "out", "is in the run's folder"), (run, "is in the run's folder"), ("hub:one", "names no repository"),
        ("hub:a/b/c", "names no repository"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=says):
            w2s.export(run, place, model="m_plus")
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["notes.txt"]
    with pytest.raises(UserError, match="holds no run with results"):
        w2s.export(tmp_path / "used", tmp_path / "out", model="m_plus")
    (tmp_path / "empty").mkdir()
    assert "config.json" in w2s.export(run, tmp_path / "empty", model="m_plus").files


def test_a_damaged_model_is_not_given_away(run: Path, tmp_path: Path) -> None:
    file = run / "models/m_plus/config.json"
    file.write_text(file.read_text().replace('"silu"', '"gelu"'))
    with pytest.raises(UserError, match=r"m_plus cannot be exported: output changed .*m_plus/config\.json"):
        w2s.export(run, tmp_path / "out", model="m_plus")


CLIENT = pytest.importorskip("huggingface_hub").HfApi


class FakeHub:
    """`huggingface_hub.HfApi`, without a network."""

    def __init__(self, *existing: str, refuses: bool = False) -> None:
        self.existing, self.refuses = set(existing), refuses
        self.calls: list[tuple[Any, ...]] = []
        self.sent: dict[str, bytes] = {}

    def known(self, method: str, *arguments: Any, **options: Any) -> None:
        """The real client has such a method with such parameters."""
        inspect.signature(getattr(CLIENT, method)).bind(self, *arguments, **options)

    def repo_exists(self, name: str, *, repo_type: str) -> bool:
        self.known("repo_exists", name, repo_type=repo_type)
        return f"{repo_type}:{name}" in self.existing

    def create_repo(self, name: str, *, repo_type: str, private: bool) -> None:
        self.known("create_repo", name, repo_type=repo_type, private=private)
        if self.refuses:
            raise PermissionError("401 Client Error\nmore")
        self.calls.append(("create", name, repo_type, private))

    def upload_folder(self, *, repo_id: str, repo_type: str, folder_path: str, commit_message: str) -> None:
        sent = {"folder_path": folder_path, "commit_message": commit_message}
        self.known("upload_folder", repo_id=repo_id, repo_type=repo_type, **sent)
        self.calls.append(("upload", repo_id, repo_type))
        self.sent = {path.name: path.read_bytes() for path in Path(folder_path).iterdir()}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Any:
    import huggingface_hub

    def use(fake: FakeHub) -> FakeHub:
        monkeypatch.setattr(huggingface_hub, "HfApi", lambda: fake)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        return fake

    return use


def test_only_hub_sends_anything(run: Path, tmp_path: Path, hub: Any) -> None:
    """One private repository of one commit; the names of this machine's folders are not in its card."""
    fake = hub(FakeHub("model:org/taken"))
    w2s.export(run, tmp_path / "out", model="m_plus")
    assert fake.calls == []
    told = w2s.export(run, "hub:org/new", model="m_plus")
    assert fake.calls == [("create", "org/new", "model", True), ("upload", "org/new", "model")]
    assert told.to == "https://huggingface.co/org/new (private)" and set(fake.sent) == set(told.files)
    assert b"vllm serve org/new" in fake.sent["README.md"] and b"# org/new\n" in fake.sent["README.md"]
    fake = hub(FakeHub())
    told = w2s.export(run, "hub:org/rows", data="stage2_pairs", public=True)
    assert fake.calls == [("create", "org/rows", "dataset", False), ("upload", "org/rows", "dataset")]
    assert told.to == "https://huggingface.co/datasets/org/rows (public)"
    assert b'load_dataset("org/rows", "stage2_pairs"' in fake.sent["README.md"]
    with pytest.raises(UserError, match=r"\[--to\]: the model org/taken exists on the hub"):
        hub(FakeHub("model:org/taken"))
        w2s.export(run, "hub:org/taken", model="m_plus")
    with pytest.raises(UserError, match=r"could not be written on the hub \(PermissionError: 401(.|\n)*hf auth login"):
        hub(FakeHub(refuses=True))
        w2s.export(run, "hub:org/new", model="m_plus")


def test_folders_of_this_machine_stay_here(tmp_path: Path, hub: Any) -> None:
    weak = tmp_path / "home" / "secret" / "weak"
    shutil.copytree(models.ASSETS / "tiny-weak", weak)
    run = made(tmp_path / "run", str(models.ASSETS / "tiny-strong"), f"weak={weak}", "runtime.server=http://inside:80")
    fake = hub(FakeHub())
    w2s.export(run, "hub:org/new", model="m_plus")
    card = fake.sent["README.md"].decode()
    assert "secret" not in card and "inside" not in card and "weak: weak" in card
    with pytest.raises(UserError, match=r"an adapter on .*tiny-strong, which is on this machine only(.|\n)*--merge"):
        w2s.export(run, "hub:org/new", model="m_pro_dpo")


def test_the_hub_is_not_asked_offline(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: SimpleNamespace())
    with pytest.raises(UserError, match="the hub may not be asked"):
        w2s.export(run, "hub:org/new", model="m_plus")


@pytest.mark.parametrize("name", ["../..", "-a/b", "a--b/c", "a/b.git", "é/b", "a/" + "x" * 200])
def test_a_name_that_the_hub_would_not_take_is_refused_before_anything_is_made(run: Path, hub: Any, name: str) -> None:
    fake = hub(FakeHub())
    with pytest.raises(UserError, match=r"\[--to\]: .* (is no name of the hub|names no repository)"):
        w2s.export(run, f"hub:{name}", model="m_plus")
    assert fake.calls == []


def test_what_is_refused_leaves_no_folders_and_a_link_to_an_empty_one_stays(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no training set"):
        w2s.export(run, tmp_path / "new/deep/rows", data="nope")
    assert not (tmp_path / "new").exists()
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    w2s.export(run, tmp_path / "link", data="all")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real/README.md").is_file()


@pytest.mark.parametrize(("to", "says"), [("", "names no folder"), (".", "is where you are"), ("../here", "where you")])
def test_no_folder_is_put_over_where_you_are(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, says: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UserError, match=says):
        w2s.export(run, to, data="all")


def test_no_card_has_edited_figures(run: Path, tmp_path: Path) -> None:
    """The page ends with the sha256 of `results.json`; without a page its fields must at least be objects."""
    page, mark = b"<html></html>\n", results._mark
    (run / "report.html").write_bytes(page + mark((run / "results.json").read_bytes(), page))
    w2s.export(run, tmp_path / "sound", data="all")
    (file := run / "results.json").write_text(json.dumps(RESULTS).replace('"accuracy": 0.6', '"accuracy": 0.9'))
    with pytest.raises(UserError, match=r"report changed on disk: .*w2s report"):
        w2s.export(run, tmp_path / "out", model="m_plus")
    (run / "report.html").unlink()
    for field in ("models", "strategies", "paired", "selection"):
        for value in (3, [1], {"stage2_pairs": 3}):
            file.write_text(json.dumps(RESULTS | {field: value}))
            with pytest.raises(UserError, match=rf"results.json \[{field}\]: {field} is not as a run writes it"):
                w2s.export(run, tmp_path / "out", data="all")
