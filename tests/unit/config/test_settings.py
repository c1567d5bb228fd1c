from __future__ import annotations

from pathlib import Path

import pytest

from w2s import cli
from w2s.config import load, schema, settings

PAGE = Path(__file__).resolve().parents[3] / "docs" / "settings.md"


def test_the_page_of_settings_is_current():
    assert PAGE.read_text(encoding="utf-8") == settings.markdown(), "run: python scripts/settings.py"


def test_every_field_says_what_it_is():
    silent = [
        f"{title}: {name}"
        for title, model in settings._SECTIONS.items()
        for name, field in model.model_fields.items()
        if not field.description
    ]
    assert silent == []


def test_every_section_of_a_recipe_has_a_table():
    """A model that a field of a table refers to has a table too; the discriminated task has three."""
    tables = set(settings._SECTIONS.values())
    inner = {
        found for model in tables for field in model.model_fields.values() for found in load._models(field.annotation)
    }
    assert inner <= tables and len(tables) == 14


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("| `learning_rate` | number more than 0 | `1.0e-05` |", "an exclusive bound"),
        ("| `k` | integer at least 1 and at most 64 | `4` |", "two bounds"),
        ("| `k` | list of integer at least 1 and at most 10,000,000 | `[1, 5, 10]` |", "a bound inside a list"),
        ("| `max_chosen_drop` | number more than 0 or null | `1.0` |", "a bound inside a union"),
        ("| `match` | `string`, `equivalent` | `equivalent` |", "a choice"),
        ("| `task` | section | required |", "a union of sections, required"),
        ("| `lora` | section or null | `null` |", "an optional section"),
        ("| `gold` | mapping of names to values | `{}` |", "a default factory"),
    ],
)
def test_a_row_has_type_bounds_and_default(row, why):
    assert row in settings.markdown(), why


def test_inherited_fields_are_in_one_table():
    page = settings.markdown()
    preference = page.partition("## `preference`\n")[2].partition("\n## ")[0]
    assert "`beta`" in preference and "`epochs`" not in preference and "fields of `training`" in preference


@pytest.mark.parametrize("name", load.names())
def test_a_preset_with_all_fields_reads_back_to_the_same_run(name, tmp_path):
    file = tmp_path / "all.yaml"
    file.write_text(settings.preset(name), encoding="utf-8")
    assert load.load(str(file)) == load.load(name)


def test_a_value_says_where_it_comes_from(tmp_path):
    """From the file itself, from the preset that it extends, with the comment there, or from neither."""
    (tmp_path / "mine.yaml").write_text(
        "extends: tiny\ntraining:\n  epochs: 7\nselection: {match: string} # released code\n"
    )
    lines = settings.preset(str(tmp_path / "mine.yaml")).splitlines()
    assert "  epochs: 7.0  # mine.yaml:3. Passes over the data; may be a fraction" in lines
    assert any(line.startswith("  match: string  # mine.yaml:4 (released code). How two") for line in lines)
    assert any(
        line.startswith("  learning_rate: 0.0002  # tiny.yaml:") and "(ours, not in the paper)" in line
        for line in lines
    )
    assert "  batch_size: 16  # default. Examples per optimiser step, over all devices and accumulation steps" in lines


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One. Two.", "One"),
        ("At 0.5 of\n  beta. More.", "At 0.5 of beta"),
        ("Only one", "Only one"),
        ("First. `code` begins the second.", "First"),
    ],
)
def test_the_first_sentence(text, first):
    assert settings.first_sentence(text) == first


def test_the_verb_prints_it_and_refuses_what_is_no_preset(capsys):
    assert cli.main(["presets", "tiny", "--all"]) == 0
    assert capsys.readouterr().out == settings.preset("tiny")
    assert cli.main(["presets", "tinny", "--all"]) == 2
    assert "did you mean 'tiny'?" in capsys.readouterr().err
    assert cli.main(["presets", "--all"]) == 2
    assert "w2s presets NAME --all" in capsys.readouterr().err


def test_recipe_and_runtime_are_all_there():
    """Every field of the two top sections has a line of its own, as deep as its section."""
    lines = settings.preset("tiny").splitlines()
    for prefix, model in (("", schema.Recipe), ("  ", schema.Runtime)):
        for name in model.model_fields:
            assert sum(line.startswith(f"{prefix}{name}:") for line in lines) >= 1, name
