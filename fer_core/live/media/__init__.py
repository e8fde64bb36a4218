"""Reads and writes video files: display transforms, one shared clock, sound, and HDR."""
