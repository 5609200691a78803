"""Price data: one YAML file per provider, read by `llmtrace.pricing.book`."""
