"""Containers of named files: folders, zips and tar archives."""

from fer_core.data.sources.containers.base import Container
from fer_core.data.sources.containers.folder import Folder
from fer_core.data.sources.containers.tars import TarArchive, open_tar
from fer_core.data.sources.containers.zips import ZIP_ERRORS, ZipArchive, open_zip, zip_content_key, zip_names

__all__ = [
    "ZIP_ERRORS",
    "Container",
    "Folder",
    "TarArchive",
    "ZipArchive",
    "open_tar",
    "open_zip",
    "zip_content_key",
    "zip_names",
]
