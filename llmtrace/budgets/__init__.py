"""Budgets in the app: what may be spent, checked before a call is sent, by all processes of a host together."""
