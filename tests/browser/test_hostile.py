"""What strangers bring, in a real browser: names that are markup stay text, and what is too large is not even sent."""

from __future__ import annotations

import re
import zipfile

import pytest

from fer_core.images import PHOTO_LIMITS
from fer_core.resources import asset
from fer_core.workspace import Workspace, write_json
from pages.ui.shell.navigation import PAGES
from tests.browser.app import serve
from tests.browser.conftest import settled
from tests.pages.conftest import image_folder
from tests.run_factory import make_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EVIL = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>**bold** [click](javascript:window.owned=1) $x^2$'
ESCAPED = (
    "img[src=x]",
    "a[href^='javascript']",
    "strong:text-is('bold')",
    "script:text-is('window.owned=1')",
    ".katex:has-text('x2')",
)
SHOWS_A_RUN = ("overview", "train", "evaluate", "upload", "webcam", "network")


@pytest.fixture(scope="module")
def evil(browser, tmp_path_factory):
    """The app on a zip with hostile names in it, with runs that have hostile names, notes and errors."""
    folder = tmp_path_factory.mktemp("evil")
    faces = image_folder(folder / "faces", per_class=6)
    source = folder / (re.sub(r"[/\\]", "∕", EVIL)[:120] + ".zip")
    with zipfile.ZipFile(source, "w") as out:
        for number, path in enumerate(sorted(faces.rglob("*.png"))):
            out.write(path, f"{path.parent.relative_to(faces)}/{EVIL.replace('/', '∕')}{number}.png")
    workspace = Workspace(folder / "workspace")
    for state in ("finished", "failed"):
        run = make_run(EVIL[:80], epochs=2, planned=9, state=state, error=EVIL, weights=True, workspace=workspace)
        write_json(run.path / "label.json", {**run.label.to_dict(), "notes": EVIL})
    write_json(workspace.app_state, {"data": str(source), "model": run.id})
    with serve(workspace.root) as server:
        yield server


def nothing_ran(page) -> None:
    assert page.evaluate("window.owned") is None
    for selector in ESCAPED:
        assert page.locator(f"[data-testid=stApp] {selector}").count() == 0, selector


@pytest.mark.parametrize("url", [page.url for page in PAGES])
def test_hostile_names_of_data_runs_notes_and_errors_are_text(evil, page, url):
    page.goto(evil.page(url))
    page.get_by_role("heading", level=1).wait_for()
    settled(page)
    if url in SHOWS_A_RUN:
        assert "onerror" in page.content()
    nothing_ran(page)
    assert page.locator("[data-testid=stException]").count() == 0
    assert not evil.complaints()


def test_a_photograph_that_is_too_large_is_refused_before_it_is_sent(evil, page, tmp_path):
    huge = tmp_path / "huge.jpg"
    with huge.open("wb") as file:
        file.truncate(PHOTO_LIMITS.max_bytes + (1 << 20))
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method != "GET" else None)
    page.goto(evil.page("upload"))
    settled(page)
    page.locator("input[type=file]").first.set_input_files(str(huge))
    page.get_by_text(re.compile("must be .*smaller", re.IGNORECASE)).wait_for()
    settled(page)
    assert sent == []


def test_a_hostile_name_of_a_photograph_is_text(evil, page, tmp_path):
    photo = tmp_path / (EVIL.replace("/", "∕")[:150] + ".jpg")
    photo.write_bytes(asset("samples", "two-portraits.jpg").read_bytes())
    page.goto(evil.page("upload"))
    settled(page)
    page.locator("input[type=file]").first.set_input_files(str(photo))
    page.get_by_text("2 faces").first.wait_for()
    settled(page)
    assert "onerror" in page.content()
    nothing_ran(page)
