"""The script that Streamlit runs for every session."""

from llmtrace.dashboard import shell

shell.run()
