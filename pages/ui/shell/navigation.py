"""All pages in one table. A new page is a file in ``pages/`` that begins with :func:`through_app`, and one line here."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import streamlit as st

from fer_core.resources import app_folder

if TYPE_CHECKING:
    from streamlit.navigation.page import Page as StreamlitPage


@dataclass(frozen=True)
class Page:
    """One line of the table.

    Attributes:
        file: path from the project's root; also what ``st.page_link`` and ``st.switch_page`` take.
        title: name in the sidebar and in the browser's tab.
        icon: a Material symbol.
        section: heading in the sidebar.
        what: what can be done there, for the Overview page.
    """

    file: str
    title: str
    icon: str
    section: str
    what: str

    @property
    def url(self) -> str:
        """The last part of the page's address."""
        return self.file.removeprefix("pages/").removesuffix(".py").replace("_", "-")


PAGES: Final[tuple[Page, ...]] = (
    Page("pages/overview.py", "Overview", ":material/home:", "Start", "What is loaded, and the runs so far."),
    Page("pages/data.py", "Data", ":material/photo_library:", "Start", "Bring faces, count them and look at them."),
    Page("pages/train.py", "Train", ":material/model_training:", "Model", "Train a network and watch it learn."),
    Page(
        "pages/evaluate.py",
        "Evaluate",
        ":material/grid_on:",
        "Study",
        "See what a model confuses, and the faces behind it.",
    ),
    Page("pages/audit.py", "Audit", ":material/fact_check:", "Study", "Copies, leaks and wrong labels in the data."),
    Page(
        "pages/upload.py",
        "Upload",
        ":material/add_photo_alternate:",
        "Faces",
        "Drop in photographs and see what the network sees.",
    ),
    Page("pages/webcam.py", "Webcam", ":material/videocam:", "Faces", "Watch expressions live."),
    Page(
        "pages/network.py",
        "Inside the network",
        ":material/layers:",
        "Learn",
        "Layers, weights, activations, and what each filter looks for.",
    ),
    Page(
        "pages/experiments.py",
        "Experiments",
        ":material/science:",
        "Learn",
        "Break something on purpose, and see what it does.",
    ),
    Page("pages/derivations.py", "Derivations", ":material/function:", "Learn", "The mathematics, checked live."),
)


class UploadWay(StrEnum):
    """A way to bring faces to the Upload page; its value stands in addresses: ``/upload?way=video``."""

    PHOTOS = "photos"
    SNAPSHOT = "snapshot"
    FOLDER = "folder"
    VIDEO = "video"


PHOTO_PAGES: Final = ("upload", "webcam")
"""Addresses of the pages about people's own pictures; see :func:`pages.ui.shell.cache.photo_model`."""
_WAY: Final = "way"  # in addresses
_inside_app: ContextVar[bool] = ContextVar("inside_app", default=False)


def pages() -> Iterator[Page]:
    """The lines whose file exists."""
    return (page for page in PAGES if (app_folder() / page.file).is_file())


def navigation() -> StreamlitPage:
    """Tell Streamlit the pages; the first one is the one that opens.

    They get no icon here and Streamlit draws no menu: it would make each icon the tab's picture, which the browser
    fetches from a server of Google's. :func:`menu` draws the icons from the font that Streamlit brings along.
    """
    entries = [
        st.Page(page.file, title=page.title, url_path=page.url, default=number == 0)
        for number, page in enumerate(pages())
    ]
    return st.navigation(entries, position="hidden")


def menu() -> None:
    """The links to all pages, by section."""
    sections: dict[str, list[Page]] = {}
    for page in pages():
        sections.setdefault(page.section, []).append(page)
    for name, entries in sections.items():
        with st.container(gap="xxsmall"):
            st.caption(name)
            for page in entries:
                st.page_link(page.file, label=page.title, icon=page.icon, width="stretch")


def upload_link(way: UploadWay, label: str, icon: str) -> None:
    """A link to one of the ways into the Upload page."""
    st.page_link("pages/upload.py", label=label, icon=icon, query_params={_WAY: way.value})


def asked_upload_way() -> UploadWay:
    """The way that the address asks for; photographs where it asks for none."""
    asked = st.query_params.get(_WAY)
    return UploadWay(asked) if asked in set(UploadWay) else UploadWay.PHOTOS


def run_page(page: StreamlitPage) -> None:
    """Run a page's file from ``app.py``."""
    token = _inside_app.set(True)
    try:
        page.run()
    finally:
        _inside_app.reset(token)


def through_app() -> None:
    """First line of every page: when the file was started by itself, begin again through ``app.py``.

    Until ``st.navigation`` has been called once in a process, Streamlit takes a folder named ``pages`` for its older
    kind of app and runs ``pages/train.py`` alone, without sidebar, when ``/train`` is the first address opened after
    the server started.
    """
    if not _inside_app.get():
        navigation()
        st.rerun()
