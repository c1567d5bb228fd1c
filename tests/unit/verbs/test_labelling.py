"""`w2s select` on files: rows, certificates by hand, and every refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from response_files import lines, said, written

import w2s
from w2s import cli
from w2s.errors import UserError
from w2s.method.certificate import Certificate, NoCertificate

ANSWERS = {"weak": (7, 2, 3, None), "icl": (7, 2, 9, 5)}


def files(folder: Path, **answers: tuple[object, ...]) -> dict[str, Path]:
    """A file per source; the questions are 1, 2, ..."""
    return {
        name: written(folder / f"{name}.jsonl", *(said(n, answer, by=name) for n, answer in enumerate(given, 1)))
        for name, given in answers.items()
    }


def samples_file(folder: Path, *answers: tuple[object, ...]) -> Path:
    rows = [said(n, a, sample=k) for n, given in enumerate(answers, 1) for k, a in enumerate(given)]
    return written(folder / "samples.jsonl", *rows)


def many(folder: Path, n: int, wrong: Callable[[int], bool]) -> dict[str, Path]:
    """Three sources that agree on every question, where `wrong` says so on one more than gold."""
    given = tuple(1000 + k + wrong(k) for k in range(1, n + 1))
    return files(folder, weak=given, icl=given, more=given)


def golds(folder: Path, numbers: range) -> Path:
    return written(folder / "c.jsonl", *({"id": k, "answer": str(1000 + k)} for k in numbers))


def test_agreement_keeps_the_strong_models_text(tmp_path: Path) -> None:
    out = tmp_path / "o.jsonl"
    summary = w2s.select(files(tmp_path, **ANSWERS), out, task="gsm8k", by="agreement")
    assert (summary.kept, summary.of, dict(summary.dropped)) == (2, 4, {"disagree": 2})
    first, second = lines(out)
    assert set(first) == {"id", "answer", "posterior", "prompt", "completion", "source"}
    assert (first["id"], first["answer"], first["source"]) == (1, "7", "icl")
    assert "How many, 1?" in first["prompt"] and first["completion"].strip() == "So it is 7.\n#### 7"
    assert 0.5 < first["posterior"] < 1 and second["answer"] == "2"
    assert summary.certificate is None and summary.lines()[0].startswith("kept 2 of 4 questions (50.00%")


def test_vote_takes_the_majority(tmp_path: Path) -> None:
    """3 of 4 is 0.75, 2 of 4 is less than 0.6."""
    samples = samples_file(tmp_path, (5, 5, 6, 5), (5, 5, 6, 6))
    out = tmp_path / "o.jsonl"
    summary = w2s.select({}, out, task="gsm8k", samples=samples, by="vote")
    assert [(row["id"], row["answer"], row["source"]) for row in lines(out)] == [(1, "5", "samples")]
    assert dict(summary.dropped) == {"low_confidence": 1}
    assert w2s.select({}, out, task="gsm8k", samples=samples, by="vote", threshold=0.5).kept == 2


def test_both_iterations_need_the_same_label_in_both(tmp_path: Path) -> None:
    one = written(tmp_path / "one.jsonl", said(1, 7), said(2, 8), said(3, 9))
    two = written(tmp_path / "two.jsonl", said(3, 9), said(2, 5), said(4, 1))
    out = tmp_path / "o.jsonl"
    summary = w2s.select({"one": one, "two": two}, out, task="gsm8k", by="both_iterations")
    assert [row["id"] for row in lines(out)] == [3]
    assert (summary.of, dict(summary.dropped)) == (3, {"missing": 1, "disagree": 1})


def test_the_posterior_prefers_two_to_one_and_reads_partial_files(tmp_path: Path) -> None:
    given = files(tmp_path, weak=(1, 2, 3, 4, 5, 6), icl=(1, 2, 3, 4, 5, 9))
    given["other"] = written(tmp_path / "other.jsonl", *(said(k, k) for k in (1, 2, 3, 4)), said(6, 9))
    out = tmp_path / "o.jsonl"
    summary = w2s.select(given, out, task="gsm8k", threshold=0.6)
    rows = {row["id"]: row for row in lines(out)}
    assert (rows[6]["answer"], rows[6]["source"]) == ("9", "other")
    assert rows[1]["posterior"] > rows[6]["posterior"] > 0.6
    assert rows[1]["posterior"] > rows[5]["posterior"]
    assert summary.kept == 6


def test_certified_by_hand(tmp_path: Path) -> None:
    """100 golds, all right: the half that tests has 50, and 0.95^50 = 0.077 <= 0.1; all 20 others are kept."""
    out = tmp_path / "o.jsonl"
    summary = w2s.select(
        many(tmp_path, 120, lambda k: False), out, task="gsm8k", by="certified",
        calibration=golds(tmp_path, range(1, 101)),
    )  # fmt: skip
    assert (summary.kept, summary.of, summary.calibration) == (20, 20, 100)
    assert isinstance(summary.certificate, Certificate) and summary.certified
    assert (summary.certificate.checked, summary.certificate.checked_kept, summary.certificate.wrong) == (50, 50, 0)
    assert [row["id"] for row in lines(out)] == list(range(101, 121))
    assert "certified: at least 95% right with 90% confidence: 20 of 20 kept" in "\n".join(summary.lines())
    assert summary.curve[-1].kept == 20 and summary.curve[-1].precision == 1
    assert json.loads(json.dumps(summary.as_dict()))["certificate"]["kept"] == 20


def test_too_few_golds_cannot_certify(tmp_path: Path) -> None:
    """The half that tests has 40, and 45 are the fewest: 45 tested of 45 kept ones, so 90 golds."""
    out = tmp_path / "o.jsonl"
    summary = w2s.select(
        many(tmp_path, 120, lambda k: False), out, task="gsm8k", by="certified",
        calibration=golds(tmp_path, range(1, 81)),
    )  # fmt: skip
    assert summary.kept == 0 and lines(out) == [] and not summary.certified
    assert dict(summary.dropped) == {"not_certified": 40}
    assert isinstance(summary.certificate, NoCertificate) and summary.needed == 90
    (said_so,) = [line for line in summary.lines() if line.startswith("cannot be certified")]
    assert "only 40 kept questions have gold" in said_so and "about 90 golds would be needed" in said_so


def test_wrong_answers_cannot_be_certified_with_more_gold(tmp_path: Path) -> None:
    """Every fourth answer is wrong; a rule tests all of its 100 golds at once, and keeps what it keeps."""
    summary = w2s.select(
        many(tmp_path, 120, lambda k: k % 4 == 0), tmp_path / "o.jsonl", task="gsm8k", by="both_iterations",
        calibration=golds(tmp_path, range(1, 101)),
    )  # fmt: skip
    assert summary.kept == 20 and not summary.certified and summary.needed is None
    assert "of 100 kept questions with gold to test with, 25 are wrong; more gold would not help" in "\n".join(
        summary.lines()
    )
    assert summary.curve[-1].right == 75


def test_a_promise_of_less_is_easier(tmp_path: Path) -> None:
    """75 of 100 right: 0.6 is certified, P(Bin(100, 0.4) <= 25) = 0.001."""
    summary = w2s.select(
        many(tmp_path, 120, lambda k: k % 4 == 0), tmp_path / "o.jsonl", task="gsm8k", by="both_iterations",
        calibration=golds(tmp_path, range(1, 101)), precision=0.6,
    )  # fmt: skip
    assert summary.certified and isinstance(summary.certificate, Certificate)
    assert summary.certificate.promise == (0.6, 0.9) and summary.certificate.wrong == 25


def test_gold_beyond_the_calibration_changes_nothing(tmp_path: Path) -> None:
    """What is kept of the other questions depends on the golds of these alone; ids may be strings or integers."""
    given = many(tmp_path, 130, lambda k: k % 9 == 0)
    as_numbers = golds(tmp_path, range(1, 101))
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    w2s.select(given, one, task="gsm8k", by="certified", calibration=as_numbers, precision=0.7)
    rows = [{"id": str(row["id"]), "answer": row["answer"]} for row in reversed(lines(as_numbers))]
    w2s.select(
        given, two, task="gsm8k", by="certified", calibration=written(tmp_path / "s.jsonl", *rows), precision=0.7
    )
    assert one.read_bytes() == two.read_bytes() and one.stat().st_size


@pytest.mark.parametrize("by", ["agreement", "both_iterations", "posterior", "certified"])
def test_a_cut_text_votes_and_is_never_learned_from(by: str, tmp_path: Path) -> None:
    """Of question 101 only the first file's text is whole; of question 102 none is."""
    numbers = range(1, 103)
    given = {
        name: written(
            tmp_path / f"{name}.jsonl",
            *(said(k, 1000 + k) | ({"cut": True} if k - (name == "weak") > 100 else {}) for k in numbers),
        )
        for name in ("weak", "icl")
    }
    out = tmp_path / "o.jsonl"
    options: dict[str, Any] = {"calibration": golds(tmp_path, range(1, 101)), "threshold": None}
    if by == "posterior":
        options["threshold"] = 0.5
    summary = w2s.select(given, out, task="gsm8k", by=by, **options)
    assert [(row["id"], row["source"]) for row in lines(out)] == [(101, "weak")]
    assert summary.kept == 1 and sum(summary.dropped.values()) == 1


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "one file": ({"by": "agreement", "answers": ("weak",)}, "[--answers]", "compares two files"),
    "three files": ({"by": "agreement", "answers": ("weak", "icl", "more")}, "[--answers]", "and there are 3"),
    "one iteration": ({"by": "both_iterations", "answers": ("weak",)}, "[--answers]", "two files or more"),
    "unknown": ({"by": "vot"}, "[--by]", "did you mean 'vote'"),
    "no samples": ({"by": "vote"}, "[--samples]", "no samples"),
    "nothing": ({"answers": ()}, "[--answers]", "no answers"),
    "no gold": ({"by": "certified"}, "[--calibration]", "needs right answers"),
    "promise without gold": ({"precision": 0.9}, "[--precision]", "needs right answers"),
    "no share": ({"calibration": range(1, 3), "precision": 95}, "[--precision]", "is not a share"),
    "no confidence": ({"calibration": range(1, 3), "confidence": 1.0}, "[--confidence]", "is not a share"),
    "threshold of a rule": ({"by": "agreement", "threshold": 0.5}, "[--threshold]", "no threshold"),
    "threshold too high": ({"threshold": 90}, "[--threshold]", "is not a share"),
    "gold of no question": ({"by": "certified", "calibration": range(3, 9)}, "c.jsonl:3 [id]", "'5'"),
    "gold of all": ({"by": "certified", "calibration": range(1, 5)}, "[--calibration]", "nothing is left"),
    "one gold": ({"by": "certified", "calibration": range(1, 2)}, "[--calibration]", "too few"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_by_field(case: str, tmp_path: Path) -> None:
    options, field, problem = BAD[case]
    options = dict(options)
    given = files(tmp_path, weak=(7, 2, 3, 4), icl=(7, 2, 9, 5), more=(7, 2, 9, 4))
    chosen = {name: given[name] for name in options.pop("answers", ("weak", "icl"))}
    if "calibration" in options:
        options["calibration"] = golds(tmp_path, options["calibration"])
    with pytest.raises(UserError) as refusal:
        w2s.select(chosen, tmp_path / "o.jsonl", task="gsm8k", **options)
    assert field in str(refusal.value) and problem in str(refusal.value)
    assert not (tmp_path / "o.jsonl").exists()


@pytest.mark.parametrize("name", ["samples", "a b", ""])
def test_names_of_sources(name: str, tmp_path: Path) -> None:
    given = files(tmp_path, weak=(7, 2))
    with pytest.raises(UserError, match="is not a name"):
        w2s.select({name: given["weak"], "icl": given["weak"]}, tmp_path / "o.jsonl", task="gsm8k")


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    weak = written(tmp_path / "weak.jsonl", said(1, 7), said(2, 8))
    icl = written(tmp_path / "icl.jsonl", said(1, 7))
    other = written(tmp_path / "other.jsonl", said(1, 7), said(3, 8))
    with pytest.raises(UserError, match="id '2' is not in"):
        w2s.select({"weak": weak, "icl": icl}, tmp_path / "o.jsonl", task="gsm8k", by="agreement")
    with pytest.raises(UserError, match="id '3' is not in"):
        w2s.select({"weak": weak, "icl": other}, tmp_path / "o.jsonl", task="gsm8k")
    kept = w2s.select({"weak": weak, "icl": icl}, tmp_path / "o.jsonl", task="gsm8k", by="agreement", only_shared=True)
    assert (kept.kept, dict(kept.dropped)) == (1, {"missing": 1})


def test_no_response_has_an_answer(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no response has a final answer"):
        w2s.select(files(tmp_path, weak=(None,), icl=(None,)), tmp_path / "o.jsonl", task="gsm8k")


def test_the_output_is_no_input(tmp_path: Path) -> None:
    given = files(tmp_path, **ANSWERS)
    calibration = golds(tmp_path, range(1, 3))
    for out, option in ((given["icl"], "--answers icl"), (calibration, "--calibration")):
        before = out.read_bytes()
        with pytest.raises(UserError, match=f"would be written over {option}"):
            w2s.select(given, out, task="gsm8k", calibration=calibration)
        assert out.read_bytes() == before


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = files(tmp_path, **ANSWERS)
    named = [word for name, file in given.items() for word in ("--answers", f"{name}={file}")]
    out = ["--out", str(tmp_path / "o.jsonl")]
    assert cli.main(["select", "--task", "gsm8k", *named, "--by", "agreement", *out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 2
    assert cli.main(["select", "--task", "gsm8k", "--answers", str(given["weak"]), *out]) == 2
    assert "is not a name and a file" in capsys.readouterr().err
    assert cli.main(["select", "--task", "gsm8k", *named[:2], *named[:2], *out]) == 2
    assert "is given twice" in capsys.readouterr().err
