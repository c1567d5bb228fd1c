# /// script
# requires-python = ">=3.11"
# dependencies = ["w2s-reasoning[all] @ git+https://github.com/OWNER/w2s"]
# ///
"""A run as one script, with its own dependencies (PEP 723). Write the address of your copy for OWNER above.

    uv run examples/cluster/job.py smollm2 --plan
    uv run examples/cluster/job.py smollm2 preference.losses=dpo --out runs/smollm2
    hf jobs uv run --flavor a100-large --timeout 6h --secrets HF_TOKEN \
        examples/cluster/job.py gsm8k-qwen2.5-0.5b-to-7b engine=transformers --push m_pro_dpo=hub:ORG/NAME

A job's disk goes with the job: without --push nothing of it is left.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import w2s
from w2s.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="a preset or a YAML file")
    parser.add_argument("settings", nargs="*", metavar="key=value")
    parser.add_argument("--out", default="runs/job", help="the run's folder")
    parser.add_argument("--limit", type=int, help="questions per split")
    parser.add_argument("--plan", action="store_true", help="say what is missing and what it costs; compute nothing")
    parser.add_argument("--push", metavar="MODEL=hub:ORG/NAME", help="afterwards, a private repository on the hub")
    given = parser.parse_args(arguments)
    model, _, to = (given.push or "").partition("=")
    if given.push and not (model and to):
        parser.error("--push takes MODEL=hub:ORG/NAME")
    try:
        plan = w2s.plan(given.recipe, *given.settings, out=given.out, limit=given.limit)
        for finding in plan.findings:
            print(f"{'missing' if finding.refusal else 'note'}: {finding.problem}", file=sys.stderr)
        if given.plan:
            first = plan.first
            print(
                f"{len(plan.steps)} steps"
                + (f", {first.seconds / 3600:.1f} h on {first.device.title}" if first else "")
            )
            return 2 if any(finding.refusal for finding in plan.findings) else 0
        results = w2s.run(given.recipe, *given.settings, "runtime.progress=false", out=given.out, limit=given.limit)
        for name, figures in results["models"].items():
            print(f"{name}: {100 * figures['accuracy']:.1f} %")
        if given.push:
            print(w2s.export(given.out, to, model=model).to)
    except UserError as error:
        print(f"{error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
