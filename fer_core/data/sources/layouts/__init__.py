"""Layouts of image files: how folders, file names or a list file label the images of a data set."""
