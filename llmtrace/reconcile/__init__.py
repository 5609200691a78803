"""Compares what was tracked with the provider's own figures, and says what a difference is likely to come from."""
