"""From the journal to the store: decode, normalise, price, and commit rows and cursor together."""

from llmtrace.ingest.account import Summary, account_for, summarise
from llmtrace.ingest.ingester import Ingested, Ingester

__all__ = ["Ingested", "Ingester", "Summary", "account_for", "summarise"]
