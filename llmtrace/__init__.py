"""See what every LLM feature costs."""
