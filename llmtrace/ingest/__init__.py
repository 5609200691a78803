"""From the journal to the store: decode, normalise, price, and commit rows and cursor together."""

from llmtrace.ingest.account import account_for, summarise
from llmtrace.ingest.ingester import Ingested, Ingester

__all__ = ["Ingested", "Ingester", "account_for", "summarise"]
