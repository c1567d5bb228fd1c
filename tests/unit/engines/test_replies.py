from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("openai")

from w2s.engines.replies import Reply, read
from w2s.engines.retry import UnusableReply
from w2s.errors import UserError


def completion(**choice: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": 0, "text": "4", **choice}], "usage": {"completion_tokens": 2}}


def message(content: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    "reason", ["stop", "STOP", "eos", "eos_token", "stop_sequence", "end_turn", "COMPLETE", "", None]
)
def test_these_reasons_are_a_stop(reason: str | None) -> None:
    assert read(completion(finish_reason=reason), "m", False) == Reply("4", "stop", 2)
    assert read(completion(), "m", False).end == "stop"


def test_length_alone_is_a_cut_and_a_filter_is_known() -> None:
    assert read(completion(finish_reason="length"), "m", False).end == "length"
    assert read(completion(finish_reason="content_filter"), "m", False).end == "filter"
    for reason in ("tool_calls", "LENGTH", "max_tokens", 7, ["stop"]):
        with pytest.raises(UserError, match="finish_reason"):
            read(completion(finish_reason=reason), "m", False)
    for reason in ("abort", "error"):
        with pytest.raises(UnusableReply, match=reason):
            read(completion(finish_reason=reason), "m", False)


def test_the_choice_of_index_0_is_taken() -> None:
    zero, one = completion()["choices"][0], {"index": 1, "text": "no"}
    assert read({"choices": [one, zero]}, "m", False).text == "4"
    assert read({"choices": [{"text": "4"}]}, "m", False).text == "4"
    for wrong in ([one], [zero, zero], [{**zero, "index": "0"}], [{**zero, "index": False}], [{"text": "4"}, one]):
        with pytest.raises(UnusableReply, match="choices of index 0"):
            read({"choices": wrong}, "m", False)


@pytest.mark.parametrize("tokens", [None, -1, 2.0, True, "2"])
def test_tokens_that_are_no_count_are_none(tokens: Any) -> None:
    assert read(completion() | {"usage": {"completion_tokens": tokens}}, "m", False).tokens is None
    assert read(completion() | {"usage": tokens}, "m", False).tokens is None


def test_chat_content_is_text_parts_or_null() -> None:
    parts = [{"type": "thinking", "thinking": "so"}, {"type": "text", "text": "It is "}, {"type": "text", "text": "4"}]
    assert [read(message(content), "m", True).text for content in ("4", None, parts)] == ["4", "", "It is 4"]
    for wrong in (message(4), message({}), completion(), {"choices": [{"index": 0, "message": {}}]}, [], None):
        with pytest.raises(UnusableReply):
            read(wrong, "m", True)


@pytest.mark.parametrize("name", ["m2", "owner/m2", "M", "", "./m2", "~/m2", "x.gguf", None, 7])
def test_another_model_is_refused(name: Any) -> None:
    body = completion() | {"model": name}
    if name in ("m2", "owner/m2"):
        with pytest.raises(UserError, match=f"answered with the model '{name}', not with 'm'"):
            read(body, "m", False)
    else:
        assert read(body, "m", False).text == "4"
