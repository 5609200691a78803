"""Data files: database migrations and JSON schemas, read through `llmtrace.resources`."""
