"""A feature that crosses services: read from whoever asks, told to whom the configuration names, and to nobody else."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
import requests
from calling import ANTHROPIC, OPENAI, make_clients
from conftest import recorded_calls
from flask import Flask, Response
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, context
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

import llmtrace
from llmtrace.baggage import MAX_VALUE_CHARACTERS, feature_from_baggage
from llmtrace.feature import Scope, current_scope
from llmtrace.middleware import AsgiFeature, WsgiFeature
from llmtrace.simulator import Simulator


def scope_of(header: str) -> Scope:
    with llmtrace.feature_from_headers({"Baggage": header}):
        scope = current_scope()
    assert scope is not None
    return scope


def test_all_that_a_scope_says_crosses_and_arrives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMTRACE_BAGGAGE_HOSTS", "search.internal")
    with llmtrace.feature(
        "résumé, short; 50%", user="u=1", session="s 9", tenant="acme", prompt_version="v3", team="a"
    ):
        sent = llmtrace.baggage_headers("http://search.internal:8080/find")
        own = current_scope()
    assert own is not None
    arrived = scope_of(sent["baggage"])
    for name in ("feature", "user_id", "session_id", "tenant", "prompt_version", "tags"):
        assert getattr(arrived, name) == getattr(own, name)
    assert (own.feature_source, arrived.feature_source) == ("code", "baggage")


@given(st.dictionaries(st.text(min_size=1), st.text()), st.text())
def test_nothing_that_arrives_raises(entries: dict[str, str], header: str) -> None:
    feature_from_baggage(entries)
    with llmtrace.feature_from_headers({"baggage": header}):
        pass


@pytest.mark.parametrize(
    "header",
    [
        "",
        "llmtrace.feature",
        "llmtrace.feature=",
        "llmtrace.feature=%0Aboom",
        "llmtrace.feature=%00",
        "feature=other",
        "llmtrace.feature=" + "x" * (MAX_VALUE_CHARACTERS + 1),
        "llmtrace.feature=a," + "k=v," * 4000,
        ",".join(["k=v"] * 64) + ",llmtrace.feature=late",
    ],
)
def test_what_is_too_long_or_unprintable_or_not_ours_is_not_read(header: str) -> None:
    assert scope_of(header).feature is None


def test_the_first_of_two_counts_and_properties_are_left_out() -> None:
    assert scope_of(" llmtrace.feature = search ;secret=1, llmtrace.feature=other ").feature == "search"


def test_tags_are_few_and_plainly_named() -> None:
    header = ",".join([f"llmtrace.tag.t{n}=v" for n in range(40)] + ["llmtrace.tag.%20=v", "llmtrace.tag.name=v"])
    assert len(scope_of(header).tags) == 16
    assert scope_of("llmtrace.tag.name=v,llmtrace.tag.a%20b=v").tags == {"name": "v"}


def test_pairs_of_bytes_are_read_as_asgi_has_them_and_split_headers_together() -> None:
    pairs = [(b"baggage", b"llmtrace.feature=search"), (b"host", b"x"), (b"baggage", b"llmtrace.tenant=acme")]
    with llmtrace.feature_from_headers(pairs):
        scope = current_scope()
    assert scope is not None
    assert (scope.feature, scope.tenant) == ("search", "acme")


def test_opentelemetrys_own_propagator_understands_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMTRACE_BAGGAGE_HOSTS", "b")
    with llmtrace.feature("a b,c", tenant="é"):
        carrier = llmtrace.baggage_headers("http://b/")
    found = baggage.get_all(W3CBaggagePropagator().extract(carrier))
    assert dict(found) == {"llmtrace.feature": "a b,c", "llmtrace.tenant": "é"}


@pytest.mark.parametrize(
    ("hosts", "url", "is_told"),
    [
        ("b.internal", "http://b.internal/", True),
        ("B.Internal , c", "https://b.INTERNAL:8443/x", True),
        ("*.internal", "http://b.internal/", True),
        ("*.internal", "http://internal/", False),
        ("*.internal", "http://evil-internal/", False),
        ("internal", "http://b.internal/", False),
        ("b.internal", "http://b.internal.evil.org/", False),
        ("b.internal", "http://b.internal@evil.org/", False),
        ("", "http://b.internal/", False),
        ("*", "http://b.internal/", False),
    ],
)
def test_only_hosts_that_are_named_are_told(
    hosts: str, url: str, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMTRACE_BAGGAGE_HOSTS", hosts)
    with llmtrace.feature("search"):
        assert bool(llmtrace.baggage_headers(url)) is is_told


def test_members_that_are_there_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMTRACE_BAGGAGE_HOSTS", "b")
    with llmtrace.feature("new"):
        sent = llmtrace.baggage_headers("http://b/", "theirs=1;p=2, llmtrace.feature=old")
    assert sent == {"baggage": "theirs=1;p=2,llmtrace.feature=new"}


@pytest.mark.parametrize("propagators", ["tracecontext", "none", "b3"])
def test_opentelemetrys_choice_of_propagators_is_honoured(propagators: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMTRACE_BAGGAGE_HOSTS", "b")
    monkeypatch.setenv("OTEL_PROPAGATORS", propagators)
    assert scope_of("llmtrace.feature=search").feature is None
    with llmtrace.feature("search"):
        assert llmtrace.baggage_headers("http://b/") == {}


def test_code_names_the_feature_before_the_request_does(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home, feature="default")
    client = make_clients(simulator).openai
    with llmtrace.feature_from_headers({"baggage": "llmtrace.feature=asked,llmtrace.tenant=acme"}):
        client.chat.completions.create(**OPENAI)
        with llmtrace.feature("own"):
            client.chat.completions.create(**OPENAI)
    client.chat.completions.create(**OPENAI)
    assert [(c.feature, c.feature_source, c.tenant) for c in recorded_calls(home)] == [
        ("asked", "baggage", "acme"),
        ("own", "code", "acme"),
        ("default", "default", None),
    ]


def test_baggage_that_the_apps_opentelemetry_extracted_is_read(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    client = make_clients(simulator).openai
    token = context.attach(baggage.set_baggage("llmtrace.feature", "asked", baggage.set_baggage("other", "x")))
    client.chat.completions.create(**OPENAI)
    with llmtrace.feature(None, tenant="acme"):
        client.chat.completions.create(**OPENAI)
    with llmtrace.feature("own"):
        client.chat.completions.create(**OPENAI)
    context.detach(token)
    assert [(c.feature, c.feature_source, c.tenant) for c in recorded_calls(home)] == [
        ("asked", "baggage", None),
        ("asked", "baggage", "acme"),
        ("own", "code", None),
    ]


def test_an_asgi_app_has_the_feature_of_the_request() -> None:
    async def show(request: Any) -> PlainTextResponse:
        scope = current_scope()
        return PlainTextResponse(str(scope and scope.feature))

    app = Starlette(routes=[Route("/", show)])
    app.add_middleware(AsgiFeature)
    with TestClient(app) as client:
        assert client.get("/", headers={"baggage": "llmtrace.feature=search"}).text == "search"
        assert client.get("/").text == "None"


def test_a_wsgi_app_has_the_feature_of_the_request_in_its_stream_too() -> None:
    app = Flask("b")

    def feature() -> str:
        scope = current_scope()
        return str(scope and scope.feature)

    @app.get("/")
    def show() -> Response:
        return Response(iter([feature(), ","]), direct_passthrough=True)

    @app.get("/stream")
    def stream() -> Response:
        return Response(feature() for _ in range(2))

    app.wsgi_app = WsgiFeature(app.wsgi_app)  # type: ignore[method-assign]
    client = app.test_client()
    header = {"baggage": "llmtrace.feature=search"}
    assert client.get("/", headers=header).text == "search,"
    assert client.get("/stream", headers=header).text == "searchsearch"
    assert client.get("/stream").text == "NoneNone"
    assert current_scope() is None


class Listener:
    """A service on loopback that keeps the baggage it got; `/go?URL` redirects."""

    def __init__(self) -> None:
        self.got: list[str | None] = []
        got = self.got

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                got.append(self.headers.get("baggage"))
                to = self.path.partition("?")[2]
                self.send_response(302 if to else 200)
                if to:
                    self.send_header("location", to)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def service() -> Iterator[Listener]:
    running = Listener()
    yield running
    running.server.shutdown()
    running.server.server_close()


def get_async(library: Any) -> Any:
    async def get(url: str) -> None:
        async with library.AsyncClient(follow_redirects=True) as client:
            await client.get(url)

    return lambda url: asyncio.run(get(url))


GETTERS: dict[str, Any] = {
    "httpx": lambda url: httpx.get(url, follow_redirects=True),
    "httpx2": lambda url: httpx2.get(url, follow_redirects=True),
    "httpx async": get_async(httpx),
    "httpx2 async": get_async(httpx2),
    "requests": requests.get,
}


@pytest.mark.parametrize("name", GETTERS)
def test_a_named_service_is_told_and_a_redirect_to_another_host_is_not(
    name: str, service: Listener, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMTRACE_BAGGAGE_HOSTS", "127.0.0.1")
    llmtrace.instrument(home=home)
    get, port = GETTERS[name], service.port
    with llmtrace.feature("search"):
        get(f"http://127.0.0.1:{port}/?http://127.0.0.1:{port}/")
        get(f"http://127.0.0.1:{port}/?http://localhost:{port}/")
    get(f"http://127.0.0.1:{port}/")
    llmtrace.uninstrument()
    with llmtrace.feature("search"):
        get(f"http://127.0.0.1:{port}/")
    told = "llmtrace.feature=search"
    assert service.got == [told, told, told, None, None, None]


def test_a_provider_is_never_told(simulator: Simulator, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMTRACE_BAGGAGE_HOSTS", "127.0.0.1")
    llmtrace.instrument(home=home)
    clients = make_clients(simulator)
    with llmtrace.feature("search"):
        clients.openai.chat.completions.create(**OPENAI)
        clients.anthropic.messages.create(**ANTHROPIC)
        list(clients.openai.chat.completions.create(**OPENAI, stream=True))
    assert [r for r in simulator.requests if "baggage" in dict(r.headers)] == []
    assert len(simulator.requests) == 3


def test_without_hosts_no_http_library_is_touched(home: Path) -> None:
    before = vars(httpx.Client)["_send_single_request"], vars(requests.Session)["send"]
    llmtrace.instrument(home=home)
    assert before == (vars(httpx.Client)["_send_single_request"], vars(requests.Session)["send"])
