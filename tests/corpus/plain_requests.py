"""Requests that run no model, through the functions of the SDKs that every request goes through."""

import re
from typing import Any
from urllib.parse import unquote

import ollama
from corpus.bedrock_rows import Runtime
from corpus.hosts import Hosts
from native import Natives, shown
from replaying import ROW_HEADER, Caller, Row


class Requests:
    """One client of each provider, all of them for the server at ADDRESS."""

    def __init__(self, address: str) -> None:
        """Make them."""
        self._address = address
        self._callers = Caller(address).clients | Hosts(address).clients
        self._natives, self._runtime = Natives(address), Runtime(address)

    def close(self) -> None:
        """Close them."""
        for client in self._callers.values():
            client.close()
        self._natives.__exit__()
        self._runtime.client.close()

    def send(self, row: Row) -> list[str]:
        """What the request of ROW gives."""
        method, path, body = row.request["method"], row.request["path"], row.request["body"]
        if row.provider in ("gemini", "vertex"):
            client: Any = getattr(self._natives, row.provider)
            options = {"headers": {ROW_HEADER: row.id}}
            return [shown(client._api_client.request(method.lower(), path.lstrip("/"), body or {}, options))]
        if row.provider == "bedrock" and body is not None:
            return self._count(row, path, body)
        if path == "/api/show":
            return [
                shown(
                    ollama.Client(host=self._address, headers={ROW_HEADER: row.id}).show(
                        body.get("model") or body["name"]
                    )
                )
            ]
        send = getattr(self._callers[row.provider], method.lower())
        sent = {"body": body} if method != "GET" else {}
        return [repr(send(path or "/", cast_to=object, options={"headers": {ROW_HEADER: row.id}}, **sent))]

    def _count(self, row: Row, path: str, body: dict[str, Any]) -> list[str]:
        found = re.search(r"/model/([^/]+)/count-tokens", path)
        assert found is not None
        self._runtime.row = row.id
        result = self._runtime.client.count_tokens(modelId=unquote(found[1]), **body)
        result["ResponseMetadata"]["HTTPHeaders"].pop("date", None)
        return [repr(result)]
