"""The live view: camera, controls, diagnosis and statistics, shared by Webcam and Teach."""
