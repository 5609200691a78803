"""SQL that people write, over the calls of a filter only."""

from collections.abc import Mapping
from typing import Any

import ibis
import sqlglot
from sqlglot import TokenType
from sqlglot.errors import TokenError

from llmtrace.analytics.filters import Filter, apply_filter, parse_filter
from llmtrace.analytics.tables import CALLS
from llmtrace.errors import QueryError

# The view itself: inside `WITH calls AS (...)` its bare name would mean what is being defined.
ALL_CALLS = ibis.table(CALLS.schema(), name="calls", database="main")


def restrict_sql(text: str, options: Mapping[str, Any], dialect: str) -> str:
    """TEXT with `calls` meaning only those that OPTIONS, of the filter, describe; TEXT itself stays as it is.

    Raises:
        QueryError: an option is not known, or TEXT is not one that can be restricted.
    """
    chosen = parse_filter(options)
    if chosen == Filter():
        return text
    try:
        tokens = sqlglot.tokenize(text, dialect)
    except TokenError as err:
        raise QueryError(f"the SQL cannot be read: {err}") from err
    calls = ibis.to_sql(apply_filter(ALL_CALLS, chosen), dialect=dialect)
    kinds = [token.token_type for token in tokens[:2]]
    if kinds[:1] in ([TokenType.SELECT], [TokenType.FROM]):
        return f"WITH calls AS ({calls})\n{text}"
    if kinds[:1] == [TokenType.WITH]:
        # The text's own tables stay behind ours.
        last = tokens[1] if kinds[1:] == [TokenType.RECURSIVE] else tokens[0]
        return f"{text[: last.end + 1]} calls AS ({calls}), {text[last.end + 1 :]}"
    raise QueryError("filters apply to a SELECT; write the conditions into the SQL instead")
