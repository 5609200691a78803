"""Numbered migrations of the DuckDB store."""
