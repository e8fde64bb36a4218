"""The parts of a lab report, one file each: report data in, HTML out; its words stand in the template of its name.

A part that cannot be made raises a :class:`fer_core.errors.FerError` whose sentence stands in its place.
"""
