"""Two services: the shop asks the search service, which asks the model; the cost belongs to the shop's feature.

The shop sends `baggage` to the hosts that LLMTRACE_BAGGAGE_HOSTS names, and to no others: never to a provider.

    python examples/two_services.py && llmtrace report --by feature
"""

import multiprocessing
import os
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx
from provider import clients

import llmtrace
from llmtrace.middleware import WsgiFeature


class Quiet(WSGIRequestHandler):
    def log_message(self, format, *args) -> None:
        pass


def serve_search(port) -> None:
    """The search service, a process of its own, which knows nothing of the shop's features."""
    llmtrace.instrument("search")
    with clients(show=False) as (chat, _):

        def app(environ, start_response):
            completion = chat.chat.completions.create(
                model="gpt-4o-mini",
                max_tokens=20,
                messages=[{"role": "user", "content": "Find: " + environ["PATH_INFO"]}],
            )
            start_response("200 OK", [("content-type", "text/plain")])
            return [(completion.choices[0].message.content or "").encode()]

        with make_server("127.0.0.1", 0, WsgiFeature(app), handler_class=Quiet) as server:
            port.put(server.server_port)
            for _ in range(3):
                server.handle_request()


if __name__ == "__main__":
    os.environ["LLMTRACE_BAGGAGE_HOSTS"] = "127.0.0.1"  # in real life: search.internal,*.svc.cluster.local
    llmtrace.instrument("shop")
    spawn = multiprocessing.get_context("spawn")
    port = spawn.Queue()
    search = spawn.Process(target=serve_search, args=(port,))
    search.start()
    url = f"http://127.0.0.1:{port.get()}"
    with llmtrace.feature("find-similar", tenant="acme"):
        httpx.get(f"{url}/red%20shoes")
        httpx.get(f"{url}/blue%20shoes")
    with llmtrace.feature("autocomplete", tenant="umbrella"):
        httpx.get(f"{url}/gre")
    search.join()
    print("asked three times")
