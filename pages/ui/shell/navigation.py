"""The table of all pages. A new page is a file in ``pages/`` that calls :func:`require_app` first, and an entry here."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from fer_core.errors import ConfigError
from fer_core.resources import app_folder
from pages.ui.shell import identity

if TYPE_CHECKING:
    from streamlit.navigation.page import Page as StreamlitPage


@dataclass(frozen=True)
class Page:
    """A page of the app.

    Attributes:
        file: path from the project root, as ``st.page_link`` and ``st.switch_page`` expect it.
        title: name in the sidebar and the browser tab.
        icon: name of a Material symbol.
        section: heading in the sidebar.
        purpose: what the page is for, as the tooltip of its link.
    """

    file: str
    title: str
    icon: str
    section: str
    purpose: str

    @property
    def url(self) -> str:
        """Last part of the page's address."""
        return PurePosixPath(self.file).stem.replace("_", "-")


PAGES: Final[tuple[Page, ...]] = (
    Page(
        "pages/overview.py",
        "Overview",
        ":material/home:",
        "Start",
        "See what FER Lab does, the last run and the data in use.",
    ),
    Page(
        "pages/data.py",
        "Data",
        ":material/photo_library:",
        "Start",
        "Choose a data set, check it and explore its faces.",
    ),
    Page("pages/train.py", "Train", ":material/model_training:", "Model", "Train a network and watch it learn."),
    Page(
        "pages/evaluate.py",
        "Evaluate",
        ":material/grid_on:",
        "Study",
        "See which classes a model confuses, and the faces behind each cell.",
    ),
    Page(
        "pages/audit.py",
        "Audit",
        ":material/fact_check:",
        "Study",
        "Find duplicates, leaks and wrong labels in the data.",
    ),
    Page(
        "pages/upload.py",
        "Upload",
        ":material/add_photo_alternate:",
        "Faces",
        "Drop in photos and see what the network predicts, and why.",
    ),
    Page("pages/webcam.py", "Webcam", ":material/videocam:", "Faces", "Watch expressions live."),
    Page("pages/teach.py", "Teach", ":material/school:", "Faces", "Teach own expressions from takes of your face."),
    Page(
        "pages/network.py",
        "Inside the network",
        ":material/layers:",
        "Learn",
        "Inspect layers, weights and activations, and what each filter responds to.",
    ),
    Page(
        "pages/experiments.py",
        "Experiments",
        ":material/science:",
        "Learn",
        "Break something on purpose and measure the effect.",
    ),
    Page(
        "pages/derivations.py",
        "Derivations",
        ":material/function:",
        "Learn",
        "Work through the mathematics, checked live against autograd.",
    ),
)


ACCOUNT: Final = Page(
    "pages/shared/account.py",
    "Account",
    ":material/account_circle:",
    "Server",
    "See your space and your trainings, download your data, or delete your account.",
)
OPERATOR: Final = Page(
    "pages/shared/operators.py",
    "Operator",
    ":material/admin_panel_settings:",
    "Server",
    "See users, disk and running work of this server.",
)


class UploadSource(StrEnum):
    """A source of faces on the Upload page; its value is part of addresses: ``/upload?way=video``."""

    PHOTOS = "photos"
    SNAPSHOT = "snapshot"
    FOLDER = "folder"
    VIDEO = "video"


PHOTO_PAGES: Final = ("upload", "webcam", "teach")
"""Addresses of the pages for photos and the webcam; see :func:`pages.ui.shell.cache.photo_model`."""
_WAY: Final = "way"  # query parameters
_MODEL, _TAKES = "model", "takes"
_inside_app: ContextVar[bool] = ContextVar("inside_app", default=False)


def pages() -> Iterator[Page]:
    """Yield the pages of this window's user whose file exists; a shared server has two more."""
    shared = identity.server_mode() != "local"
    found = (*PAGES, *([ACCOUNT] if shared else ()), *([OPERATOR] if shared and _operates() else ()))
    return (page for page in found if (app_folder() / page.file).is_file())


def _operates() -> bool:
    """Whether to list the Operator page; with damaged settings nobody sees a page, see ``identity.gate``."""
    try:
        return identity.is_operator()
    except ConfigError:
        return False


def navigation() -> StreamlitPage:
    """Register the pages with Streamlit; the first one is the start page.

    The pages get no icon and Streamlit draws no menu: it would also use each icon as the tab's favicon, which the
    browser would fetch from a Google server. :func:`menu` draws the icons from Streamlit's bundled font.
    """
    entries = [
        st.Page(page.file, title=page.title, url_path=page.url, default=number == 0)
        for number, page in enumerate(pages())
    ]
    return st.navigation(entries, position="hidden")


def forget_pages_folder() -> None:
    """Tell Streamlit before the first visit that the pages come from :func:`navigation`.

    Until a process has called ``st.navigation`` once, Streamlit (1.67) looks for an address among the files of ``pages/``.
    The first window of a server that opens one of the pages in ``pages/shared`` would be told that it does not exist.
    """
    PagesManager.uses_pages_directory = False


def menu() -> None:
    """Draw the links to all pages by section."""
    sections: dict[str, list[Page]] = {}
    for page in pages():
        sections.setdefault(page.section, []).append(page)
    for name, entries in sections.items():
        with st.container(gap="xxsmall"):
            st.caption(name)
            for page in entries:
                st.page_link(page.file, label=page.title, icon=page.icon, width="stretch", help=page.purpose)


def upload_link(source: UploadSource, label: str, icon: str) -> None:
    """Draw a link to the Upload page with a source preselected."""
    st.page_link("pages/upload.py", label=label, icon=icon, query_params={_WAY: source.value})


def requested_upload_source() -> UploadSource:
    """Return the source that the address requests; photos by default."""
    requested = st.query_params.get(_WAY)
    return UploadSource(requested) if requested in set(UploadSource) else UploadSource.PHOTOS


def model_link(page: str, model: str, label: str, icon: str) -> None:
    """Draw a link to a page that uses a model from then on; see :func:`requested_choice`."""
    st.page_link(page, label=label, icon=icon, query_params={_MODEL: model})


def takes_link(page: str, name: str, label: str, icon: str) -> None:
    """Draw a link to a page that uses a set of takes as its data from then on; see :func:`requested_choice`."""
    st.page_link(page, label=label, icon=icon, query_params={_TAKES: name})


def requested_choice() -> tuple[str | None, str | None]:
    """Return the model and the set of takes that the address requests, once; whether they exist is for the caller to check."""
    found = st.query_params.get(_MODEL), st.query_params.get(_TAKES)
    for name in (_MODEL, _TAKES):
        if name in st.query_params:  # else it would undo every later choice
            del st.query_params[name]
    return found


def run_page(page: StreamlitPage) -> None:
    """Run a page's file from ``app.py``."""
    token = _inside_app.set(True)
    try:
        page.run()
    finally:
        _inside_app.reset(token)


def require_app() -> None:
    """Rerun through ``app.py`` if Streamlit started the page's file on its own; every page calls this first.

    Until a process has called ``st.navigation`` once, Streamlit treats a folder named ``pages`` as a classic multipage
    app: it runs ``pages/train.py`` alone, without a sidebar, if ``/train`` is the first address opened.
    """
    if not _inside_app.get():
        navigation()
        st.rerun()
