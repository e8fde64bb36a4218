"""HTML reports: the lab report of a run and the audit of a data set."""
