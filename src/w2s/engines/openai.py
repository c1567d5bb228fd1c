"""Sampling from servers of OpenAI's completions ("openai:NAME") or chat completions API ("openai-chat:NAME").

Every (question, sample) is a request with its own seed; equal completions are up to the server. NAME is the whole
identity: other weights need another. The key, the environment's OPENAI_API_KEY, stays out of files, messages and logs.
"""

from __future__ import annotations

import concurrent.futures
import itertools
import math
import re
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import openai

from w2s import prompting, seeds
from w2s.engines import replies
from w2s.engines.base import Completion, Decoding, Loading, Request, groups
from w2s.engines.bounds import in_thread
from w2s.engines.retry import RetryPolicy, UnusableReply
from w2s.engines.server import WORDS, Server, api_key, base_url
from w2s.errors import UserError
from w2s.models import chat

TIMEOUT = 600.0
"""Seconds per reply, with the server's queue."""

CONNECTIONS = 1000
"""Most requests at once."""

FIRST_CONTACT = 30.0
"""Seconds of retries before the first reply."""

WORD_TOKENS = 1.3
"""Tokens per English word, estimated."""

LAST_REPLIES = 60.0
"""Seconds for requests under way after a failure."""

NEUTRAL = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
"""Else vLLM and SGLang read generation_config.json."""

EMPTY = 16
"""Empty completions, and no other, that end a run."""

_PROBE = Request("probe", 0, "Once upon a time there was")
_PROBE_DECODING = Decoding(16, temperature=1.0, stop=prompting.STOP)

_CHAT_PROBE = Request("probe", 0, chat.TURNS.prompt("Give a number from 1 to 1000."))
_CHAT_PROBE_DECODING = Decoding(256, temperature=1.0, stop=())
"""More tokens, as some models reason first."""


class OpenAIEngine:
    """Made by `load`."""

    def __init__(self, server: Server, concurrency: int = 32, policy: RetryPolicy | None = None) -> None:
        self._server = server
        self._concurrency = min(concurrency, CONNECTIONS)
        self._policy = policy or RetryPolicy()
        self._extra: dict[str, object] = {}
        self._limit, self._seeded = "max_tokens", True
        self._probed = False
        self._empty = True
        self._filtered: set[tuple[str, int]] = set()
        self._runs: set[threading.Event] = set()

    def plan(self, requests: Sequence[Request], decoding: Decoding) -> list[list[Request]]:
        """One request per batch: the journal keeps each reply. Most characters first."""
        planned = groups(requests, len)
        if planned and not planned[-1][0].prompt:
            raise UserError(f"the prompt of question {planned[-1][0].id!r} is empty")
        for group in planned if self._server.chat else ():
            try:
                chat.turns(group[0].prompt)
            except ValueError:
                raise UserError(
                    f"the prompt of question {group[0].id!r} has no chat turns, or an empty question",
                    field="prompt",
                    expected="a prompt of w2s.models.chat.TURNS",
                    hint="use openai:NAME for prompts that are plain text",
                ) from None
        return [[request] for group in planned for request in group]

    def run(self, batch: Sequence[Request], decoding: Decoding) -> list[Completion]:
        completed = dict(self.run_many([[request] for request in batch], decoding))
        return [completion for place in range(len(batch)) for completion in completed[place]]

    def run_many(
        self, batches: Sequence[Sequence[Request]], decoding: Decoding
    ) -> Generator[tuple[int, list[Completion]]]:
        """As `journal.RunsMany`; on failure, batches that end within `LAST_REPLIES` come first.

        Raises:
            UserError: the server refuses, lacks the model, is away too long, or all completions are empty.
            CancelledError: `close` was called.
        """
        waiting = iter(enumerate(batches))
        running: dict[concurrent.futures.Future[list[Completion]], int] = {}
        failed: BaseException | None = None
        until = 0.0
        empty: list[tuple[int, list[Completion]]] = []
        cancelled = threading.Event()
        self._runs.add(cancelled)
        try:
            if batches and not self._probed:
                in_thread(partial(self._probe, cancelled), "w2s-openai").result()
                self._probed = True
            while True:
                if failed is None:
                    for place, batch in itertools.islice(waiting, self._concurrency - len(running)):
                        call = partial(self._complete, batch, decoding, cancelled)
                        running[in_thread(call, "w2s-openai")] = place
                left = None if failed is None else max(0.0, until - time.monotonic())
                ended, _ = concurrent.futures.wait(running, left, concurrent.futures.FIRST_COMPLETED)
                if not ended:
                    break
                for future in ended:
                    place, error = running.pop(future), future.exception()
                    if error is None:
                        empty.append((place, future.result()))
                        yield from self._filled(empty)
                    elif failed is None:
                        failed, until = error, time.monotonic() + LAST_REPLIES
            if failed is not None:
                raise failed
            if empty:
                raise self._all_empty(sum(len(completions) for _, completions in empty))
            if self._filtered:
                self._server.warn(f"its content filter cut {len(self._filtered)} completions")
        except BaseException:
            cancelled.set()
            self._server.hang_up()
            raise
        finally:
            self._runs.discard(cancelled)

    def count_tokens(self, text: str) -> int:
        return math.ceil(WORD_TOKENS * len(text.split()))

    def close(self) -> None:
        for cancelled in list(self._runs):
            cancelled.set()
        self._server.close()

    def _complete(self, batch: Sequence[Request], decoding: Decoding, cancelled: threading.Event) -> list[Completion]:
        return [
            self._server.call(partial(self._sample, request, decoding), self._policy, cancelled, request)
            for request in batch
        ]

    def _filled(self, empty: list[tuple[int, list[Completion]]]) -> Iterator[tuple[int, list[Completion]]]:
        """Yield and clear `empty` once any completion has a text."""
        self._empty = self._empty and not any(c.text for c in empty[-1][1])
        if not self._empty:
            yield from empty
            empty.clear()
        elif (number := sum(len(completions) for _, completions in empty)) >= EMPTY:
            raise self._all_empty(number)

    def _all_empty(self, number: int) -> UserError:
        return UserError(
            f"the server at {self._server.url} gives empty completions alone ({number} of {number})",
            field="model",
            expected="at least one completion with a text",
            hint="see whether its weights are whole and it fits the prompts (instruct models: openai-chat:NAME); a "
            "model that reasons first needs a higher max_new_tokens",
        )

    def _create(self, request: Request, decoding: Decoding) -> Any:
        server, stop = self._server, list(decoding.stop) or None
        seed = seeds.derive(decoding.seed, request.id, request.sample)
        if not server.chat:
            reply = server.client.completions.with_raw_response.create(
                model=server.model,
                prompt=request.prompt,
                max_tokens=decoding.max_new_tokens,
                temperature=decoding.temperature,
                top_p=decoding.top_p,
                stop=stop,
                seed=seed,
                extra_body=self._extra,
            )
            return reply.http_response.json()
        # Hosts refuse what they do not know: what changes nothing is left out.
        settings: dict[str, object] = {self._limit: decoding.max_new_tokens, **self._extra}
        settings |= {"seed": seed} if self._seeded else {}
        settings |= {"top_p": decoding.top_p} if decoding.top_p < 1 else {}
        settings |= {"stop": stop} if stop else {}
        messages: Any = chat.turns(request.prompt)
        answer = server.client.chat.completions.with_raw_response.create(
            model=server.model, messages=messages, temperature=decoding.temperature, extra_body=settings
        )
        return answer.http_response.json()

    def _sample(self, request: Request, decoding: Decoding) -> Completion:
        reply = replies.read(self._create(request, decoding), self._server.model, self._server.chat, self._server.clean)
        if self._server.repeats_key(reply.text):
            raise UserError(
                f"the server at {self._server.url} repeats the key in a completion",
                field="OPENAI_API_KEY",
                hint="use another server, and revoke the key",
            )
        if reply.end == "filter":
            self._server.warn("its content filter cuts completions; they are kept as they are")
            self._filtered.add((request.id, request.sample))
        cut = min((reply.text.find(string) for string in decoding.stop if string in reply.text), default=None)
        finish: Literal["stop", "length"] = "stop" if reply.end == "stop" or cut is not None else "length"
        tokens = reply.tokens
        if tokens is None:
            self._server.warn("replies without usage.completion_tokens; tokens are estimated from words")
            tokens = min(self.count_tokens(reply.text), decoding.max_new_tokens)
            tokens = decoding.max_new_tokens if reply.end == "length" else tokens
        return Completion(request.id, request.sample, reply.text[:cut].strip(), max(1, tokens), finish)

    def _probe(self, cancelled: threading.Event) -> None:
        """Find what the server lacks."""
        server = self._server
        policy = replace(self._policy, seconds=min(FIRST_CONTACT, self._policy.seconds))
        owners = server.call(self._models, policy, cancelled)
        kind = "openai-chat" if server.chat else "openai"
        if owners and server.model not in owners:
            raise UserError(
                f"the server at {server.url} has no model {server.model!r}",
                field="model",
                expected=" or ".join(f"{kind}:{server.clean(name)}" for name in sorted(owners)[:10]),
                hint="give the name that the server lists (vLLM: --served-model-name)",
            )
        if owners.get(server.model) in ("vllm", "sglang"):
            self._extra = dict(NEUTRAL)
        probe, decoding = (_CHAT_PROBE, _CHAT_PROBE_DECODING) if server.chat else (_PROBE, _PROBE_DECODING)
        first, second = (
            server.call(partial(self._sample_adapted, probe, decoding), policy, cancelled).text for _ in range(2)
        )
        self._filtered.clear()
        self._empty = not (first or second)
        if self._seeded and first != second:
            server.warn("two completions of one seed differ: it ignores seed, so completions cannot be reproduced")

    def _sample_adapted(self, request: Request, decoding: Decoding) -> Completion:
        """As `_sample`; leaves out what a chat server refuses."""
        try:
            return self._sample(request, decoding)
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            words = str(error.body)[:WORDS] if self._server.chat else ""
            if "max_completion_tokens" in words and self._limit == "max_tokens":
                self._limit = "max_completion_tokens"
            elif re.search(r"\bseed\b", words) and self._seeded:
                self._seeded = False
                self._server.warn("it takes no seed, so completions cannot be reproduced")
            else:
                raise
        return self._sample_adapted(request, decoding)

    def _models(self) -> dict[str, str]:
        """Model -> owner; empty where the server lists none."""
        try:
            reply = self._server.client.models.with_raw_response.list(timeout=FIRST_CONTACT)
        except openai.APIStatusError as error:
            if error.status_code in (404, 405, 501):
                return {}
            raise
        match reply.http_response.json():
            case {"data": [*rows]}:
                return {
                    str(row["id"]): str(row.get("owned_by")) for row in rows if isinstance(row, dict) and "id" in row
                }
        raise UnusableReply("no list of models")


def load(model: str | Path, loading: Loading) -> OpenAIEngine:
    """The engine for "openai:NAME" or "openai-chat:NAME".

    Raises:
        UserError: the reference has another form, or the address is unusable.
    """
    kind, _, name = str(model).partition(":")
    if kind not in ("openai", "openai-chat") or not name:
        raise UserError(
            f"a server cannot be asked for the model {str(model)!r}",
            field="model",
            expected="openai:NAME or openai-chat:NAME, with the name that the server lists",
            hint="serve the model (vllm serve FOLDER --served-model-name NAME), or use engine=vllm or transformers",
        )
    server = Server(name, base_url(loading.runtime.server), api_key(), TIMEOUT, chat=kind == "openai-chat")
    return OpenAIEngine(server, loading.runtime.concurrency)
