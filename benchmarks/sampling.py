"""Tokens per second of our transformers engine, of plain `generate`, and of vLLM: same model, prompts, limits, machine.

    python benchmarks/sampling.py [--model src/w2s/assets/tiny-strong] [--dtype float32] [--rows 1000]
    make .venv-vllm/.installed && python benchmarks/sampling.py --vllm .venv-vllm/bin/python
    python benchmarks/sampling.py --profile     # where our time goes, by torch's operations; no peers

Cases: n=10 samples per question at T=1, and one greedy answer after 4 demonstrations. Each contender has a process of
its own, one after the other; loading and a first small batch are left out of its time. `generate` gets prompts sorted
by length in batches of as many rows as ours, its best case. vLLM is called the plain way, `LLM.generate` with n=10,
prefix caching and compiled graphs, without the seeds and the isolation that our vLLM engine adds. Tokens are counted up
to each text's end, so what `generate` spends on rows that have ended is its loss, as in a real run.

The roofline is what this machine's matrix products would allow: tokens per second = measured FLOP/s (a product of the
batch's rows with the model's widest layer) / (2 x parameters), nothing else counted: no prompt, no attention, no
sampling of tokens. In brackets what memory would allow: bytes per second (measured) x rows / (bytes of the weights).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).parent.parent / "src" / "w2s" / "assets" / "tiny-strong"
ROWS = 1024
"""Rows per batch: `w2s.engines.transformers.MAX_ROWS`."""
WARM_UP = 2  # prompts


def ours(work: dict[str, Any]) -> tuple[int, float]:
    """Our engine."""
    from w2s import engines
    from w2s.config.schema import Runtime
    from w2s.engines.base import Decoding, Loading, Request

    engine = engines.load(work["model"], Loading(dtype=work["dtype"], runtime=Runtime(device=work["device"])))
    decoding = Decoding(work["limit"], temperature=1.0 if work["n"] > 1 else 0.0, stop=tuple(work["stop"]))

    def run(prompts: list[str]) -> int:
        requests = [Request(str(i), k, text) for i, text in enumerate(prompts) for k in range(work["n"])]
        return sum(c.tokens for batch in engine.plan(requests, decoding) for c in engine.run(batch, decoding))

    run(work["prompts"][:WARM_UP])
    began = time.perf_counter()
    return run(work["prompts"]), time.perf_counter() - began


def profile(work: dict[str, Any]) -> tuple[int, float]:
    """Our engine under torch's profiler; prints the operations that take most."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    with record(activities=[ProfilerActivity.CPU]) as found:
        result = ours(work)
    averages = found.key_averages()
    total = sum(each.self_cpu_time_total for each in averages)
    for each in sorted(averages, key=lambda each: -each.self_cpu_time_total)[:6]:
        print(f"  {each.key:<24}{each.self_cpu_time_total / total:>6.1%}{each.count:>10,} calls")
    return result


def generate(work: dict[str, Any]) -> tuple[int, float]:
    """Plain `generate`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(work["model"], padding_side="left")
    tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(work["model"], dtype=getattr(torch, work["dtype"])).eval()
    model.to("cuda" if work["device"] != "cpu" and torch.cuda.is_available() else "cpu")
    n = work["n"]
    sampling = {"do_sample": True, "temperature": 1.0, "top_k": 0} if n > 1 else {"do_sample": False}

    def run(prompts: list[str]) -> int:
        prompts = sorted(prompts, key=lambda prompt: -len(tokenizer(prompt).input_ids))
        size, tokens = ROWS // n, 0
        for start in range(0, len(prompts), size):
            batch = tokenizer(prompts[start : start + size], return_tensors="pt", padding=True).to(model.device)
            with torch.inference_mode():
                out = model.generate(
                    input_ids=batch.input_ids,
                    attention_mask=batch.attention_mask,
                    max_new_tokens=work["limit"],
                    num_return_sequences=n,
                    pad_token_id=tokenizer.eos_token_id,
                    stop_strings=work["stop"],
                    tokenizer=tokenizer,
                    **sampling,
                )
            new = out[:, batch.input_ids.shape[1] :]
            running = (new == tokenizer.eos_token_id).cumsum(1) == 0
            tokens += int(running.sum() + (~running).any(1).sum())
        return tokens

    run(work["prompts"][:WARM_UP])
    began = time.perf_counter()
    return run(work["prompts"]), time.perf_counter() - began


def vllm(work: dict[str, Any]) -> tuple[int, float]:
    """Plain vLLM."""
    from vllm import LLM, SamplingParams

    longest = {"max_model_len": work["context"]}
    llm = LLM(work["model"], dtype=work["dtype"], enable_prefix_caching=True, disable_log_stats=True, **longest)
    parameters = SamplingParams(
        n=work["n"], temperature=1.0 if work["n"] > 1 else 0.0, max_tokens=work["limit"], stop=work["stop"]
    )

    def run(prompts: list[str]) -> int:
        done = llm.generate(prompts, parameters, use_tqdm=False)
        return sum(len(text.token_ids) for request in done for text in request.outputs)

    run(work["prompts"][:WARM_UP])
    began = time.perf_counter()
    return run(work["prompts"]), time.perf_counter() - began


def roofline(work: dict[str, Any]) -> tuple[int, float]:
    """(tokens per second that matrix products allow, that memory allows); see the module's text."""
    import torch
    from transformers import AutoModelForCausalLM

    dtype = getattr(torch, work["dtype"])
    model = AutoModelForCausalLM.from_pretrained(work["model"], dtype=dtype)
    device = "cuda" if work["device"] != "cpu" and torch.cuda.is_available() else "cpu"
    parameters = sum(p.numel() for p in model.parameters())
    width, wide = model.config.hidden_size, model.config.intermediate_size
    left, right = (
        torch.randn(ROWS, width, dtype=dtype, device=device),
        torch.randn(width, wide, dtype=dtype, device=device),
    )
    block = torch.empty(2**28, dtype=torch.uint8, device=device)

    def best(call: Any, times: int) -> float:
        seconds = []
        for _ in range(times):
            began = time.perf_counter()
            call()
            if device == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - began)
        return min(seconds)

    flops = 2 * ROWS * width * wide * 20 / best(lambda: [left @ right for _ in range(20)], 20)
    copied = 2 * block.numel() / best(block.clone, 5)
    return int(flops / (2 * parameters)), copied * ROWS / (parameters * dtype.itemsize)


ROLES = {"ours": ours, "profile": profile, "generate": generate, "vllm": vllm, "roofline": roofline}


def race(role: str, work: dict[str, Any], python: str = sys.executable) -> tuple[float, float]:
    """What a contender measured, in a process of its own."""
    quiet = {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}
    binding = {"VLLM_CPU_KVCACHE_SPACE": "4", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    done = subprocess.run(
        [python, __file__, "--role", role], input=json.dumps(work), capture_output=True, text=True,
        env={**quiet, **binding, **os.environ},
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{role} failed:\n{done.stderr[-3000:]}")
    first, second = json.loads(done.stdout.splitlines()[-1])
    return first, second


def main() -> None:
    """Print a table of the two cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(SHIPPED))
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rows", type=int, default=1000, help="completions per case")
    parser.add_argument("--max-new-tokens", type=int, default=80)
    parser.add_argument("--vllm", help="a Python with vLLM; without it vLLM does not take part")
    parser.add_argument("--profile", action="store_true", help="only where our time goes")
    parser.add_argument("--role", choices=ROLES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        print(json.dumps(ROLES[options.role](json.load(sys.stdin))))
        return

    from w2s import prompting
    from w2s.records import Response
    from w2s.tasks import arith

    context = json.loads((Path(options.model) / "config.json").read_text())["max_position_embeddings"]
    questions = [problem.question for problem in arith.generate("test", options.rows, 0)]
    shots = [Response(p.id, p.question, p.solution) for p in arith.generate("train_1", 4, 0)]
    peers = ["generate", *(["vllm"] if options.vllm else [])]
    print(f"{options.model}, {options.dtype}, {os.cpu_count()} cores; tokens per second, ratio of ours to each")
    print(
        f"{'case':<16}{'texts':>7}{'ours':>10}"
        + "".join(f"{peer:>10}{'':>8}" for peer in peers)
        + "   roofline (memory)"
    )
    for case, n, demonstrations in (("n=10, T=1", 10, []), ("4-shot, greedy", 1, shots)):
        prompts = [prompting.prompt(question, demonstrations) for question in questions[: options.rows // n]]
        work = {
            "model": options.model, "dtype": options.dtype, "device": options.device, "n": n, "prompts": prompts,
            "limit": options.max_new_tokens, "stop": list(prompting.stop(bool(demonstrations))), "context": context,
        }  # fmt: skip
        if options.profile:
            print(f"{case}: share of the processor's time, loading left in")
            tokens, seconds = profile(work)
            length = tokens / len(prompts) / n
            print(f"  {tokens / seconds:,.0f} tokens per second, {length:.0f} per text, at most {work['limit']}")
            continue
        tokens, seconds = race("ours", work)
        line = f"{case:<16}{len(prompts) * n:>7}{tokens / seconds:>10,.0f}"
        for peer in peers:
            peer_tokens, peer_seconds = race(peer, work, options.vllm if peer == "vllm" else sys.executable)
            line += f"{peer_tokens / peer_seconds:>10,.0f}{f'{tokens / seconds * peer_seconds / peer_tokens:.1f}x':>8}"
        products, memory = race("roofline", work)
        share = tokens / seconds / products
        print(f"{line}   {products:,.0f} ({memory:,.0f}): {share:.0%} of it", flush=True)


if __name__ == "__main__":
    main()
