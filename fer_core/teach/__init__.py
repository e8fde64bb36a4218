"""Own classes from takes: record or import faces, teach a last layer, measure it on takes it has not seen."""

from fer_core.teach.archive import export_zip, import_source, import_zip
from fer_core.teach.deletion import Removed, delete_everything, delete_takes, delete_taught
from fer_core.teach.files import Imported, add_files, find_takes, import_folder
from fer_core.teach.judge import ADVICE, FrameFace, Reason, judge
from fer_core.teach.result import CopiedTake, Taught, list_taught, load_taught
from fer_core.teach.takes import DEFAULT_CLASSES, Take, TakeStore, check_classes, check_name, list_stores
from fer_core.teach.training import TAKES_ASKED, prepare, teach

__all__ = [
    "ADVICE",
    "DEFAULT_CLASSES",
    "TAKES_ASKED",
    "CopiedTake",
    "FrameFace",
    "Imported",
    "Reason",
    "Removed",
    "Take",
    "TakeStore",
    "Taught",
    "add_files",
    "check_classes",
    "check_name",
    "delete_everything",
    "delete_takes",
    "delete_taught",
    "export_zip",
    "find_takes",
    "import_folder",
    "import_source",
    "import_zip",
    "judge",
    "list_stores",
    "list_taught",
    "load_taught",
    "prepare",
    "teach",
]
