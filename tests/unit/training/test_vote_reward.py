"""Learning online from votes, on a random model whose answers are read by their first letters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from w2s.config.choices import AnswerRule
from w2s.config.schema import Lora, Runtime, Training, Trl
from w2s.method import collapse
from w2s.records import Answered, Example, Response
from w2s.training.setup import Setup

pytest.importorskip("trl")
pytestmark = pytest.mark.slow

QUESTIONS = 8
LEARNT = [f"{i:02d}" for i in range(QUESTIONS)]


def rule() -> AnswerRule:
    return AnswerRule("number")


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.make("llama", tmp_path_factory.mktemp("model"), False)


@pytest.fixture
def by_first_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parity of the first letter is the answer: random text has one, and so a majority."""
    from w2s.training import vote_reward

    def answered(responses: list[Response], rule: AnswerRule) -> list[Answered]:
        keys = [str(ord(each.response[0]) % 2) if each.response else None for each in responses]
        return [Answered(each.id, "", each.response, key, key) for each, key in zip(responses, keys, strict=True)]

    monkeypatch.setattr(vote_reward, "answered_all", answered)


def voting(policy: Path, n: int = 4) -> Any:
    from w2s.training import vote_reward

    held = tuple(vote_reward.Held(f"h{i}", f"Question: {i} apples?\nAnswer:", "1") for i in range(5))
    questions = dict.fromkeys([*LEARNT, *(each.id for each in held)], "")
    return vote_reward.Voting(rule(), n, 1.0, 1.0, 6, ("Question:",), questions, held, 0.5)


def train(policy: Path, out: Path, state: Path | None = None, on_progress: Any = None, **settings: Any) -> Any:
    from w2s.training import trainers, vote_reward

    trainers.load("trl", "sft")
    examples = [Example(id, f"Question: {id} is asked.\nAnswer:", " 4") for id in LEARNT]
    given = {"learning_rate": 1e-2, "epochs": 3, "batch_size": 4, "warmup_ratio": 0.0} | settings
    setup = Setup(1, runtime=Runtime(device="cpu", save_minutes=1e-9), state=state, trl=Trl())
    config = Training(**given)
    return vote_reward.reinforce(policy, examples, out, config, setup, voting(policy), on_progress=on_progress)


def test_samples_with_the_majority_of_their_group_are_rewarded(tmp_path: Path) -> None:
    """Two groups of four: three 4s and a 5, after a stop text nothing counts; then two 7s, a 1 and no answer."""
    from w2s.training.vote_reward import _Checks

    checks = _Checks(replace(voting(tmp_path), rule=AnswerRule("gsm8k")), None, tmp_path)
    texts = [f" The answer is {n}" for n in (4, 4, 5)] + [" The answer is 4\nQuestion: The answer is 9"]
    texts += [f" The answer is {n}" for n in (7, 1, 7)] + [" I do not know"]
    ids = ["00"] * 4 + ["01"] * 4
    rewards = checks.reward([""] * 8, texts, id=ids, completion_ids=[[1, 2]] * 8)
    assert rewards == [1, 1, 0, 1, 1, 0, 1, 0]
    assert checks._shares == [0.75, 0.5] and checks.tokens == 16


def test_the_prompts_that_are_sampled_are_ours(
    policy: Path, by_first_letter: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from w2s.training import data, trl_trainers

    seen: list[list[int]] = []
    tokens = trl_trainers.Grpo._tokenize_prompts

    def watched(self: Any, prompts: list[str]) -> Any:
        found = tokens(self, prompts)
        seen.extend(found[0])
        return found

    monkeypatch.setattr(trl_trainers.Grpo, "_tokenize_prompts", watched)
    train(policy, tmp_path / "out", epochs=1)
    examples = [Example(id, f"Question: {id} is asked.\nAnswer:", " 4") for id in LEARNT]
    encoded = data.encode(AutoTokenizer.from_pretrained(policy), examples, 100)
    assert sorted({tuple(row) for row in seen}) == sorted(row.prompt for row in encoded)
    assert len(seen) == 4 * QUESTIONS, "each question four times"


@pytest.mark.parametrize("lora", [None, Lora(rank=4, save="adapter")], ids=["full", "adapter"])
def test_a_training_has_checks_and_writes_a_model(
    lora: Lora | None, policy: Path, by_first_letter: None, tmp_path: Path
) -> None:
    """8 questions by 4, three epochs: 6 steps, a check before them and after each."""
    result = train(policy, tmp_path / "out", lora=lora)
    assert (result.steps, result.planned, result.kept) == (6, 6, 6)
    assert [check["step"] for check in result.checks] == [*range(7)]
    assert all(0.25 <= check["share"] <= 1 for check in result.checks[1:])
    assert len(result.curve) == 6 and 0 < result.tokens <= 6 * 16 * 6
    AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    name = "model.safetensors" if lora is None else "adapter_model.safetensors"
    after = load_file(tmp_path / "out" / name)
    if lora is None:
        before = load_file(policy / name)
        assert any(not torch.equal(before[key], after[key]) for key in before)
    else:
        assert any(tensor.any() for key, tensor in after.items() if "lora_B" in key)


def test_a_collapse_ends_it_and_keeps_the_best(
    policy: Path, by_first_letter: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Agreement is made to be best after step 1, and the collapse to come after step 3; also if it is killed there."""
    made = {0: 0.5, 1: 0.9, 2: 0.8, 3: 0.7}
    kind = collapse.Check
    monkeypatch.setattr(
        "w2s.training.vote_reward.Check", lambda step, share, agreement: kind(step, 0.1 * step, made[step])
    )
    stopped = train(policy, tmp_path / "stopped", tmp_path / "state")
    assert (stopped.steps, stopped.planned, stopped.kept) == (3, 6, 1)
    again = train(policy, tmp_path / "again", tmp_path / "state")
    assert replace(again, seconds=0) == replace(stopped, seconds=0)
    assert [path.name for path in (tmp_path / "state").glob("best*")] == ["best-1.safetensors"]
    monkeypatch.setattr("w2s.training.vote_reward.Check", kind)
    monkeypatch.setattr(collapse, "collapsed", lambda checks: len(checks) == 2)
    monkeypatch.setattr(collapse, "best", lambda checks: checks[-1])
    early = train(policy, tmp_path / "first")
    assert (early.steps, early.kept) == (1, 1)
    one, second, first = (load_file(tmp_path / name / "model.safetensors") for name in ("stopped", "again", "first"))
    for other in (second, first):
        assert all(torch.equal(one[key], other[key]) for key in one), "the weights after step 1"


def test_a_stopped_training_goes_on_to_the_same_bytes(policy: Path, by_first_letter: None, tmp_path: Path) -> None:
    def fail(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    whole = train(policy, tmp_path / "whole", tmp_path / "other")
    with pytest.raises(KeyboardInterrupt):
        train(policy, tmp_path / "again", tmp_path / "state", fail)
    told: list[int] = []
    again = train(policy, tmp_path / "again", tmp_path / "state", lambda done, total: told.append(done))
    assert told == [3, 4, 5, 6], "3 is in the middle of a pass"
    assert replace(again, seconds=0) == replace(whole, seconds=0)
    file = "model.safetensors"
    assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


def test_held_out_answers_are_those_of_plain_generation(policy: Path, tmp_path: Path) -> None:
    """Left padding changes nothing: one by one, without any, the texts are the same."""
    from w2s.training.vote_reward import _Checks

    network = AutoModelForCausalLM.from_pretrained(policy)
    tokenizer = AutoTokenizer.from_pretrained(policy)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    checks = _Checks(voting(policy), tokenizer, tmp_path)
    checks._network, checks._autocast = network, lambda: torch.autocast("cpu", enabled=False)
    prompts = ["Question: 1?\nAnswer:", "Question: How many apples are there in two trays?\nAnswer:"]
    alone = []
    for prompt in prompts:
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        made = network.generate(ids, do_sample=False, max_new_tokens=6, pad_token_id=tokenizer.pad_token_id)
        alone.append(tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True))
    assert checks._greedy(prompts) == alone
