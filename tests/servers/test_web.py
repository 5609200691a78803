"""Web applications under their real servers: each call is stored once, with the route that it was made for."""

from pathlib import Path

import pytest
from applications import Application, free_port, get

from llmtrace.simulator import Simulator

FASTAPI = """
    import asyncio
    from fastapi import APIRouter, BackgroundTasks, FastAPI
    from fastapi.responses import StreamingResponse

    app, sub, shop = FastAPI(), FastAPI(), APIRouter(prefix="/shop/{shop}")
    async_client = openai.AsyncOpenAI(base_url=BASE_URL, api_key="k", max_retries=0)

    @app.get("/sync/{name}")
    def sync(name: str): return ask(name).id

    @app.get("/async/{name}")
    async def asynchronous(name: str):
        messages = [{"role": "user", "content": "hi"}]
        return (await async_client.chat.completions.create(model="gpt-4o", messages=messages)).id

    @app.get("/stream")
    def stream():
        def generate():
            for chunk in ask(stream=True):
                yield "."
        return StreamingResponse(generate())

    @app.get("/later")
    def later(tasks: BackgroundTasks):
        tasks.add_task(ask, "later")

    @app.get("/named")
    def named():
        with llmtrace.feature("by hand"): return ask().id

    @shop.get("/items/{item:int}")
    def item(shop: str, item: int): return ask(shop).id

    @sub.get("/deep/{x}")
    def deep(x: str): return ask(x).id

    app.include_router(shop)
    app.include_router(shop, prefix="/again")
    app.mount("/sub", sub)
"""


def test_fastapi_under_uvicorn(home: Path, tmp_path: Path, simulator: Simulator) -> None:
    app, port = Application(tmp_path / "app", home, simulator, shop=FASTAPI), free_port()
    paths = ["/sync/a", "/sync/b", "/async/a", "/stream", "/later", "/named", "/shop/x/items/7"]
    paths += ["/again/shop/y/items/8", "/sub/deep/1"]
    with app.serving(port, "uvicorn", "shop:app", "--port", str(port), "--log-level", "warning"):
        for path in paths:
            get(port, path)
    found = app.require_all_stored()
    assert found.origins("route") == {
        "/sync/{name}": 2,
        "/async/{name}": 1,
        "/stream": 1,
        "/later": 1,
        "/named": 1,
        "/shop/{shop}/items/{item}": 1,
        "/again/shop/{shop}/items/{item}": 1,
        "/sub/deep/{x}": 1,
    }
    assert found.origins("command") == {"uvicorn": 9}
    assert found.origins("module") == {"shop": 9}
    assert {row["feature"] for row in found.rows} == {None, "by hand"}
    functions = found.origins("function")
    assert (functions["ask"], functions["asynchronous"]) == (8, 1)


STARLETTE = """
    from starlette.applications import Starlette
    from starlette.endpoints import HTTPEndpoint
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import PlainTextResponse
    from starlette.routing import Host, Mount, Route, Router

    def find(request): return PlainTextResponse(ask().id)

    class Found(HTTPEndpoint):
        def get(self, request): return PlainTextResponse(ask().id)

    class Passing(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next): return await call_next(request)

    async def plain(scope, receive, send): await PlainTextResponse(ask().id)(scope, receive, send)

    app = Starlette(routes=[
        Route("/find/{what:path}", find),
        Route("/class", Found),
        Mount("/a/{b}", routes=[Mount("/c", routes=[Route("/{d}", find)])]),
        Mount("/plain", plain),
    ])
    app.add_middleware(Passing)
"""


def test_starlette_under_uvicorn(home: Path, tmp_path: Path, simulator: Simulator) -> None:
    app, port = Application(tmp_path / "app", home, simulator, star=STARLETTE), free_port()
    with app.serving(port, "uvicorn", "star:app", "--port", str(port), "--log-level", "warning"):
        for path in ("/find/a/b", "/class", "/a/1/c/2", "/plain/x"):
            get(port, path)
    assert app.require_all_stored().origins("route") == {
        "/find/{what}": 1,
        "/class": 1,
        "/a/{b}/c/{d}": 1,
        "/plain/*": 1,
    }


FLASK = """
    from flask import Blueprint, Flask, stream_with_context

    app, pages = Flask(__name__), Blueprint("pages", __name__, url_prefix="/pages")

    @app.get("/items/<int:item>")
    def item(item): return ask().id

    @pages.get("/<name>")
    def page(name): return ask().id

    @app.get("/stream")
    def stream():
        return stream_with_context("." for chunk in ask(stream=True))

    app.register_blueprint(pages)
"""


@pytest.mark.parametrize("options", [["--workers", "2"], ["--workers", "2", "--preload"], ["--threads", "4"]])
def test_flask_under_gunicorn(options: list[str], home: Path, tmp_path: Path, simulator: Simulator) -> None:
    app, port = Application(tmp_path / "app", home, simulator, pages=FLASK), free_port()
    with app.serving(port, "gunicorn", *options, "-b", f"127.0.0.1:{port}", "pages:app"):
        for n in range(20):
            get(port, f"/items/{n}")
        get(port, "/pages/home")
        get(port, "/stream")
    found = app.require_all_stored()
    assert found.origins("route") == {"/items/<int:item>": 20, "/pages/<name>": 1, "/stream": 1}
    assert found.origins("command") == {"gunicorn": 22}


DJANGO = """
    import django
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse, StreamingHttpResponse
    from django.urls import include, path, re_path

    settings.configure(DEBUG=False, ALLOWED_HOSTS=["*"], ROOT_URLCONF="web", SECRET_KEY="k", MIDDLEWARE=[
        "django.middleware.common.CommonMiddleware",
    ])
    def item(request, pk): return HttpResponse(ask().id)
    async def later(request): return HttpResponse(ask().id)
    def stream(request): return StreamingHttpResponse("." for chunk in ask(stream=True))
    def lazy(request):
        def parts():
            yield "a"
            yield ask().id
        return StreamingHttpResponse(parts())

    urlpatterns = [
        path("items/<int:pk>/", item), path("later/", later), path("stream/", stream), path("lazy/", lazy),
        path("sub/", include([re_path(r"^x(?P<pk>[0-9]+)$", item)])),
    ]
    wsgi = get_wsgi_application()
    asgi = get_asgi_application()
"""
DJANGO_ROUTES = {
    "/items/<int:pk>/": 1,
    "/later/": 1,
    "/stream/": 1,
    "/lazy/": 1,
    "/sub/x(?P<pk>[0-9]+)$": 1,
}


def test_django_under_gunicorn(home: Path, tmp_path: Path, simulator: Simulator) -> None:
    app, port = Application(tmp_path / "app", home, simulator, web=DJANGO), free_port()
    with app.serving(port, "gunicorn", "-b", f"127.0.0.1:{port}", "web:wsgi"):
        for path in ("/items/1/", "/later/", "/stream/", "/lazy/", "/sub/x7"):
            get(port, path)
    assert app.require_all_stored().origins("route") == DJANGO_ROUTES


def test_django_under_uvicorn(home: Path, tmp_path: Path, simulator: Simulator) -> None:
    app, port = Application(tmp_path / "app", home, simulator, web=DJANGO), free_port()
    with app.serving(port, "uvicorn", "--lifespan", "off", "web:asgi", "--port", str(port), "--log-level", "warning"):
        for path in ("/items/1/", "/later/", "/stream/", "/lazy/", "/sub/x7"):
            get(port, path)
    assert app.require_all_stored().origins("route") == DJANGO_ROUTES
