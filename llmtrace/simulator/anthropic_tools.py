"""The tools that Anthropic runs itself, within one message.

Source: https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/web-search-tool
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmtrace.simulator.answers import CALL_TOKENS
from llmtrace.simulator.protocol import JSON, Request
from llmtrace.simulator.text import compact, count_tokens, write_prose

PAGE = "https://example.com/"
DIRECT: JSON = {"type": "direct"}


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a tool: its call and its result as content, and the name of its count in the usage, if it has one."""

    call: JSON
    result: JSON
    bills: str | None = None
    has_container: bool = False

    @property
    def blocks(self) -> list[JSON]:
        """The content."""
        return [self.call, self.result]

    @property
    def spoken_tokens(self) -> int:
        """Tokens that the model said in order to call."""
        return CALL_TOKENS + count_tokens(self.call["name"]) + count_tokens(compact(self.call["input"]))

    @property
    def read_tokens(self) -> int:
        """Tokens of the result, which the model reads like its prompt."""
        return count_result_tokens(self.result)


def count_result_tokens(block: Mapping[str, Any]) -> int:
    """Tokens of BLOCK if it is the result of a server tool, else 0."""
    return count_tokens(compact(block["content"])) if str(block["type"]).endswith("_tool_result") else 0


def user_spoke(body: Mapping[str, Any]) -> bool:
    """Whether the last message in BODY is the user's own, and no result of a tool."""
    last = body["messages"][-1]
    content = last.get("content")
    parts = content if isinstance(content, list) else []
    answered = any(isinstance(part, dict) and part.get("type") == "tool_result" for part in parts)
    return last.get("role") == "user" and not answered


def run_tools(request: Request) -> list[Run]:
    """One run of each server tool of REQUEST, when the user spoke last."""
    body = request.body
    if not user_spoke(body) or (body.get("tool_choice") or {}).get("type") == "none":
        return []
    kinds = [str(tool.get("type")) for tool in body.get("tools") or ()]
    return [run(request, kind) for kind in kinds for start, run in RUNS.items() if kind.startswith(start)]


def cite(runs: Sequence[Run]) -> JSON:
    """The citations of a text that follows RUNS, where they searched the web."""
    found = next((run.result["content"][0] for run in runs if run.bills == "web_search_requests"), None)
    if found is None:
        return {}
    location = {"type": "web_search_result_location", "cited_text": found["title"], "encrypted_index": "EpEB"}
    return {"citations": [{**location, "title": found["title"], "url": found["url"]}]}


def _search(request: Request, kind: str) -> Run:
    title = write_prose(request.rng, 4, 8)
    page = {"type": "web_search_result", "title": title, "url": PAGE, "encrypted_content": "EqgfCioI", "page_age": None}
    arguments = {"query": write_prose(request.rng, 3, 5)}
    return _run(request, "web_search", arguments, [page], "web_search_requests")


def _fetch(request: Request, kind: str) -> Run:
    source = {"type": "text", "media_type": "text/plain", "data": write_prose(request.rng)}
    document = {"type": "document", "source": source, "title": None, "citations": None}
    page = {"type": "web_fetch_result", "url": PAGE, "content": document, "retrieved_at": None}
    return _run(request, "web_fetch", {"url": PAGE}, page, "web_fetch_requests")


def _execute(request: Request, kind: str) -> Run:
    # The first version ran Python alone; later ones run a shell.
    is_first = kind == "code_execution_20250522"
    name = "code_execution" if is_first else "bash_code_execution"
    arguments = {"code": "print(6 * 7)"} if is_first else {"command": "echo $((6 * 7))"}
    outcome = {"type": f"{name}_result", "stdout": "42\n", "stderr": "", "return_code": 0, "content": []}
    return _run(request, name, arguments, outcome, None)


def _run(request: Request, name: str, arguments: JSON, result: Any, bills: str | None) -> Run:
    id_ = request.draw_id("srvtoolu_01", 22)
    call = {"type": "server_tool_use", "id": id_, "name": name, "input": arguments, "caller": DIRECT}
    told = {"type": f"{name}_tool_result", "tool_use_id": id_, "content": result}
    is_run_in_container = name.endswith("code_execution")
    return Run(call, told if is_run_in_container else {**told, "caller": DIRECT}, bills, is_run_in_container)


RUNS: dict[str, Callable[[Request, str], Run]] = {
    "web_search_": _search,
    "web_fetch_": _fetch,
    "code_execution_": _execute,
}
