"""Damaged files of every kind: each is read or refused by one message, and nothing is left half-written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import fuzz
import pytest
import readers

from w2s.errors import UserError


@pytest.fixture
def survived(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured: Callable[..., None]):
    """Assert that all readers stand the files of these seeds."""

    def check(seeds: range) -> None:
        monkeypatch.setenv("W2S_FUZZ_RUN", str(finished))
        began = time.monotonic()
        outcomes = list(fuzz.fuzz(seeds, tmp_path / "fuzz"))
        readers = fuzz.counts(outcomes)
        measured("fuzz", first=seeds[0], files=len(outcomes), seconds=round(time.monotonic() - began, 1), **readers)
        failed = [outcome for outcome in outcomes if outcome.kind == "failed"]
        again = f"W2S_FUZZ_RUN={finished} python tests/fuzz/fuzz.py SEED"
        assert not failed, "\n".join([again, *(f"{each.seed} {each.reader}: {each.text}" for each in failed[:10])])
        assert len(outcomes) == len(seeds) and all(row["refused"] for row in readers.values()), readers

    return check


def test_three_hundred_damaged_files(survived: Callable[[range], None]) -> None:
    survived(range(300))


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(10))
def test_ten_thousand_damaged_files(survived: Callable[[range], None], part: int) -> None:
    survived(range(1000 * (part + 1), 1000 * (part + 2)))


def test_an_error_and_half_an_output_are_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def careless(place: readers.Place) -> None:
        (place.out / "half.jsonl").write_text("{")
        if not isinstance(json.loads((place.files / "a.json").read_text()), dict):
            raise UserError("is no object", file=place.files / "a.json")

    careful = readers.Reader(lambda folder: readers._rows(folder / "a.json", [{"a": 1}]), careless)
    monkeypatch.setattr(fuzz, "READERS", {"careless": careful})
    (tmp_path / "root").mkdir()
    texts = [fuzz.one(seed, tmp_path / "root") for seed in range(60)]
    failed = "".join(each.text for each in texts if each.kind == "failed")
    assert "JSONDecodeError" in failed and "left over: ['half.jsonl']" in failed
    assert fuzz.one(7, tmp_path / "root") == texts[7]


@pytest.mark.nightly
def test_what_hangs_or_dies_is_seen_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "works.py").write_text("""
import os, time

def work(seeds, root, results):
    for seed in seeds:
        if seed == 2:
            time.sleep(600)
        if seed == 3:
            os._exit(9)
        results.send(seed)
""")
    monkeypatch.syspath_prepend(str(tmp_path))
    import works

    found = list(fuzz.fuzz(range(1, 5), tmp_path / "root", works.work, longest=60))
    assert found == [
        1,
        (2, "?", "failed", "no end within 60 seconds"),
        (3, "?", "failed", "the process ended with 9"),
        4,
    ]
