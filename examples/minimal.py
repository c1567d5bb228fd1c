"""The paper (Yang, Ma, Liu 2024, arXiv 2407.13647) in PyTorch and transformers, with the rules of `w2s.method`.

python examples/minimal.py      # two minutes on two CPU cores, on the shipped pair of tiny models; ends in a table
python examples/minimal.py 20   # 20 questions per split instead of 100: only to see that it runs

It saves nothing, cannot resume, and has no ORPO, no control and no intervals: `w2s run tiny` has.
"""

from __future__ import annotations

import random
import sys

import torch
from torch.nn.functional import logsigmoid
from transformers import AutoModelForCausalLM, AutoTokenizer

from w2s import answers
from w2s.config.choices import AnswerRule
from w2s.method.agreement import agrees
from w2s.method.pairs import pairs
from w2s.method.voting import PairRule
from w2s.models import ASSETS
from w2s.records import Answered, Response
from w2s.tasks import arith

WEAK, STRONG = str(ASSETS / "tiny-weak"), str(ASSETS / "tiny-strong")
tokenizer = AutoTokenizer.from_pretrained(STRONG)  # both models have this one
Row = tuple[str, str]  # prompt, completion


def prompt(question: str, shots: list[Answered] = []) -> str:  # noqa: B006 - never changed
    demonstrations = "".join(f"Question: {shot.question}\nAnswer: {shot.response}\n\n" for shot in shots)
    return f"{demonstrations}Question: {question}\nAnswer:"


@torch.no_grad()
def answer(model, problems, shots=[], n=1) -> list[list[Answered]]:  # noqa: B006
    """`n` answered responses per question: greedy where n is 1, else sampled at temperature 1."""
    prompts, texts = [prompt(p.question, shots) for p in problems for _ in range(n)], []
    for start in range(0, len(prompts), 128):
        batch = tokenizer(prompts[start : start + 128], return_tensors="pt", padding=True, padding_side="left")
        how = {"do_sample": True, "top_k": 0} if n > 1 else {"do_sample": False}
        ids = model.generate(**batch, max_new_tokens=80, **how)[:, batch.input_ids.shape[1] :]
        decoded = tokenizer.batch_decode(ids, skip_special_tokens=True)
        texts += [text.split("Question:")[0].split("\n\n")[0].strip() for text in decoded]
    responses = [Response(p.id, p.question, texts[i * n + k], k) for i, p in enumerate(problems) for k in range(n)]
    answered = list(answers.answered_all(responses, AnswerRule("gsm8k", "equivalent")))
    return [answered[i : i + n] for i in range(0, len(answered), n)]


def log_probabilities(model, rows: list[Row]) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each completion with its end-of-text token: log-probability given the prompt (B,), number of tokens (B,)."""
    split = [(tokenizer(p).input_ids, [*tokenizer(f" {c}").input_ids, tokenizer.eos_token_id]) for p, c in rows]
    longest = max(len(p) + len(c) for p, c in split)
    ids = torch.tensor([p + c + [0] * (longest - len(p) - len(c)) for p, c in split])  # (B, T)
    place = torch.arange(longest)
    mask = torch.stack([(place >= len(p)) & (place < len(p) + len(c)) for p, c in split])[:, 1:]  # (B, T - 1)
    token = model(ids).logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    return (token * mask).sum(-1), mask.sum(-1)


def train(model, examples: list, loss, rate: float, epochs: int):
    """AdamW with warm-up and linear decay, batches of 16; `loss` maps a batch of examples to a number."""
    order = [random.sample(examples, len(examples)) for _ in range(epochs)]
    steps = [one[i : i + 16] for one in order for i in range(0, len(one), 16)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    for number, batch in enumerate(steps):
        done = number / len(steps)
        optimizer.param_groups[0]["lr"] = rate * min((number + 1) / (0.1 * len(steps)), 1 - done)
        loss(model, batch).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def sft(base: str, rows: list[Row], rate: float = 5e-4, epochs: int = 2):
    """Supervised fine-tuning from the base."""

    def loss(model, batch):
        total, count = log_probabilities(model, batch)
        return -total.sum() / count.sum()

    return train(load(base), rows, loss, rate, epochs)


def dpo(policy, contrasts: list[tuple[Row, Row]], beta: float = 0.1, rate: float = 2e-5, epochs: int = 2):
    """Direct preference optimisation; the reference is the policy that training starts from."""
    with torch.no_grad():
        reference = [[float(log_probabilities(policy, [row])[0]) for row in pair] for pair in contrasts]

    def loss(model, batch):
        examples, scores = zip(*batch, strict=True)
        chosen, rejected = (log_probabilities(model, side)[0] for side in zip(*examples, strict=True))
        before = torch.tensor(scores)  # (B, 2)
        return -logsigmoid(beta * ((chosen - before[:, 0]) - (rejected - before[:, 1]))).mean()

    return train(policy, list(zip(contrasts, reference, strict=True)), loss, rate, epochs)


def load(folder: str):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def main(size: int = 100) -> dict[str, float]:
    random.seed(0)
    torch.manual_seed(0)
    train_1, train_2, test = (arith.generate(split, size, 0) for split in ("train_1", "train_2", "test"))
    scores: dict[str, float] = {}

    def evaluate(name: str, model, shots=[]) -> None:  # noqa: B006
        predictions = [one.prediction for (one,) in answer(model, test, shots)]
        right = answers.grades([(p, problem.answer) for p, problem in zip(predictions, test, strict=True)])
        scores[name] = right.count("correct") / len(test)
        print(f"{name:<20} {100 * scores[name]:5.1f} %", flush=True)

    # 1. The weak model learns from gold train_1 and answers train_2.
    weak_model = sft(WEAK, [(prompt(p.question), p.solution) for p in train_1], rate=1e-3, epochs=3)
    weak = [one for (one,) in answer(weak_model, train_2)]
    evaluate("weak floor", weak_model)
    evaluate("naive", sft(STRONG, [(prompt(w.question), w.response) for w in weak]))

    # 2. The strong base answers train_2 after four weak answers (weak ICL).
    shots = [one for one in weak if one.key is not None][:4]
    strong = [one for (one,) in answer(load(STRONG), train_2, shots)]
    evaluate("weak ICL", load(STRONG), shots)

    # Stage I, two iterations. Keep what both agree on. After the first, fine-tune the base on each side's completions,
    # and let these two models answer; after the second, fine-tune it on both sides' completions.
    left, right = weak, strong
    for iteration in (1, 2):
        agreed = [(w, s) for w, s in zip(left, right, strict=True) if agrees(w, s)]
        sides = [[(prompt(one.question), one.response) for one in side] for side in zip(*agreed, strict=True)]
        if iteration == 1:
            left, right = ([one for (one,) in answer(sft(STRONG, side), train_2)] for side in sides)
    m_plus = sft(STRONG, sides[0] + sides[1])
    evaluate("M_plus", m_plus)

    # Stage II: M_plus's majority votes judge the weak answers; DPO on the contrast.
    votes = answer(m_plus, train_2, n=10)
    outcomes = [pairs(w, samples, PairRule(0.6, 0.8), seed=0) for w, samples in zip(weak, votes, strict=True)]
    preferences = [pair for some in outcomes if not isinstance(some, str) for pair in some]  # a string: no pair
    contrasts = [((prompt(p.question), p.chosen), (prompt(p.question), p.rejected)) for p in preferences]
    evaluate("M_pro (DPO)", dpo(m_plus, contrasts))
    evaluate("ceiling", sft(STRONG, [(prompt(p.question), p.solution) for p in train_2]))
    return scores


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
