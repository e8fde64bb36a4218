"""The model on Upload and Webcam: which question it answers, and how sensitively."""
