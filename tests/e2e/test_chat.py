"""A whole run of instruct models: asked, trained and asked again through their own chat templates."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from w2s import models
from w2s.data import jsonl
from w2s.models import chat

TEMPLATE = (  # a turn ends in words, which the demonstrations show to a model that knows no chat
    "{% for m in messages %}{% if m.role == 'user' %}Problem. {{ m.content }}\nReply.{% else %} {{ m.content }}\n"
    "End.\n\n{% endif %}{% endfor %}"
)


@pytest.mark.slow
def test_the_recipe_with_chat_templates(w2s: Any, small: tuple[str, ...], tmp_path: Path) -> None:
    for name in ("weak", "strong"):
        shutil.copytree(models.ASSETS / f"tiny-{name}", tmp_path / name)
        (tmp_path / name / "chat_template.jinja").write_text(TEMPLATE)
    run = tmp_path / "run"
    command = [
        *small, "task.train_1=150", "task.test=8", "baselines=[weak_floor,strong_ceiling]", "prompt=chat",
        f"weak={tmp_path / 'weak'}", f"strong={tmp_path / 'strong'}",
    ]  # fmt: skip
    done = w2s("run", *command, "--out", str(run))
    assert done.returncode == 0, done.stderr
    for name in ("gold_train_1", "gold_train_2", "stage1_iter1", "stage1_iter2", "stage2_pairs"):
        for _, row in jsonl.read(run / "data" / f"{name}.jsonl"):
            assert row["prompt"].startswith("Problem. ") and row["prompt"].endswith("\nReply.")
            texts = [row[side] for side in ("completion", "chosen", "rejected") if side in row]
            assert texts and all(text.startswith(" ") and text.endswith("\nEnd.") for text in texts)
    asked = chat.load(models.find(str(tmp_path / "strong")))
    assert chat.load(models.find(str(run / "models" / "m_pro_dpo"))).hash == asked.hash
    record = json.loads((run / "records" / "test_m_plus.json").read_text())
    assert asked.hash in json.dumps(record)
    assert json.loads((run / "results.json").read_text())["models"]["m_plus"]["n"] == 8
    plan = w2s("plan", *command, "--out", str(run))
    assert plan.returncode == 0 and "rerun" not in plan.stdout
