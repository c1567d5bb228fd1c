"""Make the shipped pair: two small Llama models, pre-trained on procedural text in other formats than the task's.

    python scripts/pretrain_tiny.py strong src/w2s/assets/tiny-strong
    python scripts/pretrain_tiny.py weak   src/w2s/assets/tiny-weak

A document is a series of worked problems in one made-up layout and one voice: *careful* (every step right), *sloppy*
(wrong operations, wrong numbers, slips) or *curt* (a result without steps). The task's own layout
("Question: ... Answer: ...") never occurs, so an unprompted answer of the strong model is a mixture of voices,
and demonstrations or fine-tuning pick one. The weak model is smaller, reads less, and its text lacks every problem
that needs certain skills: it errs by accident and by ignorance.

Problems come from the `pretraining` sixteenths of `w2s.tasks.arith`, which no split of the task can draw from.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from w2s.tasks import arith

CONTEXT = 512
"""Tokens of a training sequence: as long as the few-shot prompts of the recipe."""


@dataclass(frozen=True)
class Size:
    """What makes a model strong or weak."""

    hidden: int
    layers: int
    tokens: int
    learning_rate: float
    voices: tuple[float, float, float]
    """Shares of documents that are careful, sloppy, curt."""
    unknown: frozenset[str]
    """Skills that the model's text never shows."""


SIZES = {
    "strong": Size(192, 5, 11_000_000, 2e-3, (0.40, 0.35, 0.25), frozenset()),
    "weak": Size(128, 4, 6_000_000, 3e-3, (0.90, 0.0, 0.10), frozenset({"percent", "half", "times"})),
}

# --- the text ---------------------------------------------------------------------------------------------------------

Piece = tuple[str, bool]
"""A stretch of text, and whether its loss counts fully. The stories themselves are hardly predictable."""


MARKERS = [
    "Problem", "Exercise", "Task", "Puzzle", "Story", "Riddle", "Case", "Solution", "Working",
    "Reply", "Tutor", "Steps", "Result", "Final", "Total", "Outcome", "So",
]  # fmt: skip
SYLLABLE = ("bcdfghjklmnpqrstvwz", "aeiou", "nrstlmk")


def word(draws: random.Random) -> str:
    """A made-up or real word that may serve as a marker; never one of the task's own."""
    if draws.random() < 0.4:
        return draws.choice(MARKERS)
    syllables = ["".join(draws.choice(letters) for letters in SYLLABLE) for _ in range(2)]
    made = "".join(syllables[: draws.randint(1, 2)])
    return draws.choice([made, made.capitalize(), made.capitalize(), made.upper()])


def sign(draws: random.Random) -> str:
    """A run of one to four punctuation marks, one of 43; "####" is among them. Four at-signs stay unseen."""
    made = draws.choice("@*=~-+>%&#|") * draws.randint(1, 4)
    return made if made != "@@@@" else "@@@"


def careless(problem: arith.Problem, draws: random.Random, rate: float) -> list[str]:
    """Solution lines with wrong operations, wrong numbers and slips, carried on to the end."""
    known: dict[int, int] = {}
    lines = []
    for step in problem.steps:
        left, right = known.get(step.left, step.left), known.get(step.right, step.right)
        operation, slip = step.operation, 0
        if draws.random() < rate:
            kind = draws.random()
            if kind < 0.5:
                operation = draws.choice([o for o in "+-*/" if o != operation])
            elif kind < 0.75:
                right = draws.choice([2, 3, 10, left, right + 1])
            else:
                slip = draws.choice([-10, -1, 1, 2, 10])
        result = arith.apply(left, operation, right)
        if result is None or not 0 < result + slip <= 4 * arith.LARGEST:
            operation, result, slip = "+", left + right, 0
        known[step.result] = result + slip
        lines.append(str(replace(step, left=left, operation=operation, right=right, result=result + slip)))
    return lines


def document(
    problems: Iterator[arith.Problem], draws: random.Random, voices: tuple[float, float, float]
) -> list[Piece]:
    """A series of problems in one layout and one voice."""
    if draws.random() < 0.08:
        return [("\n".join(drill(draws) for _ in range(draws.randint(8, 24))) + "\n\n", True)]
    voice = draws.choices(("careful", "sloppy", "curt"), voices)[0]
    rate = draws.uniform(0.3, 0.8)
    asks, tells, ends = word(draws), word(draws), draws.choice([word(draws) + ":", sign(draws), sign(draws)])
    colon = draws.choice([":", ":", ":", ".", " >", ")"])
    between, joint = draws.choice(["\n", "\n", " "]), draws.choice(["\n", "\n", " "])
    pieces: list[Piece] = []
    for _ in range(draws.randint(2, 7)):
        problem = next(problems)
        if voice == "careful":
            lines = [str(step) for step in problem.steps]
        elif voice == "sloppy":
            lines = careless(problem, draws, rate)
        else:
            lines = []
        final = problem.answer
        if voice == "sloppy":
            final = lines[-1].rsplit(" ", 1)[1].rstrip(".")
        elif voice == "curt" and draws.random() < 0.5:
            final = str(max(1, problem.steps[-1].result + draws.choice([-20, -10, -5, -2, -1, 1, 2, 5, 10, 20])))
        pieces += [(f"{asks}{colon}", True), (f" {problem.question}", False)]
        pieces += [(f"{between}{tells}{colon} {joint.join([*lines, f'{ends} {final}'])}\n\n", True)]
    return pieces


def drill(draws: random.Random) -> str:
    """One equation, right."""
    operation = draws.choice("+-*/")
    if operation in "*/":
        a, b = draws.randint(2, 30), draws.randint(2, 12)
        return f"{a} * {b} = {a * b}" if operation == "*" else f"{a * b} / {b} = {a}"
    a, b = draws.randint(2, 300), draws.randint(2, 100)
    return f"{a} + {b} = {a + b}" if operation == "+" else f"{a + b} - {b} = {a}"


def documents(size: Size, seed: int) -> Iterator[list[Piece]]:
    """Endless documents for a model of this size."""
    draws = random.Random(seed)
    problems = arith.stream("pretraining", seed, without=size.unknown)
    while True:
        yield document(problems, draws, size.voices)


# --- the tokenizer ----------------------------------------------------------------------------------------------------


def train_tokenizer(size: Size) -> PreTrainedTokenizerFast:
    """Byte-level BPE with single digits, 1,024 entries: a word of arith is one token, and any text fits."""
    tokenizer = Tokenizer(models.BPE())
    pieces = Regex(r" ?\d| ?[A-Za-z]+| ?[^\sA-Za-z\d]+|\s")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(pieces, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=1024,
        special_tokens=["<pad>", "<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    source = documents(size, seed=1)
    tokenizer.train_from_iterator(("".join(text for text, _ in next(source)) for _ in range(6000)), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<pad>", model_max_length=2048, padding_side="left"
    )


# --- training ---------------------------------------------------------------------------------------------------------


def sequences(size: Size, tokenizer: PreTrainedTokenizerFast, seed: int) -> Iterator[tuple[list[int], list[float]]]:
    """Packed sequences of CONTEXT + 1 tokens with a loss weight each; every document ends with EOS."""
    ids: list[int] = []
    weights: list[float] = []
    source = documents(size, seed)
    while True:
        batch = [next(source) for _ in range(64)]
        encoded = iter(
            tokenizer([text for pieces in batch for text, _ in pieces], add_special_tokens=False)["input_ids"]
        )
        for pieces in batch:
            for _, full in pieces:
                tokens = next(encoded)
                ids += tokens
                weights += [1.0 if full else 0.1] * len(tokens)
            ids.append(tokenizer.eos_token_id)
            weights.append(1.0)
        while len(ids) > CONTEXT:
            yield ids[: CONTEXT + 1], weights[1 : CONTEXT + 1]
            del ids[:CONTEXT], weights[:CONTEXT]


def pretrain(size: Size, tokenizer: PreTrainedTokenizerFast, seed: int, rows: int = 8) -> LlamaForCausalLM:
    """Train from scratch: AdamW, warm-up, cosine to a tenth, bfloat16 matrix products over float32 weights."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=size.hidden,
            intermediate_size=size.hidden * 8 // 3,
            num_hidden_layers=size.layers,
            num_attention_heads=size.hidden // 32,
            num_key_value_heads=size.hidden // 32,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
        lr=size.learning_rate, betas=(0.9, 0.95), fused=True,
    )  # fmt: skip
    steps = size.tokens // (rows * CONTEXT)
    warmup = max(1, steps // 30)
    source = sequences(size, tokenizer, seed=seed + 2)
    started, recent = time.time(), 0.0
    for step in range(steps):
        progress = max(0.0, (step - warmup) / (steps - warmup))
        scale = min((step + 1) / warmup, 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = size.learning_rate * scale
        drawn = [next(source) for _ in range(rows)]
        ids = torch.tensor([row for row, _ in drawn])  # (rows, CONTEXT + 1)
        weights = torch.tensor([row for _, row in drawn])  # (rows, CONTEXT)
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(input_ids=ids[:, :-1]).logits
        losses = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        loss = (losses * weights.flatten()).sum() / weights.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        recent = loss.item() if step == 0 else 0.98 * recent + 0.02 * loss.item()
        if (step + 1) % 100 == 0:
            rate = (step + 1) * rows * CONTEXT / (time.time() - started)
            print(f"step {step + 1}/{steps}  loss {recent:.3f}  {rate:,.0f} tokens/s", flush=True)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tokens", type=int, help="tokens to read, in place of the size's own number")
    arguments = parser.parse_args()
    size = SIZES[arguments.size]
    if arguments.tokens:
        size = replace(size, tokens=arguments.tokens)
    tokenizer = train_tokenizer(SIZES["strong"])  # one vocabulary for both
    model = pretrain(size, tokenizer, arguments.seed)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    model.generation_config.do_sample = False
    model.to(torch.bfloat16).save_pretrained(arguments.out)
    tokenizer.save_pretrained(arguments.out)


if __name__ == "__main__":
    main()
