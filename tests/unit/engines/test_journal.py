from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from w2s.engines import journal, scripted
from w2s.engines.base import Completion, Decoding, Request, ticks
from w2s.errors import UserError

REQUESTS = [Request(f"q{i}", sample, f"p{i}") for i in (2, 0, 3, 1) for sample in range(2)]
DECODING = Decoding(8, temperature=1.0, seed=5)


class Counting(scripted.ScriptedEngine):
    """Two batches; counts how many were run."""

    def __init__(self) -> None:
        super().__init__(lambda request, decoding: f"é {request.id} {request.sample} {decoding.seed}")
        self.runs = 0

    def run(self, batch, decoding):
        self.runs += 1
        return super().run(batch, decoding)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch) -> None:
    monkeypatch.setattr(scripted, "BATCH", 4)


def test_results_come_in_the_order_of_the_requests() -> None:
    done = journal.generate(Counting(), REQUESTS, DECODING)
    assert [(c.id, c.sample) for c in done] == [(r.id, r.sample) for r in REQUESTS]


def test_a_kill_at_any_byte_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "scratch" / "journal.jsonl"
    unbroken = journal.generate(Counting(), REQUESTS, DECODING, file)
    whole = file.read_bytes()
    first = whole.index(b"\n") + 1
    assert whole.count(b"\n") == 2
    for size in range(len(whole) + 1):
        file.write_bytes(whole[:size])
        engine = Counting()
        assert journal.generate(engine, REQUESTS, DECODING, file) == unbroken
        assert engine.runs == (0 if size == len(whole) else 1 if size >= first else 2)
        assert file.read_bytes() == whole


def test_another_decoding_or_prompt_is_not_taken_from_the_journal(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    journal.generate(Counting(), REQUESTS, DECODING, file)
    other = journal.generate(Counting(), REQUESTS, Decoding(8, temperature=1.0, seed=6), file)
    assert other[0].text.endswith("6")
    engine = Counting()
    journal.generate(engine, [Request(r.id, r.sample, r.prompt + "!") for r in REQUESTS], DECODING, file)
    assert engine.runs == 2


def test_damage_before_the_last_line_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    journal.generate(Counting(), REQUESTS, DECODING, file)
    file.write_bytes(b"{" + file.read_bytes())
    with pytest.raises(UserError, match=r"journal\.jsonl:1: is damaged"):
        journal.generate(Counting(), REQUESTS, DECODING, file)


def test_a_changed_completion_is_not_taken_from_the_journal(tmp_path: Path) -> None:
    """In the last line it is made again, as after a kill; before that the journal is refused."""
    file = tmp_path / "journal.jsonl"
    unbroken = journal.generate(Counting(), REQUESTS, DECODING, file)
    first, last = file.read_text().splitlines(keepends=True)
    file.write_text(first + last.replace(" 0 5", " 9 5"))
    engine = Counting()
    assert journal.generate(engine, REQUESTS, DECODING, file) == unbroken and engine.runs == 1
    file.write_text(first.replace(" 0 5", " 9 5") + last)
    with pytest.raises(UserError, match=r"journal\.jsonl:1: is damaged"):
        journal.generate(Counting(), REQUESTS, DECODING, file)


def test_a_journal_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    unbroken = journal.generate(Counting(), REQUESTS, DECODING, file)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps({"batch": r["batch"], "completions": r["completions"]}) + "\n" for r in rows))
    engine = Counting()
    assert journal.generate(engine, REQUESTS, DECODING, file) == unbroken and engine.runs == 0


@pytest.mark.parametrize(
    "line",
    [
        b"null", b"[]", b'{"batch": [], "completions": []}', b'{"batch": "k", "completions": 5}',
        b'{"batch": "k", "completions": [["a", 0, null, 1, "stop"]]}', b"[" * 100_000,
    ],
    ids=lambda line: repr(line[:60]),
)  # fmt: skip
def test_a_line_of_another_shape_is_damage(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "journal.jsonl"
    unbroken = journal.generate(Counting(), REQUESTS, DECODING, file)
    whole = file.read_bytes()
    file.write_bytes(line + b"\n" + whole)
    with pytest.raises(UserError, match=r"journal\.jsonl:1: is damaged"):
        journal.generate(Counting(), REQUESTS, DECODING, file)
    file.write_bytes(whole + line + b"\n")
    assert journal.generate(Counting(), REQUESTS, DECODING, file) == unbroken
    assert file.read_bytes() == whole


def test_a_batch_that_lost_a_completion_is_run_again(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    unbroken = journal.generate(Counting(), REQUESTS, DECODING, file)
    first, *rest = file.read_text().splitlines()
    row = {field: json.loads(first)[field] for field in ("batch", "completions")}  # as earlier versions wrote it
    row["completions"].pop()
    file.write_text("\n".join([json.dumps(row), *rest]) + "\n")
    engine = Counting()
    assert journal.generate(engine, REQUESTS, DECODING, file) == unbroken
    assert engine.runs == 1


def test_progress_counts_completions_and_tokens(tmp_path: Path) -> None:
    seen: list[tuple[int, int, int]] = []
    for _ in range(2):  # the second time from the journal
        journal.generate(Counting(), REQUESTS, DECODING, tmp_path / "j", lambda *values: seen.append(values))
    assert seen == [(4, 8, 16), (8, 8, 32)] * 2


def test_parts_keep_questions_whole_and_in_order(monkeypatch) -> None:
    monkeypatch.setattr(journal, "PART", 10)
    assert list(journal.parts(iter("abcdefg"), 3)) == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
    assert list(journal.parts("ab", 11)) == [["a"], ["b"]]
    assert list(journal.parts("", 1)) == []


class Backwards(Counting):
    """Runs many at once; the last batch ends first."""

    closed = False

    def run_many(self, batches, decoding):
        try:
            for place in reversed(range(len(batches))):
                yield place, self.run(batches[place], decoding)
        finally:
            self.closed = True


def test_batches_are_kept_as_they_end_where_many_run_at_once(tmp_path: Path) -> None:
    in_order, file = tmp_path / "in_order", tmp_path / "backwards"
    unbroken = journal.generate(Counting(), REQUESTS, DECODING, in_order)
    assert journal.generate(Backwards(), REQUESTS, DECODING, file) == unbroken
    whole = file.read_bytes()
    assert whole.splitlines() == in_order.read_bytes().splitlines()[::-1]
    for size in range(len(whole) + 1):
        file.write_bytes(whole[:size])
        engine = Backwards()
        assert journal.generate(engine, REQUESTS, DECODING, file) == unbroken
        assert engine.runs == (0 if size == len(whole) else 1 if size > whole.index(b"\n") else 2)
        assert file.read_bytes() == whole


def test_what_is_under_way_is_given_up_when_the_caller_fails(tmp_path: Path) -> None:
    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    engine = Backwards()
    with pytest.raises(KeyboardInterrupt):
        journal.generate(engine, REQUESTS, DECODING, tmp_path / "j", interrupt)
    assert engine.closed and engine.runs == 1
    assert (tmp_path / "j").read_bytes().count(b"\n") == 1


class Telling(Counting):
    """Says after each row how far it is."""

    def run(self, batch: Sequence[Request], decoding: Decoding) -> list[Completion]:
        for row in range(len(batch)):
            ticks.tell(row + 1, 3 * (row + 1))
        return super().run(batch, decoding)


def test_progress_comes_from_inside_a_batch_too() -> None:
    """Two batches of four: 4 rows with 3 tokens each are told; then the batch has 16 tokens."""
    seen: list[tuple[int, int, int]] = []
    journal.generate(Telling(), REQUESTS, DECODING, None, lambda *values: seen.append(values))
    first = [(1, 8, 3), (2, 8, 6), (3, 8, 9), (4, 8, 12), (4, 8, 16)]
    assert seen == [*first, *((done + 4, of, tokens + 16) for done, of, tokens in first)]
    ticks.tell(1, 1)  # nobody hears it now
    assert len(seen) == 10
