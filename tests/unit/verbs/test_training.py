"""`w2s train`, through the real command line, on the shipped models."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from w2s import cli, models
from w2s.config.schema import Lora
from w2s.data import disk
from w2s.errors import UserError
from w2s.models import adapters
from w2s.training import saver
from w2s.training.setup import Setup
from w2s.verbs import training

EXAMPLES = [{"id": i, "prompt": f"Question: {i} + 1?\nAnswer:", "completion": f" {i + 1}"} for i in range(6)]
PAIRS = [{"id": row["id"], "prompt": row["prompt"], "chosen": row["completion"], "rejected": " 0"} for row in EXAMPLES]
QUICK = ["learning_rate=1e-4", "epochs=1", "batch_size=4", "max_length=64", "runtime.device=cpu", "runtime.threads=1"]
WEAK = "w2s:tiny-weak"


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with rows of both kinds."""
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "h.jsonl", EXAMPLES)
    written(tmp_path / "p.jsonl", PAIRS)
    return tmp_path


def call(data: str, out: str, *arguments: str, model: str = WEAK) -> int:
    return cli.main(["train", "--model", model, "--data", data, "--out", out, *arguments])


def test_sft_and_then_a_preference_loss_on_its_model(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """DPO starts at its reference: ln 2 = 0.6931."""
    (files / "plus").mkdir()  # an empty folder may be there
    assert call("h.jsonl", "plus", *QUICK) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("first example (0): ") and lines[-1] == "plus" and "examples  6" in lines
    assert call("p.jsonl", "pro", "--loss", "dpo", "--dtype", "bfloat16", *QUICK, model="plus") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith("loss      0.6931 -> ") and lines[-3].startswith("tokens    ")
    for folder in ("plus", "pro"):
        models.resolve(folder)
    assert sorted(path.name for path in files.iterdir()) == ["h.jsonl", "p.jsonl", "plus", "pro"]


def test_the_seed_and_the_rows_decide_the_bytes(files: Path) -> None:
    def weights(out: str, *arguments: str, data: str = "h.jsonl") -> bytes:
        assert call(data, out, *QUICK, *arguments) == 0
        return (files / out / "model.safetensors").read_bytes()

    written(files / "turned.jsonl", EXAMPLES[::-1])
    first = weights("a")
    assert weights("b", data="turned.jsonl") == first
    assert weights("c", "--seed", "1") != first


@pytest.mark.parametrize("loss", ["orpo", "ipo", "simpo", "dpo_nll", "mine:hinge"])
def test_every_loss_trains(files: Path, capsys: pytest.CaptureFixture[str], loss: str) -> None:
    (files / "mine.py").write_text(
        "def hinge(policy_chosen, policy_rejected, reference_chosen, reference_rejected, config):\n"
        "    gain = (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)\n"
        "    return (1 - config.beta * gain).clamp(min=0)\n"
    )
    assert call("p.jsonl", "out", "--loss", loss, *QUICK) == 0
    first = float(capsys.readouterr().out.splitlines()[-2].split()[1])
    starts = {"ipo": 25.0, "mine:hinge": 1.0}  # 1 / (2 * 0.1) squared; the hinge at margin 0
    assert first == pytest.approx(starts[loss], abs=1e-3) if loss in starts else first > 0


def test_settings_of_lora_and_names_as_in_a_recipe(files: Path) -> None:
    settings = {"training.learning_rate": 1e-4, "epochs": 1, "max_length": 64, "lora": Lora(rank=2, save="adapter")}
    trained = training.train(WEAK, "h.jsonl", "out", settings={**settings, "runtime.device": "cpu"})
    assert adapters.read(files / "out")["r"] == 2
    assert (trained.examples, trained.left_out, trained.out) == (6, 0, Path("out"))


def test_rows_that_spell_special_tokens_are_left_out_and_counted(files: Path) -> None:
    written(files / "h.jsonl", [*EXAMPLES, {"prompt": "x", "completion": " 1<eos> 2"}])
    trained = training.train(WEAK, "h.jsonl", "out", settings=QUICK)
    assert (trained.examples, trained.left_out) == (6, 1)
    assert "examples  6  (left out: 1 spell special tokens)" in trained.lines()
    written(files / "h.jsonl", [{"prompt": "x", "completion": " 1<eos> 2"}])
    with pytest.raises(UserError, match=r"h\.jsonl: every example spells"):
        training.train(WEAK, "h.jsonl", "other", settings=QUICK)
    assert not (files / "other").exists()


@pytest.mark.parametrize(
    ("loss", "row", "message"),
    [
        ("sft", {"prompt": "x"}, r"h\.jsonl:2 \[completion\]: completion is missing"),
        ("sft", {"prompt": ["x"], "completion": "y"}, r"h\.jsonl:2 \[prompt\]: prompt is a list"),
        ("sft", {"prompt": "x", "completion": " "}, r"h\.jsonl:2 \[completion\]: completion is empty"),
        ("sft", PAIRS[0], r"h\.jsonl:2 \[completion\]: .*preference pair.*--loss dpo, orpo"),
        ("dpo", EXAMPLES[0], r"h\.jsonl:2 \[chosen\]: .*one completion.*--loss sft"),
        ("dpo", {"prompt": "x", "chosen": "y"}, r"h\.jsonl:2 \[rejected\]: rejected is missing"),
        ("dpo", {"prompt": "x", "chosen": "y", "rejected": "y"}, r"h\.jsonl:2 \[rejected\]: .*are equal"),
        ("dpo", {"id": [], "prompt": "x", "chosen": "y", "rejected": "z"}, r"h\.jsonl:2 \[id\]: \[\] is not an id"),
    ],
)
def test_a_bad_row_is_one_error_with_its_line(
    files: Path, capsys: pytest.CaptureFixture[str], loss: str, row: dict[str, Any], message: str
) -> None:
    written(files / "h.jsonl", [(EXAMPLES if loss == "sft" else PAIRS)[0], row])
    assert call("h.jsonl", "out", "--loss", loss) == 2
    error = capsys.readouterr().err
    assert re.search(f"(?s){message}", error) and "Traceback" not in error
    assert not (files / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--loss", "dppo"], r"\[--loss\]: no loss is called 'dppo' \(did you mean 'dpo'\?\)"),
        (["--loss", "nowhere:hinge"], r"\[--loss\]: .*no module 'nowhere'"),
        (["lerning_rate=1"], r"\[lerning_rate\]: unknown key \(did you mean 'learning_rate'\?\)"),
        (["epochs=0"], r"\[epochs\]: .*greater than 0"),
        (["runtime.devise=cpu"], r"\[runtime\.devise\]: unknown key \(did you mean 'device'\?\)"),
        (["beta=1"], r"\[beta\]: unknown key"),
        (["--loss", "dpo", "losses=[ipo]"], r"\[losses\]: has no effect.*--loss"),
        (["--loss", "simpo", "beta=1"], r"\[beta\]: has no effect.*simpo\.beta"),
        (["--loss", "dpo", "simpo.gamma=1"], r"\[simpo\]: has no effect.*--loss simpo"),
        (["--loss", "orpo", "preference.nll_weight=1"], r"\[nll_weight\]: has no effect.*always 1"),
        (["--loss", "dpo", "--data", "empty.jsonl"], r"empty\.jsonl: has no rows"),
        (["--data", "absent.jsonl"], r"absent\.jsonl: .*no such file"),
        (["--model", "absent/folder"], r"absent/folder"),
        (["--out", "full"], r"full \[--out\]: is not empty"),
        (["--out", "h.jsonl"], r"h\.jsonl \[--out\]: would be written over --data"),
        (["--model", "model", "--out", "model"], r"model \[--out\]: would be written over --model"),
        (["--model", "model", "--out", "model/new"], r"model/new \[--out\]: would be written over --model"),
        (["--data", "full/h.jsonl", "--out", "full"], r"full \[--out\]: would be written over --data"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_used_is_one_error(
    files: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:

    (files / "empty.jsonl").touch()
    (files / "full").mkdir()
    written(files / "full" / "h.jsonl", EXAMPLES)
    (files / "model").mkdir()
    (files / "model" / "config.json").write_text("{}")
    before = sorted(str(path) for path in files.rglob("*"))
    assert call("p.jsonl" if "--loss" in arguments else "h.jsonl", "out", *arguments) == 2
    error = capsys.readouterr().err
    assert re.search(f"(?s){message}", error, re.IGNORECASE) and "Traceback" not in error
    assert sorted(str(path) for path in files.rglob("*")) == before


def test_a_damaged_model_is_one_error_and_leaves_nothing(files: Path, capsys: pytest.CaptureFixture[str]) -> None:

    shutil.copytree(models.folder(WEAK), files / "torn")
    weights = files / "torn" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    assert call("h.jsonl", "out", model="torn") == 2
    error = capsys.readouterr().err
    assert "torn" in error and "Traceback" not in error
    assert sorted(path.name for path in files.iterdir()) == ["h.jsonl", "p.jsonl", "torn"]


def test_rows_that_say_that_they_were_cut_are_left_out_and_counted(files: Path) -> None:
    """As `w2s sample` says it, and as servers do; false, and another reason, are whole."""
    marks = [{"cut": True}, {"finish_reason": "length"}, {"cut": False}, {"finish_reason": "stop"}]
    for name, rows, loss in (("h.jsonl", EXAMPLES, "sft"), ("p.jsonl", PAIRS, "orpo")):
        written(files / name, [row | (marks[i] if i < len(marks) else {}) for i, row in enumerate(rows)])
        trained = training.train(WEAK, name, loss, loss=loss, settings=QUICK)
        assert (trained.examples, trained.cut, trained.left_out) == (4, 2, 0)
    assert "examples  4  (left out: 2 were cut at a token limit)" in trained.lines()
    written(files / "h.jsonl", [EXAMPLES[0] | {"cut": True}])
    with pytest.raises(UserError, match=r"h\.jsonl: has no row that was not cut"):
        training.train(WEAK, "h.jsonl", "other", settings=QUICK)


def test_an_unknown_dtype_trains_nothing(files: Path) -> None:
    with pytest.raises(UserError, match=r"\[--dtype\]: no dtype is called 'float16' \(did you mean 'bfloat16'\?\)"):
        training.train(WEAK, "h.jsonl", "out", dtype="float16")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no dtype is called 'fp32'"):
        Setup(dtype="fp32")  # type: ignore[arg-type]


def test_two_commands_do_not_write_one_folder(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = files / ".out.training"
    place.mkdir()
    with open(place / "lock", "wb") as held:
        assert disk.lock(held)
        assert call("h.jsonl", "out", *QUICK) == 2
        assert "out [--out]: another `w2s train` is writing it" in capsys.readouterr().err
        assert place.exists()
    assert call("h.jsonl", "out", *QUICK) == 0
    assert not place.exists()


def test_what_was_saved_outlives_a_failure(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two steps the first is saved; the second finds a full disk, say. The first figure comes before the model."""
    monkeypatch.setattr(saver.Saver, "_due", lambda self: True)
    told: list[int] = []

    def fails_at(step: int) -> Callable[[int, int], None]:
        def on_progress(done: int, total: int) -> None:
            told.append(done)
            if done == step:
                raise OSError(28, "No space left on device", "out")

        return on_progress

    with pytest.raises(UserError, match=r"out: cannot be used \(No space left on device\)"):
        training.train(WEAK, "h.jsonl", "out", settings=QUICK, on_progress=fails_at(2))
    assert [path.name for path in (files / ".out.training" / "training").iterdir()] == ["state-000000001"]
    training.train(WEAK, "h.jsonl", "out", settings=QUICK, on_progress=fails_at(9))
    assert told == [0, 0, 1, 2, 1, 1, 2] and not (files / ".out.training").exists()


def test_states_outlive_a_folder_that_came_back(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another model stands in OUT before the training starts again, and later while its own model becomes OUT."""
    monkeypatch.setattr(saver.Saver, "_due", lambda self: True)

    def stopped(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.train(WEAK, "h.jsonl", "out", settings=QUICK, on_progress=stopped)
    state = files / ".out.training" / "training" / "state-000000001"
    kept = files / "kept"
    shutil.copytree(models.folder(WEAK), kept)

    def comes_back(done: int, total: int) -> None:
        if done == 2:
            shutil.copytree(kept, files / "out", dirs_exist_ok=True)

    with pytest.raises(UserError, match=r"out \[--out\]: was empty when the training began"):
        training.train(WEAK, "h.jsonl", "out", settings=QUICK, on_progress=comes_back)
    assert (files / ".out.training" / "model").exists()
    for _ in range(2):
        assert call("h.jsonl", "out", *QUICK) == 2
        assert "out [--out]: is not empty" in capsys.readouterr().err and state.exists()
    shutil.rmtree(files / "out")
    training.train(WEAK, "h.jsonl", "out", settings=QUICK)
    assert not (files / ".out.training").exists()


def test_what_a_kill_left_after_the_end_is_removed_unless_another_works_there(files: Path) -> None:
    """Killed between the model's move and the removal of the working place."""
    place = files / ".out.training"
    for folder in (place / "training", files / "out"):
        folder.mkdir(parents=True)
    (files / "out" / "config.json").write_text("{}")

    def refused() -> None:
        with pytest.raises(UserError, match="is not empty"):
            training.train(WEAK, "h.jsonl", "out", settings=QUICK)

    refused()
    assert place.exists(), "nothing says that it ended"
    (place / "moves").touch()
    with open(place / "lock", "wb") as held:
        assert disk.lock(held)
        refused()
        assert place.exists()
    (place / "model").mkdir()
    refused()
    assert place.exists()
    (place / "model").rmdir()
    refused()
    assert not place.exists()


def test_a_loss_that_was_changed_begins_anew(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps: the state of the first is of the old loss, under the same name."""
    monkeypatch.setattr(saver.Saver, "_due", lambda self: True)
    monkeypatch.syspath_prepend(files)
    told: list[int] = []

    def stopped(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    for number, scale in enumerate(("1.0", "2.0")):
        (files / "own_loss.py").write_text(
            f"def loss(chosen, rejected, *others):\n    return {scale} * (rejected - chosen)\n"
        )
        for name in [name for name in sys.modules if name == "own_loss"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        hear = (lambda done, total: told.append(done)) if number else stopped
        with nullcontext() if number else pytest.raises(KeyboardInterrupt):
            training.train(WEAK, "p.jsonl", "out", loss="own_loss:loss", settings=QUICK, on_progress=hear)
    assert told[1:] == [0, 1, 2], "the first says how far the state is, which is not read yet"
