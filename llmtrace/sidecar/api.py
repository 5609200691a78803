"""The API of an owner: named questions and read-only SQL, as JSON or Arrow, and its health."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from llmtrace.analytics.catalogue import catalogue
from llmtrace.errors import LlmtraceError, QueryError, StoreError
from llmtrace.release import VERSION
from llmtrace.rendering import plain, report_json
from llmtrace.sidecar.body import BadBody, Bodies
from llmtrace.sidecar.loop import OwnerLoop

VERSION_HEADER = "llmtrace-version"  # tells a client with which release it speaks
ARROW_TYPE = "application/vnd.apache.arrow.stream"
SQL_BYTES = 1024 * 1024
INTEGERS = ("limit",)


def routes(loop: OwnerLoop) -> list[Route]:
    """The routes that answer from LOOP's owner."""
    api = _Api(loop)
    return [
        Route("/health", api.health, methods=["GET"]),
        Route("/api/v1/", _guarded(api.index), methods=["GET"]),
        Route("/api/v1/doctor", _guarded(api.doctor), methods=["GET"]),
        Route("/api/v1/currency", _guarded(api.currency), methods=["GET"]),
        Route("/api/v1/explain", _guarded(api.explain), methods=["GET"]),
        Route("/api/v1/export", _guarded(api.export), methods=["GET"]),
        Route("/api/v1/sql", api.sql, methods=["POST"]),
        Route("/api/v1/reprice", api.reprice, methods=["POST"]),
        Route("/api/v1/{question}", _guarded(api.question), methods=["GET"]),
    ]


class _Api:
    """Handlers; the plain ones run on a thread of the server's pool, so that a slow query holds up nobody."""

    def __init__(self, loop: OwnerLoop) -> None:
        self._loop, self._bodies = loop, Bodies(SQL_BYTES)

    def health(self, request: Request) -> Response:
        """200, or 503 with the reasons."""
        reasons = self._loop.problems()
        return JSONResponse({"status": "ok" if not reasons else "failing", "reasons": reasons}, 503 if reasons else 200)

    def index(self, request: Request) -> Response:
        """What may be asked: the questions with their parameters and columns, and the filter."""
        return JSONResponse({"llmtrace": VERSION, **plain(catalogue())})

    def doctor(self, request: Request) -> Response:
        """The figures of `doctor --json`."""
        return JSONResponse(plain(self._loop.owner.health()))

    def currency(self, request: Request) -> Response:
        """What amounts are shown in beside US dollars, with its dated rates; null where nothing is said."""
        return JSONResponse(self._loop.owner.currency())

    def explain(self, request: Request) -> Response:
        """The cost of one call, taken apart: `span_id`, or the beginning of it, and the filter."""
        options = _options(request)
        span_id = options.pop("span_id", None)
        if not isinstance(span_id, str):
            raise QueryError("name the call: /api/v1/explain?span_id=...")
        return JSONResponse(plain(self._loop.owner.explain(span_id, options)))

    def export(self, request: Request) -> Response:
        """All rows of `calls`, or of `spans` with their cost, as a stream of Arrow batches."""
        options = _options(request)
        reader = self._loop.owner.export(str(options.pop("relation", "calls")), options)
        return StreamingResponse(_stream(reader), media_type=ARROW_TYPE)

    def question(self, request: Request) -> Response:
        """The answer to a named question; the query string holds its parameters and the filter."""
        name, options = request.path_params["question"], _options(request)
        owner = self._loop.owner
        if _wants_arrow(request):
            return _arrow(owner.ask_arrow(name, options))
        if name == "report":
            by = str(options.get("by", "feature"))
            filters = {k: v for k, v in options.items() if k != "by"}
            return JSONResponse(
                report_json(by, owner.ask(name, options), owner.ask("totals", filters), owner.currency())
            )
        return _json(owner.ask(name, options))

    async def reprice(self, request: Request) -> Response:
        """Price calls anew: `{"filter": {"since": "7d", ...}, "dry_run": true}`; the answer is what changes."""
        from starlette.concurrency import run_in_threadpool

        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return _error(415, 'send application/json: {"filter": {"since": "7d"}, "dry_run": true}')
        try:
            async with self._bodies.read(request) as body:
                asked = json.loads(body)
            chosen, is_dry = dict(asked["filter"]), asked["dry_run"]
        except BadBody as err:
            return _error(err.status, str(err))
        except (ValueError, KeyError, TypeError, RecursionError):
            return _error(400, 'send {"filter": {"since": "7d"}, "dry_run": true}')
        if not isinstance(is_dry, bool):
            return _error(400, "dry_run is true or false")
        return await run_in_threadpool(_guarded(self._run_reprice), chosen, is_dry)

    def _run_reprice(self, chosen: dict[str, Any], is_dry: bool) -> Response:
        return JSONResponse(plain(self._loop.owner.reprice(chosen, is_dry=is_dry)))

    async def sql(self, request: Request) -> Response:
        """The answer to `{"sql": "SELECT ...", "filter": {"since": "7d", ...}}`; the filter may be left out."""
        from starlette.concurrency import run_in_threadpool

        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return _error(415, 'send application/json: {"sql": "SELECT ..."}')
        try:
            async with self._bodies.read(request) as body:
                asked = json.loads(body)
            text, chosen = str(asked["sql"]), dict(asked.get("filter") or {})
        except BadBody as err:
            return _error(err.status, str(err))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return _error(400, 'send {"sql": "SELECT ..."}')
        return await run_in_threadpool(_guarded(self._run_sql), request, text, chosen)

    def _run_sql(self, request: Request, text: str, chosen: dict[str, Any]) -> Response:
        owner = self._loop.owner
        return _arrow(owner.arrow(text, chosen)) if _wants_arrow(request) else _json(owner.sql(text, chosen))


def _guarded(handler: Callable[..., Response]) -> Callable[..., Response]:
    """HANDLER with our errors as answers: what the caller got wrong is 400, what we cannot do now 503."""

    def run(*args: Any) -> Response:
        try:
            response = handler(*args)
        except QueryError as err:
            return _error(400, str(err))
        except (StoreError, LlmtraceError) as err:
            return _error(503, str(err))
        response.headers[VERSION_HEADER] = VERSION
        return response

    return run


def _options(request: Request) -> dict[str, Any]:
    """The query string: a name given twice is a list."""
    options: dict[str, Any] = {}
    for name in request.query_params:
        values = request.query_params.getlist(name)
        options[name] = values[0] if len(values) == 1 else values
    for name in INTEGERS:
        if name in options:
            try:
                options[name] = int(options[name])
            except (TypeError, ValueError):
                raise QueryError(f"{name} is a whole number, not '{options[name]}'") from None
    return options


def _wants_arrow(request: Request) -> bool:
    return ARROW_TYPE in request.headers.get("accept", "")


def _json(rows: Any) -> Response:
    body = {"columns": list(rows.columns), "rows": [plain(r) for r in rows.dicts()], "is_cut": rows.is_cut}
    return JSONResponse(body)


def _arrow(table: pa.Table) -> Response:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return Response(sink.getvalue().to_pybytes(), media_type=ARROW_TYPE)


def _stream(reader: pa.RecordBatchReader) -> Iterator[bytes]:
    """The rows of READER as the parts of an Arrow stream."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
            yield sink.getvalue()
            sink.seek(0)
            sink.truncate()
    yield sink.getvalue()


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status, {VERSION_HEADER: VERSION})
