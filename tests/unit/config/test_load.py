from __future__ import annotations

from pathlib import Path

import pytest

from w2s.config import load
from w2s.config.schema import ArithTask, FilesTask
from w2s.errors import UserError


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name: str, text: str) -> str:
    Path(name).write_text(text)
    return name


def message(source: str, *overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        load.load(source, overrides)
    return str(caught.value)


@pytest.mark.parametrize("name", load.names())
def test_every_shipped_preset_loads_and_says_what_it_is(name):
    run = load.load(name)
    assert run.recipe.name == name
    assert len(load.describe(name)) > 20


def test_the_contract_s_presets_are_there():
    assert {"tiny", "gsm8k-local"} <= set(load.names())
    assert isinstance(load.load("tiny").recipe.task, ArithTask)


def test_gsm8k_local_takes_tiny_s_models_and_its_own_files():
    run = load.load("gsm8k-local", ["task.train_1=../data/a.jsonl"])
    assert run.recipe.task == FilesTask(
        name="gsm8k", train_1="../data/a.jsonl", train_2="train_2.jsonl", test="test.jsonl"
    )
    assert run.recipe.training == load.load("tiny").recipe.training


def test_a_file_is_merged_over_what_it_extends_and_overrides_over_both():
    write(
        "base.yaml", "extends: tiny\nseed: 5\nname: base\ntraining: {epochs: 2, batch_size: 4}\nruntime: {threads: 2}\n"
    )
    write("mine.yaml", "extends: base.yaml\ntraining: {epochs: 7}\n")
    run = load.load("mine.yaml", ["training.learning_rate=1e-5", "runtime.device=cpu", "limit=3"])
    assert (run.recipe.name, run.recipe.seed, run.recipe.limit) == ("mine", 5, 3)
    training = run.recipe.training
    assert (training.epochs, training.batch_size, training.learning_rate) == (7, 4, 1e-5)
    assert (run.runtime.threads, run.runtime.device) == (2, "cpu")


def test_extends_is_relative_to_the_file_that_says_it():
    Path("a/b").mkdir(parents=True)
    write("a/base.yaml", "extends: tiny\nseed: 9\n")
    write("a/b/mine.yaml", "extends: ../base.yaml\n")
    assert load.load("a/b/mine.yaml").recipe.seed == 9


def test_another_task_replaces_the_task_in_any_order_of_overrides():
    overrides = ["task.train_1=x.jsonl", "task.name=jsonl"]
    task = FilesTask(name="jsonl", train_1="x.jsonl")
    assert load.load("tiny", overrides).recipe.task == task
    assert load.load("tiny", overrides[::-1]).recipe.task == task


def test_the_same_task_keeps_its_other_fields():
    task = load.load("tiny", ["task.name=arith", "task.train_1=7"]).recipe.task
    assert task == load.load("tiny").recipe.task.model_copy(update={"train_1": 7})


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("evaluation.k=[1, 2]", lambda recipe: recipe.evaluation.k == (1, 2)),
        ("training.lora.rank=4", lambda recipe: recipe.training.lora.rank == 4),
        ("limit=null", lambda recipe: recipe.limit is None),
        ("trust_remote_code=true", lambda recipe: recipe.trust_remote_code is True),
        ("weak=org/model@main", lambda recipe: recipe.weak == "org/model@main"),
        ("weak='a=b'", lambda recipe: recipe.weak == "a=b"),
        ("name=", lambda recipe: recipe.name == "tiny"),
    ],
)
def test_overrides_are_yaml(override, read):
    if override == "name=":
        assert "valid string" in message("tiny", override)
    else:
        assert read(load.load("tiny", [override]).recipe)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("extends: tiny\n\ntask:\n  trian_1: 4\n", [":4 [task.trian_1]: unknown key", "'train_1'?", "data_seed"]),
        ("extends: tiny\nseeed: 4\n", [":2 [seeed]: unknown key (did you mean 'seed'?)"]),
        ("extends: tiny\ntraining:\n  lora:\n    rnk: 4\n", [":4 [training.lora.rnk]", "'rank'?"]),
        ("extends: tiny\nruntime:\n  devize: cpu\n", [":3 [runtime.devize]", "'device'?"]),
        ("extends: tiny\ntask:\n  name: gsm8\n", [":3 [task.name]: no task is called 'gsm8'", "'gsm8k'?"]),
        ("extends: tiny\ntraining:\n  schedule: cosin\n", [":3 [training.schedule]", "not 'cosin'", "'cosine'?"]),
        ("extends: tiny\ntask:\n  train_1: many\n", [":3 [task.train_1]", "integer", "not 'many'"]),
        ("extends: tiny\nevaluation:\n  k: [1, 0]\n", [":3 [evaluation.k.1]", "not 0"]),
        ("extends: tiny\nselection: {confidence: 1.9}\n", [":2 [selection.confidence]", "not 1.9"]),
        ("weak: x\n", ["mine.yaml [task]: Field required"]),
        ("extends: tyni\n", [":1 [extends]: no preset is called 'tyni' (did you mean 'tiny'?)"]),
        ("extends: none.yaml\n", ["none.yaml: no such recipe file"]),
        ("extends: mine.yaml\n", ["mine.yaml [extends]: extends itself"]),
        ("extends: 4\n", [":1 [extends]: must be one name or path"]),
        ("extends: tiny\nseed: 1\nseed: 2\n", [":3 [seed]: is written twice"]),
        ("a: [1\nb: 2\n", [":2: is not valid YAML"]),
        ("- 1\n", ["mine.yaml:1: is not a mapping"]),
        ("a: &a {b: *a}\n", ["mine.yaml: cannot be read as YAML"]),
        ("seed: !!python/object:os.system 1\n", ["is not valid YAML"]),
        ("", ["[task]: Field required"]),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_line(text, parts):
    said = message(write("mine.yaml", text))
    assert all(part in said for part in parts), said


@pytest.mark.parametrize(
    ("override", "begins"),
    [
        ("task.trian_1=4", "[task.trian_1]: unknown key (did you mean 'train_1'?)"),
        ("trainin.epochs=4", "[trainin]: unknown key (did you mean 'training'?)"),
        ("seed.x=1", "[seed]: Input should be a valid integer"),
        ("seed=[", "[seed]: '[' is not a YAML value"),
        ("seed", "'seed' is not an override"),
        ("task..x=1", "'task..x=1' is not an override"),
        ("=1", "'=1' is not an override"),
        ("extends=tiny", "[extends]: unknown key"),
        ("runtime.device=gpu", "[runtime.device]: Input should be 'auto', 'cpu' or 'cuda', not 'gpu'"),
        ("task=4", "[task]: "),
        ("few_shot=null", "[few_shot]: "),
    ],
)
def test_a_mistake_in_an_override_is_not_blamed_on_a_file(override, begins):
    assert message("tiny", override).startswith(begins)


def test_a_preset_s_typo_and_a_missing_file():
    assert "did you mean 'tiny'?" in message("tinny")
    assert "no such recipe file" in message("mine.yaml")
    assert "no such recipe file" in message("folder/mine")


def test_bytes_that_are_no_text():
    Path("mine.yaml").write_bytes(b"seed: \xff\n")
    assert "cannot be read as YAML" in message("mine.yaml")


@pytest.mark.parametrize("name", load.names())
def test_what_is_dumped_loads_to_an_equal_run(name):
    run = load.load(name, ["training.lora.rank=2", "training.learning_rate=1e-5", "runtime.threads=2"])
    assert load.load(write("recipe.yaml", load.dump(run))) == run


def test_the_old_name_of_a_field_is_accepted_with_a_note(caplog):
    source = write("r.yaml", "extends: tiny\nruntime:\n  canary: false\n")
    assert not load.load(source).runtime.check_engine
    assert "runtime.canary is now called runtime.check_engine" in caplog.text
    assert load.load(source, ["runtime.check_engine=true"]).runtime.check_engine
    newer = write("s.yaml", "extends: tiny\nruntime:\n  check_engine: false\n")
    assert load.load(newer, ["runtime.canary=true"]).runtime.check_engine  # the later one counts, by whatever name


def test_a_wrong_value_under_an_old_name_is_shown_where_it_stands():
    source = write("r.yaml", "extends: tiny\nruntime:\n  canary: perhaps\n")
    assert message(source).startswith("r.yaml:3 [runtime.check_engine]")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        (f"seed={5000 * '9'}", "[seed]: '999"),
        (f"seed={100_000 * '['}", "[seed]: '[[["),
        ("training.epochs=1e999", "[training.epochs]: Input should be"),
        ("training.learning_rate=.inf", "[training.learning_rate]: Input should be"),
        ("name=" + 10**6 * "x", "[name]: a name has at most 100 bytes"),
    ],
)
def test_numbers_and_names_without_bounds_are_refused_in_short(override, says):
    with pytest.raises(UserError) as caught:
        load.load("tiny", [override])
    assert str(caught.value).startswith(says) and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("preference.losses=dpo", lambda recipe: recipe.preference.losses == ("dpo",)),
        ("preference.losses=[]", lambda recipe: recipe.preference.losses == ()),
        ("baselines=weak_floor", lambda recipe: recipe.baselines == ("weak_floor",)),
        ("evaluation.models=m_plus", lambda recipe: recipe.evaluation.models == ("m_plus",)),
        ("evaluation.k=5", lambda recipe: recipe.evaluation.k == (5,)),
        ("training.lora={targets: q_proj}", lambda recipe: recipe.training.lora.targets == ("q_proj",)),
    ],
)
def test_one_name_is_a_list_of_one(override, read):
    assert read(load.load("tiny", [override]).recipe)
