"""What an application does with the SDKs, and what is true of it: the rows of docs/behaviours.md."""
