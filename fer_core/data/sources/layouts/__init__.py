"""Layouts of image files: how folders, file names or a list file label the images of a data set.

To add one, write a module with a ``LAYOUT`` and register it in :data:`LAYOUTS`.
"""

from typing import Final

from fer_core.data.sources.layouts import affectnet, ferplus_folders, jaffe, kdef, listed, numbered, raf_db, takes
from fer_core.data.sources.layouts.labeled import LabeledImages, Layout, Source

LAYOUTS: Final[tuple[Layout, ...]] = (
    takes.LAYOUT,
    Layout("numbered folders", numbered.find_chosen),
    ferplus_folders.LAYOUT,
    raf_db.LAYOUT,
    affectnet.LAYOUT,
    jaffe.LAYOUT,
    kdef.LAYOUT,
    listed.LAYOUT,
)
"""All known layouts but folders of classes, in the order in which they are tried."""

__all__ = ["LAYOUTS", "LabeledImages", "Layout", "Source"]
