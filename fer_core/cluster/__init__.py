"""Runs work of the command line on a Ray cluster; needs the extra ``cluster``."""
