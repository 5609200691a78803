"""Every method of the SDKs is a call under a name of ours, or is named as none."""

import pytest
import sdk_methods
from bodies.reading import read_bodies
from replaying import OPERATIONS
from sdk_methods import METHODS, NOT_RECORDED, methods_of

from llmtrace.providers import find_family
from llmtrace.providers.openai_sockets import LIVE, REALTIME

SDKS = tuple(METHODS)
# Reached over a connection.
SOCKETS = {REALTIME.name, LIVE.name}
# Older SDKs have a method for the first; the others are xAI's, at paths that OpenAI's SDK has no method for.
WITHOUT_METHOD = {"complete", "chat.deferred.retrieve", "documents.search"}
# Told by batches of requests, which are in tests/instrument/test_batches.py.
BATCHES = {"batches", "messages.batches"}


@pytest.mark.parametrize("sdk", SDKS)
def test_every_listed_method_is_one_of_the_sdk(sdk: str) -> None:
    named = [name for method in METHODS[sdk] for name in (*method.names, *method.fetches)]
    assert len(named) == len(set(named))
    assert not set(named) - set(methods_of(sdk))


@pytest.mark.parametrize("sdk", SDKS)
def test_every_method_of_the_sdk_is_listed_or_named_as_no_call(sdk: str) -> None:
    named = {name for method in METHODS[sdk] for name in (*method.names, *method.fetches)}
    rest = [name for name in methods_of(sdk) if name not in named and not name.startswith(NOT_RECORDED[sdk])]
    assert not rest


@pytest.mark.parametrize("sdk", SDKS)
def test_every_endpoint_that_is_recorded_is_listed_and_the_other_way_round(sdk: str) -> None:
    family = find_family(sdk)
    assert family is not None
    listed = {method.endpoint for method in METHODS[sdk]} - SOCKETS - BATCHES
    fetching = {f"{method.endpoint}.retrieve" for method in METHODS[sdk] if method.fetches}
    recorded = {e.name for e in family.endpoints if e.step is None} - WITHOUT_METHOD
    assert listed <= recorded
    assert recorded - listed <= fetching


@pytest.mark.parametrize("sdk", SDKS)
def test_every_endpoint_answers_with_a_body_in_every_way_of_calling(sdk: str) -> None:
    answered = {OPERATIONS.get(row.operation) for row, _ in read_bodies()}
    for method in METHODS[sdk]:
        if method.endpoint not in SOCKETS | BATCHES:
            assert answered & set(method.names), method.endpoint


def test_the_table_has_a_row_for_each() -> None:
    for sdk in SDKS:
        rows = sdk_methods.table_rows(sdk)
        assert len(rows) == len(METHODS[sdk]) + len([m for m in METHODS[sdk] if m.fetches])
