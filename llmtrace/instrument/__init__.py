"""Capture inside the application: what runs between an SDK call and the journal.

Nothing here raises into the application, changes what it gets, or waits for a disk or a network on its threads.
"""
