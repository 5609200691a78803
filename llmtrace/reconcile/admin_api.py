"""Reads the pages of a provider's admin API: over HTTPS, with tries, and never further than the host that was named."""

import http.client
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode, urlsplit

from llmtrace.errors import BillUnavailable, ConfigError

TIMEOUT_S = 30.0
TRIES = 5
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
MOST_PAGES = 1000
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

Parameters = Sequence[tuple[str, str]]


class AdminApi:
    """An admin API at one address. Redirects are not followed: the key goes to no other host."""

    def __init__(self, base_url: str, headers: Mapping[str, str], key_name: str) -> None:
        """Ask BASE_URL with HEADERS; KEY_NAME is the environment variable that an error speaks of.

        Raises:
            ConfigError: BASE_URL is no address that a key may be sent to.
        """
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"--base-url {base_url!r} is no address; write https://HOST")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ConfigError(f"--base-url {base_url!r} would show an admin key to the network; write https://")
        self._parts, self._headers, self._key_name = parts, {**headers, "Accept": "application/json"}, key_name

    def buckets(self, path: str, parameters: Parameters) -> Iterator[Mapping[str, Any]]:
        """Every bucket of the report at PATH, page after page.

        Raises:
            BillUnavailable: the provider refuses, fails for good, or answers something else.
        """
        page: str | None = None
        for _ in range(MOST_PAGES):
            body = self._get(path, [*parameters, *([("page", page)] if page else [])])
            data = body.get("data") if isinstance(body, Mapping) else None
            if not isinstance(data, list):
                raise BillUnavailable(f"{self._name(path)} answered something that is no report; check --base-url")
            yield from data
            page = body.get("next_page")
            if not body.get("has_more") or not page:
                return
        raise BillUnavailable(f"{self._name(path)} has no end after {MOST_PAGES} pages; ask for fewer days")

    def _get(self, path: str, parameters: Parameters) -> Any:
        target, wait_s, reason = f"{self._parts.path.rstrip('/')}{path}?{urlencode(parameters)}", FIRST_WAIT_S, ""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(wait_s)
            status, data, retry_after_s, reason = self._once(target)
            if status == 200:
                try:
                    return json.loads(data, parse_float=Decimal)
                except ValueError:
                    reason = "it broke off or is no JSON"
            elif status is not None and status not in (408, 409, 429) and status < 500:
                raise self._refusal(path, status, data)
            wait_s = min(retry_after_s or FIRST_WAIT_S * 2**attempt, LONGEST_WAIT_S)
        raise BillUnavailable(f"{self._name(path)} failed {TRIES} times ({reason}); try again later")

    def _once(self, target: str) -> tuple[int | None, bytes, float | None, str]:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", target, headers=dict(self._headers))
            response = connection.getresponse()
            return response.status, response.read(), _seconds(response.headers.get("retry-after")), f"{response.status}"
        except (OSError, http.client.HTTPException) as err:
            return None, b"", None, str(err) or type(err).__name__
        finally:
            connection.close()

    def _refusal(self, path: str, status: int, data: bytes) -> BillUnavailable:
        said = _message(data)
        if status in (401, 403):
            advice = f"{self._key_name} must be an admin key of the organization, which may read its usage and costs"
        elif 300 <= status < 400:
            advice = "it answered with a redirect, which is not followed; name the address itself with --base-url"
        else:
            advice = "check --base-url and the period"
        return BillUnavailable(f"{self._name(path)} answered {status}{f': {said}' if said else ''}; {advice}")

    def _name(self, path: str) -> str:
        return f"{self._parts.netloc}{self._parts.path.rstrip('/')}{path}"


def _seconds(text: str | None) -> float | None:
    try:
        return max(float(text), 0.0) if text else None
    except ValueError:
        return None


def _message(data: bytes) -> str | None:
    try:
        return str(json.loads(data)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return None
