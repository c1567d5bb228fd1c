"""A hub that takes no connection: a plan says so at once, and a run leaves it to the hub's client to try again."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from w2s import recipe
from w2s.data import hub
from w2s.errors import UserError
from w2s.tasks import hub as published


class Datasets:
    """As much of `datasets` as is used; `offline`: whether it was offline at each call."""

    def __init__(self, endpoint: str, *, cached: bool = False, offline: bool = False) -> None:
        self.config = SimpleNamespace(HF_ENDPOINT=endpoint, HF_HUB_OFFLINE=offline)
        self.cached, self.offline = cached, list[bool]()

    def load_dataset(self, name: str, config: str | None, split: str) -> list[dict[str, str]]:
        self.offline.append(self.config.HF_HUB_OFFLINE)
        if not self.cached:
            raise ConnectionError("tried again and again")
        return [{"question": "1 + 1?"}]


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def closed(listening: socket.socket) -> str:
    """An address at which nobody listens any more."""
    port = listening.getsockname()[1]
    listening.close()
    return f"http://127.0.0.1:{port}"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "getproxies", dict)


def load(fake: Datasets) -> Any:
    return hub.load(fake, "openai/gsm8k", "main", "test")


def test_without_a_connection_only_the_cache_is_looked_into(closed: str) -> None:
    for fake in (Datasets(closed, cached=True), Datasets(closed)):
        says = pytest.raises(ConnectionError, match=rf"^{closed} takes no connection$")
        with hub.without_retries(), nullcontext() if fake.cached else says:
            assert load(fake) == [{"question": "1 + 1?"}]
        assert fake.offline == [True] and not fake.config.HF_HUB_OFFLINE


def test_an_address_that_is_none_takes_no_connection() -> None:
    for endpoint in ("https://hub.invalid:port", "https://" + "h" * 70):
        with hub.without_retries(), pytest.raises(ConnectionError, match="takes no connection"):
            load(Datasets(endpoint))


def test_a_hub_that_takes_connections_is_asked(listening: socket.socket) -> None:
    fake = Datasets(f"http://127.0.0.1:{listening.getsockname()[1]}", cached=True)
    with hub.without_retries():
        load(fake)
    assert fake.offline == [False]


@pytest.mark.parametrize("proxies", [{"http": "http://proxy:3128"}, {"all": "socks5://proxy"}])
def test_through_a_proxy_there_is_no_connection_to_try(
    closed: str, proxies: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "getproxies", lambda: proxies)
    fake = Datasets(closed, cached=True)
    with hub.without_retries():
        load(fake)
    assert fake.offline == [False]


def test_who_is_offline_makes_no_connection(closed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", None)  # whoever tries fails
    fake = Datasets(closed, cached=True, offline=True)
    with hub.without_retries():
        load(fake)
    assert fake.offline == [True] and fake.config.HF_HUB_OFFLINE


@pytest.mark.parametrize("planning", [True, False])
def test_a_plan_is_refused_at_once_and_a_run_is_left_to_the_client(
    closed: str, planning: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Datasets(closed)
    monkeypatch.setitem(sys.modules, "datasets", fake)  # type: ignore[arg-type]
    published.published.cache_clear()
    says = "takes no connection" if planning else "tried again and again"
    with pytest.raises(UserError, match=rf"(?s)openai/gsm8k cannot be fetched .*{says}.*give local files"):
        recipe.prepare("gsm8k-qwen2.5-0.5b-to-7b", planning=planning)
    assert fake.offline == [planning]
