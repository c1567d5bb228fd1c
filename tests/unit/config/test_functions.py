"""A user's own function: found by `module:function`, hashed by its file, refused with a hint that helps."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from w2s.config import functions
from w2s.errors import UserError


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("a:b", True), ("a.b:c", True), ("a", False), ("a:", False), (":b", False), ("a b:c", False), ("a:b.c", False)],
)
def test_the_form_of_a_reference(name: str, is_one: bool) -> None:
    assert functions.is_reference(name) is is_one


def test_a_function_of_the_current_folder_is_found_and_an_edit_is_another_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["/nowhere"])
    file = tmp_path / "own_functions_a.py"
    file.write_text("def f(x):\n    return x + 1\n")
    found = functions.load("own_functions_a:f", "selection.by")
    assert found(1) == 2
    assert functions.identity(found) == hashlib.sha256(b"def f(x):\n    return x + 1\n").hexdigest()
    file.write_text("def f(x):\n    return x + 2\n")
    assert functions.identity(found) == hashlib.sha256(b"def f(x):\n    return x + 2\n").hexdigest()


@pytest.mark.parametrize(
    ("text", "reference", "message"),
    [
        ("", "no_such_module_x:f", r"(?s)no module 'no_such_module_x'.*in the folder that has no_such_module_x.py"),
        ("import no_such_package_y\n", "own_b:f", r"(?s)no module 'no_such_package_y'.*install no_such_package_y"),
        ("1 / 0\n", "own_c:f", r"importing own_c fails \(ZeroDivisionError"),
        ("f = 3\n", "own_d:f", r"no function of own_d is called 'f'"),
        (
            "def hinge(): ...\n",
            "own_f:hing",
            r"(?s)function of own_f is called 'hing' \(did you mean 'hinge'\?\).*hinge",
        ),
        ("", "own_e", r"(?s)'own_e' names no function.*module:function"),
    ],
)
def test_what_is_no_function_is_refused(
    text: str, reference: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    if text:
        (tmp_path / f"{reference.partition(':')[0]}.py").write_text(text)
    with pytest.raises(UserError, match=message) as error:
        functions.load(reference, "selection.by")
    assert "[selection.by]" in str(error.value)


def test_a_function_without_a_file_is_refused() -> None:
    with pytest.raises(UserError, match="no source file"):
        functions.identity(len)
