"""The pages of the app: each file is title, inputs, one core call, empty state, render."""
