from __future__ import annotations

import pytest

from w2s.flow.step import Step, ordered


def work(context):
    return {}


def test_steps_come_after_what_they_need_and_each_once():
    first = Step("first", work, output="data/first")
    second = Step("second", work, inputs={"x": first})
    third = Step("third", work, inputs={"x": second, "y": first})
    assert [step.name for step in ordered([third, second])] == ["first", "second", "third"]


def test_two_steps_of_one_name_are_refused_only_if_they_differ():
    assert len(ordered([Step("a", work, {"n": 1}), Step("a", work, {"n": 1})])) == 1
    with pytest.raises(ValueError, match="two different steps are named a"):
        ordered([Step("a", work, {"n": 1}), Step("a", work, {"n": 2})])


@pytest.mark.parametrize("output", ["models/a", "models/a/b"])
def test_outputs_inside_each_other_are_refused(output):
    with pytest.raises(ValueError, match="overlap"):
        ordered([Step("a", work, output="models/a"), Step("b", work, output=output)])


@pytest.mark.parametrize(
    "output", ["../x", "/x", "a/../../x", "records/x.json", ".work", ".", ".lock", ".lease", ".reached.json"]
)
def test_outputs_stay_in_the_folder_and_off_the_records(output):
    with pytest.raises(ValueError, match="path of its own"):
        Step("a", work, output=output)


@pytest.mark.parametrize("name", ["", "a/b", ".a", "a b"])
def test_names_are_file_names(name):
    with pytest.raises(ValueError, match="step name"):
        Step(name, work)


def test_identity_is_params_version_function_and_inputs_not_the_rest():
    base = Step("a", work, {"n": 1})
    other = Step("a", work, {"n": 1}, output="x", expected_tokens=5, kind="k", resources={"path": object()})
    assert other.fingerprint == base.fingerprint
    changed = [Step("b", work, {"n": 1}), Step("a", work, {"n": 2}), Step("a", work, {"n": 1}, version=2)]
    changed.append(Step("a", work, {"n": 1}, inputs={"x": Step("b", work)}))
    changed.append(Step("a", work, {"n": 1}, inputs={"y": Step("b", work)}))
    assert len({base.fingerprint, *(step.fingerprint for step in changed)}) == 6
