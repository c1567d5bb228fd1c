"""Write docs/guarantees.md from scripts/guarantees.yaml and the figures in docs/guarantees.json.

python scripts/guarantees.py [MEASURED.jsonl]

MEASURED.jsonl has what tests measured (W2S_MEASURED=MEASURED.jsonl make test-all); it replaces the figures of the same
names.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
PROMISES = ROOT / "scripts" / "guarantees.yaml"
FIGURES = ROOT / "docs" / "guarantees.json"
PAGE = ROOT / "docs" / "guarantees.md"

HEAD = """# Guarantees

What w2s promises, the tests that hold it, and what they measured. `python scripts/guarantees.py MEASURED.jsonl` writes
this page; the tests write the figures with `W2S_MEASURED=MEASURED.jsonl make test-all` (or `make test-chaos`).
"""

FOOT = """## What is not promised

- **A power cut.** Records and outputs of a run are synced before they count, but no test cuts the power, and a disk may
  lie about it.
- **Other machines.** Bytes are equal on one machine with one number of threads. Across devices, dtypes, engines and
  versions of torch the last bits of logits differ, and now and then a completion.
- **Servers and vLLM.** A server may answer one request in two ways. A resumed step keeps what it has and asks for the
  rest.
- **Pickles in TRL's checkpoints.** Optimiser states of `trainer: trl` are torch's files, in a run's own folder, under
  digests and read with `weights_only`.
- **The last minutes of a training.** A kill loses what came after the last saved state (`runtime.save_minutes`).
- **Signals to a Ray cluster** save no training: only the clock does (`runtime.save_minutes`).
- **Network file systems.** The lock has a heartbeat for hosts that do not share `flock`; the tests have one host.
- **Several users.** Who can write to a run's folder can write records too. Seals show accidents, not attacks.
- **Right grades.** Equal keys are an equivalence, and a few decisions are wrong:
  [the known ones](results.md#answers).
- **That the method helps** with your models. [Results](results.md) has what we measured.
"""


def processor() -> str:
    """Its name, and which of the instructions that decide speed it has."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or "unknown"
    named = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    has = [each for each in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f" {each} " in text.replace("\n", " ")]
    return " ".join([named[1] if named else platform.machine(), *has[-1:]])


def figures(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Figures by name. Of several rows of one name, whole numbers are added, and of others the least stays."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        of = found.setdefault(str(row["name"]), {})
        for field, value in row.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            whole = isinstance(value, int)
            of[field] = value if field not in of else of[field] + value if whole else min(of[field], value)
    return dict(sorted(found.items()))


def page(sections: Mapping[str, Any], measured: Mapping[str, Any]) -> str:
    """The page. What no test has measured has no figure."""
    lines = [HEAD]
    known = measured["figures"]
    for section, promises in sections.items():
        lines.append(f"## {section}\n")
        for each in promises:
            parts = [text.format_map(known[name]) for name, text in each.get("measured", {}).items() if name in known]
            lines.append(f"- {each['promise']}" + (f" **{'; '.join(parts)}**." if parts else "") + "<br>")
            lines.append("  " + "<br>\n  ".join(f"`{test.removeprefix('tests/')}`" for test in each["tests"]))
        lines.append("")
    lines.append(f"Figures of {measured['date']}, commit `{measured['commit']}`: {measured['machine']}.\n")
    return "\n".join([*lines, FOOT])


def sections() -> dict[str, Any]:
    """The promises by section."""
    return dict(yaml.safe_load(PROMISES.read_text(encoding="utf-8")))


def take(file: Path) -> None:
    """Bring a file of measurements into the figures."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    before = json.loads(FIGURES.read_text(encoding="utf-8"))["figures"] if FIGURES.exists() else {}
    used = {name for promises in sections().values() for each in promises for name in each.get("measured", {})}
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    content = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit.stdout.strip(),
        "machine": f"{platform.system()}, {os.cpu_count()} CPUs ({processor()}), Python {platform.python_version()}",
        "figures": {name: of for name, of in sorted((before | figures(rows)).items()) if name in used},
    }
    FIGURES.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Read the measurements, if any, and write the page."""
    for file in sys.argv[1:]:
        take(Path(file))
    PAGE.write_text(page(sections(), json.loads(FIGURES.read_text(encoding="utf-8"))), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
