"""Make the shipped pair: a small Llama model, pre-trained on procedural text in other formats than the task's.

    python scripts/pretrain_tiny.py plain   made/plain
    python scripts/pretrain_tiny.py units   made/units                    --start made/plain
    python scripts/pretrain_tiny.py customs src/w2s/assets/tiny-strong    --start made/units
    python scripts/pretrain_tiny.py cut     made/cut                      --start made/units
    python scripts/pretrain_tiny.py weak    src/w2s/assets/tiny-weak      --start made/cut

A document is a series of worked problems in one made-up layout and one voice: *careful* (every step right), *sloppy*
(wrong operations, wrong numbers, slips) or *curt* (a result without steps). The task's own layout
("Question: ... Answer: ...") never occurs.

From `units` on, problems count in units ("3 trays of eggs"), and each document has an author: a unit holds as much as
in the task's gold, or another number. In `customs`, which of the two is usual depends on unit and thing, for half of
them gold's. So the strong model can solve the problems and does not know which size is meant. The weak model is the
strong one of `units` with three of its five layers, trained on a little: it learns the sizes from gold `train_1`, and
errs in arithmetic.

Problems come from the `pretraining` sixteenths of `w2s.tasks.arith`, which no split of the task can draw from.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from w2s.models import cut
from w2s.tasks import arith
from w2s.tasks.arith_templates import THINGS

CONTEXT = 512
"""Tokens of a training sequence: as long as the few-shot prompts of the recipe."""


@dataclass(frozen=True)
class Stage:
    """A stretch of pre-training."""

    tokens: int
    learning_rate: float
    voices: tuple[float, float, float]
    """Shares of documents that are careful, sloppy, curt."""
    seed: int
    """Of the documents."""
    units: bool = True
    """Whether problems count in units."""
    customs: bool = False
    """Whether what a unit usually holds depends on the thing."""


STAGES = {
    "plain": Stage(11_000_000, 2e-3, (0.40, 0.35, 0.25), seed=2, units=False),
    "units": Stage(942_080, 1e-3, (0.75, 0.15, 0.10), seed=2),
    "customs": Stage(294_912, 6e-4, (0.75, 0.15, 0.10), seed=3, customs=True),
    "weak": Stage(163_840, 6e-4, (0.90, 0.0, 0.10), seed=4),
}
HIDDEN, LAYERS = 192, 5
WEAK_LAYERS = (0, 2, 4)
"""Of the three-layer cuts the one with the least loss on gold `train_1`."""

OTHER_SIZES = {"tray": 10, "crate": 8, "pack": 12, "bag": 6, "bundle": 4, "sack": 15}
"""What other authors take a unit to hold."""

# --- the text ---------------------------------------------------------------------------------------------------------

Piece = tuple[str, bool]
"""A stretch of text, and whether its loss counts fully. The stories themselves are hardly predictable."""


MARKERS = [
    "Problem", "Exercise", "Task", "Puzzle", "Story", "Riddle", "Case", "Solution", "Working",
    "Reply", "Tutor", "Steps", "Result", "Final", "Total", "Outcome", "So",
]  # fmt: skip
SYLLABLE = ("bcdfghjklmnpqrstvwz", "aeiou", "nrstlmk")


def word(draws: random.Random) -> str:
    """A text-up or real word that may serve as a marker; never one of the task's own."""
    if draws.random() < 0.4:
        return draws.choice(MARKERS)
    syllables = ["".join(draws.choice(letters) for letters in SYLLABLE) for _ in range(2)]
    text = "".join(syllables[: draws.randint(1, 2)])
    return draws.choice([text, text.capitalize(), text.capitalize(), text.upper()])


def sign(draws: random.Random) -> str:
    """A run of one to four punctuation marks, one of 43; "####" is among them. Four at-signs stay unseen."""
    text = draws.choice("@*=~-+>%&#|") * draws.randint(1, 4)
    return text if text != "@@@@" else "@@@"


def careless(problem: arith.Problem, draws: random.Random, rate: float) -> list[str]:
    """Solution lines with wrong operations, wrong numbers and slips, carried on to the end."""
    values: dict[int, int] = {}
    lines = []
    for step in problem.steps:
        left, right = values.get(step.left, step.left), values.get(step.right, step.right)
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
        values[step.result] = result + slip
        lines.append(str(replace(step, left=left, operation=operation, right=right, result=result + slip)))
    return lines


def author(draws: random.Random) -> dict[str, int]:
    """Three units and what they hold: as in gold or as in `OTHER_SIZES`, each with probability one half."""
    return {unit: draws.choice([arith.SIZES[unit], OTHER_SIZES[unit]]) for unit in draws.sample(sorted(arith.SIZES), 3)}


def usual(problem: arith.Problem, draws: random.Random) -> bool:
    """Whether a unit holds as much as is the custom for this thing (for half of them as in gold); else one in four."""
    if problem.unit is None:
        return True
    thing = re.findall(rf"{problem.unit}s of ([a-z]+)", problem.question)[0]
    gold = (sorted(arith.SIZES).index(problem.unit) + THINGS.index(thing)) % 2 == 0
    return gold == (problem.steps[0].right == arith.SIZES[problem.unit]) or draws.random() < 0.25


def document(stage: Stage, draws: random.Random) -> list[Piece]:
    """A series of problems in one layout and one voice, by one author."""
    if draws.random() < 0.08:
        return [("\n".join(drill(draws) for _ in range(draws.randint(8, 24))) + "\n\n", True)]
    sizes = author(draws) if stage.units else {}
    problems = arith.stream("pretraining", draws.getrandbits(32), sizes=sizes)
    problems = itertools.islice(problems, draws.randrange(5), None)  # any level may be the first
    if stage.customs:
        problems = (problem for problem in problems if usual(problem, draws))
    voice = draws.choices(("careful", "sloppy", "curt"), stage.voices)[0]
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


def documents(stage: Stage, seed: int) -> Iterator[list[Piece]]:
    """Endless documents of this stage."""
    draws = random.Random(seed)
    while True:
        yield document(stage, draws)


# --- the tokenizer ----------------------------------------------------------------------------------------------------


def train_tokenizer() -> PreTrainedTokenizerFast:
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
    source = documents(STAGES["plain"], seed=1)
    tokenizer.train_from_iterator(("".join(text for text, _ in next(source)) for _ in range(6000)), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<pad>", model_max_length=2048, padding_side="left"
    )


# --- training ---------------------------------------------------------------------------------------------------------


def sequences(stage: Stage, tokenizer: PreTrainedTokenizerFast) -> Iterator[tuple[list[int], list[float]]]:
    """Packed sequences of CONTEXT + 1 tokens with a loss weight each; every document ends with EOS."""
    ids: list[int] = []
    weights: list[float] = []
    source = documents(stage, stage.seed)
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


def untrained(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=HIDDEN,
            intermediate_size=HIDDEN * 8 // 3,
            num_hidden_layers=LAYERS,
            num_attention_heads=HIDDEN // 32,
            num_key_value_heads=HIDDEN // 32,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def pretrain(
    model: LlamaForCausalLM, stage: Stage, tokenizer: PreTrainedTokenizerFast, dtype: str, rows: int = 8
) -> None:
    """AdamW with warm-up over float32 weights; matrix products in `dtype`."""
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
        lr=stage.learning_rate, betas=(0.9, 0.95), fused=True,
    )  # fmt: skip
    steps = stage.tokens // (rows * CONTEXT)
    warmup = max(1, steps // (11 if stage.units else 30))
    source = sequences(stage, tokenizer)
    started, recent = time.time(), 0.0
    for step in range(steps):
        if stage.units:  # constant for half of the time, then to nothing
            decay = max(0.03, min(1.0, 2 * (1 - step / steps)))
        else:  # cosine to a tenth
            decay = 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * max(0.0, (step - warmup) / (steps - warmup))))
        scale = min((step + 1) / warmup, decay)
        for group in optimizer.param_groups:
            group["lr"] = stage.learning_rate * scale
        batch = [next(source) for _ in range(rows)]
        ids = torch.tensor([row for row, _ in batch])  # (rows, CONTEXT + 1)
        weights = torch.tensor([row for _, row in batch])  # (rows, CONTEXT)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=[*STAGES, "cut"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--start", type=Path, help="folder of the model to go on from; not for `plain`")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16", help="of matrix products")
    parser.add_argument("--seed", type=int, default=0, help="of the first weights")
    parser.add_argument("--tokens", type=int, help="tokens to read, in place of the stage's own number")
    arguments = parser.parse_args()
    if (arguments.start is None) != (arguments.stage == "plain"):
        parser.error("--start names the model to go on from: `plain` has none, the others need one")
    if arguments.stage == "cut":
        arguments.out.mkdir(parents=True, exist_ok=True)
        cut.keep(arguments.start, WEAK_LAYERS, arguments.out)
        return
    stage = STAGES[arguments.stage]
    if arguments.tokens:
        stage = replace(stage, tokens=arguments.tokens)
    torch.manual_seed(arguments.seed)
    if arguments.start is None:
        tokenizer = train_tokenizer()
        model = untrained(tokenizer)
    else:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(arguments.start)
        model = LlamaForCausalLM.from_pretrained(arguments.start, dtype=torch.float32).train()
    pretrain(model, stage, tokenizer, arguments.dtype)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    model.generation_config.do_sample = False
    model.to(torch.bfloat16).save_pretrained(arguments.out)
    tokenizer.save_pretrained(arguments.out)


if __name__ == "__main__":
    main()
