"""Reports as HTML files: the lab report of a run, and the findings of an audit."""
