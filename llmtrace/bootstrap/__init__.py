"""Zero-code start: `llmtrace run` puts this folder on `PYTHONPATH`, and every Python below runs its `sitecustomize`."""
