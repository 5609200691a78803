"""`python -m llmtrace`."""

from llmtrace.cli import main

main()
