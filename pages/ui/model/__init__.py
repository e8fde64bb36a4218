"""The model on Upload, Webcam and Overview: its target, its sensitivity, and samples with its predictions."""
