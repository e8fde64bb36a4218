"""Parts of the lab report, one module each: report data in, HTML out; the text is in the template of the same name.

A part that lacks its data raises a :class:`fer_core.errors.FerError`; the report shows the message instead.
"""
