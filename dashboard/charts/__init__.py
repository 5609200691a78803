"""Charts: pure functions from rows to Plotly figures, with a unit on every axis, and their takeaways in words."""
