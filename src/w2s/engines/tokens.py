"""Text to token ids and back, equal in all engines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from w2s.engines.base import Completion, Decoding, Request, groups
from w2s.errors import UserError


class Tokens:
    """A model's tokenizer.

    Args:
        ends: of `end_tokens`.
        context: positions, if known.
    """

    def __init__(self, tokenizer: Any, ends: list[int], context: int | None) -> None:
        self._tokenizer, self.ends, self._context = tokenizer, ends, context
        bos = tokenizer.bos_token_id
        self._bos = [bos] if bos is not None and bos in tokenizer("a").input_ids else []
        self._known: dict[str, list[int]] = {}

    def ending(self, stop: Sequence[str]) -> list[int]:
        """`ends`, and stop strings that are special tokens."""
        added = self._tokenizer.get_added_vocab()
        return list(dict.fromkeys([*self.ends, *(added[string] for string in stop if string in added)]))

    def forget(self) -> None:
        self._known.clear()

    def prompts(self, texts: Iterable[str]) -> dict[str, list[int]]:
        """Ids with one BOS where the tokenizer adds it, no EOS."""
        distinct = list(dict.fromkeys(texts))
        missing = [text for text in distinct if text not in self._known]
        if missing:
            for text, ids in zip(missing, self._tokenizer(missing, add_special_tokens=False).input_ids, strict=True):
                self._known[text] = ids if ids[:1] == self._bos else self._bos + ids
        return {text: self._known[text] for text in distinct}

    def ordered(
        self, requests: Sequence[Request], decoding: Decoding
    ) -> tuple[dict[str, list[int]], list[list[Request]]]:
        """Ids, and requests by question, longest first. Raises as `check`."""
        self.forget()
        prompts = self.prompts(request.prompt for request in requests)
        grouped = groups(requests, lambda prompt: len(prompts[prompt]))
        if grouped:
            self.check(grouped[0][0], len(prompts[grouped[0][0].prompt]), decoding)
        return prompts, grouped

    def check(self, request: Request, length: int, decoding: Decoding) -> None:
        """Raise UserError for an empty prompt, or one too long for the context."""
        if length == 0:
            raise UserError(f"the prompt of question {request.id!r} is empty")
        if self._context is not None and length + decoding.max_new_tokens > self._context:
            raise UserError(
                f"question {request.id!r}: {length} prompt tokens and {decoding.max_new_tokens} new tokens do not fit "
                f"the model's context of {self._context}",
                field="max_new_tokens",
                expected=f"at most {max(0, self._context - length)} for this question",
                hint="lower max_new_tokens, use fewer demonstrations, or leave the question out",
            )

    def count(self, text: str) -> int:
        """Without special tokens."""
        return len(self._tokenizer(text, add_special_tokens=False).input_ids)

    def completions(
        self, requests: Sequence[Request], rows: Sequence[Sequence[int]], decoding: Decoding
    ) -> list[Completion]:
        """Decode, cut at a stop string, strip."""
        texts = self._tokenizer.batch_decode(rows, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        ends, done = self.ending(decoding.stop), []
        for request, row, text in zip(requests, rows, texts, strict=True):
            cut = min((text.find(string) for string in decoding.stop if string in text), default=None)
            ended = cut is not None or row[-1] in ends
            done.append(
                Completion(request.id, request.sample, text[:cut].strip(), len(row), "stop" if ended else "length")
            )
        return done


def end_tokens(tokenizer: Any, configured: int | list[int] | None, name: str) -> list[int]:
    """The tokenizer's EOS, then those `configured`.

    Raises:
        UserError: there is none.
    """
    listed = configured if isinstance(configured, list) else [configured]
    ends = [token for token in dict.fromkeys([tokenizer.eos_token_id, *listed]) if token is not None]
    if not ends:
        raise UserError(
            "has no end-of-text token, so no completion would ever end",
            file=name,
            hint="set eos_token in tokenizer_config.json or eos_token_id in generation_config.json",
        )
    return ends
