"""Part 8: machine, versions, and the command to repeat the run."""

from __future__ import annotations

from typing import Final

from fer_core.report.data import ReportData, repeat_command
from fer_core.report.rendering import render

_TITLES: Final = {
    "device_name": "Processor",
    "device": "Device",
    "precision": "Precision",
    "threads": "Threads",
}


def environment(data: ReportData) -> str:
    """Render machine, versions, and the command to repeat the run."""
    found = data.run.environment()
    rows = [[title, str(found[key])] for key, title in _TITLES.items() if key in found]
    versions = found.get("versions")
    if isinstance(versions, dict):
        rows.append(["Versions", ", ".join(f"{name} {number}" for name, number in versions.items())])
    if data.classifier is not None and data.classifier.has_sensitivity:
        rows.append(
            [
                "Sensitivity",
                f"{data.classifier.sensitivity:g} (0 follows the class frequencies of the training data, 1 treats all classes as equally likely)",
            ]
        )
    rows.append(["Run", data.run.id])
    return render("sections/environment.html", rows=rows, command=repeat_command(data.config))
