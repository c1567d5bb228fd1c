# /// script
# requires-python = ">=3.11"
# dependencies = ["w2s-reasoning[all] @ git+https://github.com/OWNER/w2s"]
# ///
"""A run as one script, with its own dependencies (PEP 723). Write the address of your copy for OWNER above.

    uv run examples/cluster/job.py smollm2 --plan
    uv run examples/cluster/job.py smollm2 preference.losses=dpo --out runs/smollm2
    hf jobs uv run --flavor a100-large --timeout 6h --secrets HF_TOKEN \
        examples/cluster/job.py gsm8k-qwen2.5-0.5b-to-7b engine=transformers --push m_pro_dpo=hub:ORG/NAME

A job's disk goes with the job: without --push nothing of it is left. Whether the model can be pushed is checked
before the run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import w2s
from w2s.errors import UserError, one_of
from w2s.verbs import exporting


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
        if given.push:
            one_of("model of this run", model, [step.name for step in plan.steps if step.kind == "train"], "--push")
            exporting.check_target(Path(given.out), to, exporting.Choice(model=model))
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
    except UserError as error:
        print(f"{error}", file=sys.stderr)
        return 2
    return push(Path(given.out), model, to) if given.push else 0


def push(folder: Path, model: str, to: str) -> int:
    """Export the model, an adapter with its base where it cannot go alone; returns the exit code."""
    place = folder / "models" / model
    for merge in (False, True) if (place / "adapter_config.json").is_file() else (False,):
        try:
            print(w2s.export(folder, to, model=model, merge=merge).to)
            return 0
        except UserError as error:
            print(f"{error}", file=sys.stderr)
    print(f"{model} was not pushed; its files are in {place.resolve()}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
