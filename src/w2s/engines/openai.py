"""Sampling from any server that speaks OpenAI's completions API (vLLM, SGLang, llama.cpp, OpenAI itself).

Every (question, sample) is one request with a seed of its own. Order, concurrency, resuming and failures that pass do
not change which seed a text is drawn with; that equal seeds give equal texts is the server's promise, as far as its
floating point keeps it (logits differ in their last bits with the requests that the server happens to batch).

The model is named "openai:NAME", NAME as the server lists it. That name is the model's whole identity: let the server
give other weights another name. Where the server is (runtime.server) and the key are no part of it. The key is taken
from the environment's OPENAI_API_KEY, sent to the server, and kept out of every file, message and log.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import math
import threading
import time
from collections.abc import Coroutine, Generator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import openai

from w2s import prompting, seeds
from w2s.config import Runtime
from w2s.engines.base import Completion, Decoding, Request, groups
from w2s.engines.patience import Patience, Unusable
from w2s.engines.server import Server, api_key, base_url
from w2s.errors import UserError

Result = TypeVar("Result")

TIMEOUT = 600.0
"""Seconds a reply may take, waiting in the server's queue included (the client's own default)."""

CONNECTIONS = 1000
"""Most requests at once, whatever is asked for: the connections that the client opens."""

FIRST_CONTACT = 30.0
"""Seconds of patience with a server that has not answered yet: its address may be wrong."""

WORD_TOKENS = 1.3
"""Tokens a word: a rule of thumb for English, as the server's tokenizer is not here."""

LAST_REPLIES = 60.0
"""Seconds that requests under way have left when another one has failed for good."""

NEUTRAL = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
"""Sent to vLLM and SGLang, which would otherwise take these from the model's generation_config.json."""

_PROBE = Request("probe", 0, "Once upon a time there was")
_PROBE_DECODING = Decoding(16, temperature=1.0, stop=prompting.STOP)


class OpenAIEngine:
    """See the module's text. Use `load`.

    The client lives in an event loop in a thread of its own, so callers may be inside an event loop themselves.

    Args:
        server: the model on its server.
        concurrency: requests under way at once.
        patience: with failures that may pass.
    """

    def __init__(self, server: Server, concurrency: int = 32, patience: Patience | None = None) -> None:
        self._server = server
        self._concurrency = min(concurrency, CONNECTIONS)
        self._patience = patience or Patience()
        self._extra: dict[str, object] = {}
        self._probed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="w2s-openai", daemon=True)
        self._thread.start()

    def plan(self, requests: Sequence[Request], decoding: Decoding) -> list[list[Request]]:
        """One request a batch, so that the journal keeps each reply as it comes; longest prompt (in characters) first.

        Without the server's tokenizer nothing can be refused here; a prompt that is too long for the model's context
        is among the first requests, and refused by the server.
        """
        planned = groups(requests, len)
        if planned and not planned[-1][0].prompt:
            raise UserError(f"the prompt of question {planned[-1][0].id!r} is empty")
        return [[request] for group in planned for request in group]

    def run(self, batch: Sequence[Request], decoding: Decoding) -> list[Completion]:
        """Complete one batch, in its order; see `run_many`."""
        drawn = dict(self.run_many([[request] for request in batch], decoding))
        return [completion for place in range(len(batch)) for completion in drawn[place]]

    def run_many(
        self, batches: Sequence[Sequence[Request]], decoding: Decoding
    ) -> Generator[tuple[int, list[Completion]]]:
        """Yield (place in `batches`, its completions in its order) as batches end.

        Raises:
            UserError: the server refuses a request, lacks the model or completions, or is away for longer than the
                patience lasts. Batches under way that end within `LAST_REPLIES` are yielded first.
        """
        if batches and not self._probed:
            self._submit(self._probe()).result()
            self._probed = True
        waiting = iter(enumerate(batches))
        running: dict[concurrent.futures.Future[list[Completion]], int] = {}
        failed: BaseException | None = None
        until = 0.0
        try:
            while True:
                if failed is None:
                    for place, batch in itertools.islice(waiting, self._concurrency - len(running)):
                        running[self._submit(self._complete(batch, decoding))] = place
                left = None if failed is None else max(0.0, until - time.monotonic())
                ended, _ = concurrent.futures.wait(running, left, concurrent.futures.FIRST_COMPLETED)
                if not ended:
                    break
                for future in ended:
                    place, error = running.pop(future), future.exception()
                    if error is None:
                        yield place, future.result()
                    elif failed is None:
                        failed, until = error, time.monotonic() + LAST_REPLIES
            if failed is not None:
                raise failed
        finally:
            for future in running:
                future.cancel()

    def count_tokens(self, text: str) -> int:
        """An estimate, `WORD_TOKENS` a word: only the server knows its tokenizer."""
        return math.ceil(WORD_TOKENS * len(text.split()))

    def close(self) -> None:
        """Close the connections and end the thread."""
        if self._loop.is_closed():
            return
        self._submit(self._end()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _submit(self, work: Coroutine[Any, Any, Result]) -> concurrent.futures.Future[Result]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _complete(self, batch: Sequence[Request], decoding: Decoding) -> list[Completion]:
        server, patience = self._server, self._patience
        return [await server.ask(partial(self._draw, request, decoding), patience, request) for request in batch]

    async def _draw(self, request: Request, decoding: Decoding) -> Completion:
        reply = await self._server.client.completions.with_raw_response.create(
            model=self._server.model,
            prompt=request.prompt,
            max_tokens=decoding.max_new_tokens,
            temperature=decoding.temperature,
            top_p=decoding.top_p,
            stop=list(decoding.stop) or None,
            seed=seeds.derive(decoding.seed, request.id, request.sample),
            extra_body=self._extra,
        )
        body = reply.http_response.json()
        match body:
            case {"choices": [{"text": str(text), "finish_reason": "stop" | "length" | "content_filter" as end}, *_]}:
                pass
            case {"choices": [{"text": str(), "finish_reason": reason}, *_]}:
                raise Unusable(f"finish_reason {str(reason)[:40]!r}")
            case _:
                raise Unusable("no choices[0].text")
        if end == "content_filter":
            self._server.tell("its content filter cut texts; they are kept as they are")
        text = text.encode(errors="replace").decode()  # JSON can hold half a surrogate pair, files cannot
        cut = min((text.find(string) for string in decoding.stop if string in text), default=None)
        finish: Literal["stop", "length"] = "length" if end == "length" and cut is None else "stop"
        match body:
            case {"usage": {"completion_tokens": int(tokens)}} if tokens >= 0:
                pass
            case _:
                self._server.tell("replies without usage.completion_tokens; tokens are estimated from words")
                tokens = min(self.count_tokens(text), decoding.max_new_tokens)
                tokens = decoding.max_new_tokens if end == "length" else tokens
        return Completion(request.id, request.sample, text[:cut].strip(), max(1, tokens), finish)

    async def _probe(self) -> None:
        """Ask for what the run will ask for, twice, so that what the server lacks is told once and before the run."""
        server = self._server
        patience = replace(self._patience, seconds=min(FIRST_CONTACT, self._patience.seconds))
        owners = await server.ask(self._models, patience)
        if owners and server.model not in owners:
            raise UserError(
                f"the server at {server.url} has no model {server.model!r}",
                field="model",
                expected=" or ".join(f"openai:{server.clean(name)}" for name in sorted(owners)[:10]),
                mend="give the name that the server lists (vLLM: --served-model-name)",
            )
        if owners.get(server.model) in ("vllm", "sglang"):
            self._extra = dict(NEUTRAL)
        drawn = [await server.ask(lambda: self._draw(_PROBE, _PROBE_DECODING), patience) for _ in range(2)]
        if drawn[0].text != drawn[1].text:
            server.tell("two different texts for one seed: it ignores seed, so texts cannot be reproduced")

    async def _models(self) -> dict[str, str]:
        """Model -> owner, as the server lists them; empty where it lists none."""
        try:
            reply = await self._server.client.models.with_raw_response.list(timeout=FIRST_CONTACT)
        except openai.APIStatusError as error:
            if error.status_code in (404, 405, 501):
                return {}
            raise
        match reply.http_response.json():
            case {"data": [*rows]}:
                return {
                    str(row["id"]): str(row.get("owned_by")) for row in rows if isinstance(row, dict) and "id" in row
                }
        raise Unusable("no list of models")

    async def _end(self) -> None:
        """Give up what is still under way and close the connections."""
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._server.client.close()


def load(
    model: str | Path,
    *,
    dtype: str = "float32",
    trust_remote_code: bool = False,
    runtime: Runtime | None = None,
) -> OpenAIEngine:
    """The engine for the reference "openai:NAME". Nothing is asked of the server before the first request.

    Args:
        model: the reference.
        dtype: the server's affair; it stays part of a step's fingerprint.
        trust_remote_code: the server's affair.
        runtime: `server` and `concurrency` are used.

    Raises:
        UserError: the reference has another form, or the server's address is missing or cannot be used.
    """
    runtime = runtime or Runtime()
    kind, _, name = str(model).partition(":")
    if kind != "openai" or not name:
        raise UserError(
            f"a server cannot be asked for the model {str(model)!r}",
            field="model",
            expected="openai:NAME, with the name that the server lists",
            mend="serve the model (vllm serve FOLDER --served-model-name NAME), or use engine=vllm or transformers",
        )
    server = Server(name, base_url(runtime.server), api_key(), TIMEOUT)
    return OpenAIEngine(server, runtime.concurrency)
