"""Runs behaviours under a contestant, in that contestant's environment: a line of JSON for each.

usage: python -m behaviours.run CONTESTANT SIMULATOR_URL RECEIVER_URL NUMBER...    by their places among the rows
"""

import json
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from behaviours.contestants import BARE, CONTESTANTS, Contestant
from behaviours.lab import Lab
from behaviours.rows import BEHAVIOURS, Behaviour

VOLATILE = {"id", "created", "created_at", "completed_at", "request_id", "_request_id", "signature", "item_id"}
SDKS = ("openai", "anthropic")
# What is still to be told of a span after its behaviour.
REST_S = 0.05


def stable(value: Any) -> Any:
    """VALUE as JSON, without what differs from one call to the next."""
    if hasattr(value, "model_dump"):
        dumped = value.model_dump(exclude_unset=True, mode="json", warnings=False)
        return {"class": type(value).__qualname__, **stable(dumped)}
    if isinstance(value, dict):
        return {str(k): stable(v) for k, v in value.items() if k not in VOLATILE}
    if isinstance(value, list | tuple):
        return [stable(v) for v in value]
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def run(behaviour: Behaviour, lab: Lab) -> dict[str, Any]:
    """What the application saw of BEHAVIOUR, and what the provider was asked."""
    lab.clear()
    began_ns = time.time_ns()
    told: dict[str, Any] = {"began_ns": began_ns}
    try:
        told["seen"] = stable(behaviour.use(lab))
    except Exception as err:
        told["raised"] = type(err).__qualname__
        told["names"] = names_of(err)
        told["trace"] = traceback.format_exc(limit=-6)[-2500:]
    finally:
        lab.close()
    told["requests"] = lab.requests()
    return told


def names_of(error: BaseException) -> list[str]:
    """By what ERROR can be known: its class and those of its causes, its status, its message, the provider's words."""
    names = [str(error), str(getattr(error, "status_code", None) or "")]
    body = getattr(error, "body", None)
    for told in (body, body.get("error") if isinstance(body, dict) else None):
        names += [str(told.get(key) or "") for key in ("type", "code")] if isinstance(told, dict) else []
    cause: BaseException | None = error
    while cause is not None:
        names.append(type(cause).__name__)
        cause = cause.__cause__
    return [name for name in names if name and name != "error"]


def bind_early(url: str) -> dict[str, Callable[..., Any]]:
    """Methods of the SDKs, bound before anybody instruments them."""
    import anthropic
    import openai

    return {
        "openai": openai.OpenAI(base_url=f"{url}/v1", api_key="k").chat.completions.create,
        "anthropic": anthropic.Anthropic(base_url=url, api_key="k").messages.create,
    }


def versions(contestant: Contestant) -> dict[str, str]:
    """What is installed here, by package."""
    found = {}
    for name in (*SDKS, *contestant.packages):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "?"
    return found


def say(value: dict[str, Any]) -> None:
    """Put VALUE on a line of its own."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def main(name: str, simulator: str, receiver: str, *numbers: str) -> None:
    """Run the behaviours NUMBERS under the contestant NAME."""
    warnings.simplefilter("ignore")
    contestant = next(c for c in (BARE, *CONTESTANTS) if c.name == name)
    chosen = [(int(number), BEHAVIOURS[int(number)]) for number in numbers]
    early = bind_early(simulator) if any("bound before" in b.name or b.alone for _, b in chosen) else {}
    flush = contestant.start(receiver)
    say({"versions": versions(contestant)})
    for number, behaviour in chosen:
        say({"begins": number})
        told = run(behaviour, Lab(simulator, {**early, "flush": flush}))
        flush()
        say({"number": number, **told})
        time.sleep(REST_S)
    flush()
    say({"done": True})


if __name__ == "__main__":
    main(*sys.argv[1:])
