"""The server under the app: which requests it answers, and how it ends."""
