"""Tokens a second of `w2s.engines.transformers` and of plain `generate`: same model, prompts, rows a batch, process.

    python benchmarks/sampling.py [--model src/w2s/assets/tiny-strong] [--dtype float32] [--rows 300]

Cases: n=10 samples a question at T=1, and one greedy answer after 4 demonstrations. `generate` gets prompts sorted by
length in batches of as many rows, its best case. Tokens are counted up to each text's end, so what `generate` spends on
rows that have ended is its loss, as in a real run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from w2s import engines, prompting
from w2s.config import Runtime
from w2s.engines import transformers as ours
from w2s.engines.base import Decoding, Engine, Request
from w2s.records import Response
from w2s.tasks import arith

SHIPPED = Path(__file__).parent.parent / "src" / "w2s" / "assets" / "tiny-strong"


def run_ours(engine: Engine, requests: Sequence[Request], decoding: Decoding) -> int:
    """Tokens generated."""
    return sum(c.tokens for batch in engine.plan(requests, decoding) for c in engine.run(batch, decoding))


def run_generate(model, tokenizer, prompts: Sequence[str], n: int, decoding: Decoding) -> int:
    """Tokens up to each row's first end-of-text token; stop strings as `generate` offers them."""
    sampling = {"do_sample": True, "temperature": decoding.temperature, "top_k": 0} if n > 1 else {"do_sample": False}
    prompts = sorted(prompts, key=lambda prompt: -len(tokenizer(prompt).input_ids))
    size, tokens = ours.MAX_ROWS // n, 0
    for start in range(0, len(prompts), size):
        batch = tokenizer(prompts[start : start + size], return_tensors="pt", padding=True).to(model.device)
        with torch.inference_mode():
            out = model.generate(
                input_ids=batch.input_ids,
                attention_mask=batch.attention_mask,
                max_new_tokens=decoding.max_new_tokens,
                num_return_sequences=n,
                pad_token_id=tokenizer.eos_token_id,
                stop_strings=list(decoding.stop),
                tokenizer=tokenizer,
                **sampling,
            )
        new = out[:, batch.input_ids.shape[1] :]
        running = (new == tokenizer.eos_token_id).cumsum(1) == 0
        tokens += int(running.sum() + (~running).any(1).sum())
    return tokens


def main() -> None:
    """Print a table of the two cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(SHIPPED))
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rows", type=int, default=300, help="texts a case")
    parser.add_argument("--max-new-tokens", type=int, default=80)
    options = parser.parse_args()

    engine = engines.load("transformers", options.model, dtype=options.dtype, runtime=Runtime(device=options.device))
    tokenizer = AutoTokenizer.from_pretrained(options.model, padding_side="left")
    tokenizer.pad_token = tokenizer.eos_token
    peer = AutoModelForCausalLM.from_pretrained(options.model, dtype=getattr(torch, options.dtype)).eval()
    peer.to("cuda" if options.device != "cpu" and torch.cuda.is_available() else "cpu")
    questions = [problem.question for problem in arith.generate("test", options.rows, 0)]
    shots = [Response(p.id, p.question, p.solution) for p in arith.generate("train_1", 4, 0)]

    print(f"{options.model}, {options.dtype}, {peer.device}, {torch.get_num_threads()} threads")
    print(f"{'case':<16}{'ours tok/s':>12}{'generate':>12}{'ratio':>8}{'tokens':>16}")
    for case, n, demonstrations in (("n=10, T=1", 10, []), ("4-shot, greedy", 1, shots)):
        prompts = [prompting.prompt(question, demonstrations) for question in questions[: options.rows // n]]
        requests = [Request(str(i), sample, text) for i, text in enumerate(prompts) for sample in range(n)]
        decoding = Decoding(options.max_new_tokens, temperature=1.0 if n > 1 else 0.0)
        run_ours(engine, requests[: 2 * n], decoding)  # both once, to warm up
        run_generate(peer, tokenizer, prompts[:2], n, decoding)
        started = time.perf_counter()
        tokens = run_ours(engine, requests, decoding)
        between = time.perf_counter()
        peer_tokens = run_generate(peer, tokenizer, prompts, n, decoding)
        speed, peer_speed = tokens / (between - started), peer_tokens / (time.perf_counter() - between)
        print(f"{case:<16}{speed:>12,.0f}{peer_speed:>12,.0f}{speed / peer_speed:>8.1f}{tokens:>8}{peer_tokens:>8}")


if __name__ == "__main__":
    main()
