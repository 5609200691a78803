"""The owner as a server: its API, the loop that reads the journal, and the guard in front of both."""
