"""The Audit page in a real browser: suspect labels are looked for, put right as suggested, listed, exported, taken back."""

import pytest

from fer_core.data import load
from fer_core.data.marks import marks_for
from fer_core.workspace import Workspace, write_json
from tests.browser.app import serve
from tests.browser.conftest import downloaded, settled, wait_until
from tests.pages.conftest import image_folder

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PLANTED = 25


@pytest.fixture(scope="module")
def mislabeled(browser, tmp_path_factory):
    """The app on a folder in which some happy faces lie among the sad ones."""
    folder = image_folder(tmp_path_factory.mktemp("audit") / "faces", per_class=150)
    for path in sorted((folder / "train" / "happy").iterdir())[:PLANTED]:
        path.rename(folder / "train" / "sad" / f"planted-{path.name}")
    workspace = Workspace(tmp_path_factory.mktemp("audit-home"))
    write_json(workspace.app_state, {"data": str(folder)})
    with serve(workspace.root) as server:
        yield server, workspace, load(str(folder), workspace=workspace)


def test_labels_that_are_wrong_are_found_and_put_right_as_suggested(mislabeled, page):
    server, workspace, dataset = mislabeled
    marks = marks_for(dataset, workspace)
    page.goto(server.page("audit"))
    settled(page)
    name, content = downloaded(page, "Download report (HTML)")
    assert name == "audit.html"
    assert b"</html>" in content

    page.get_by_text("Suspect labels", exact=True).click()
    page.get_by_role("button", name="Find suspect labels").click()
    page.get_by_text("most suspect first").wait_for(timeout=300_000)
    settled(page)
    first = page.locator(".fer-gallery button[data-face]").first
    face = int(first.get_attribute("data-face") or "-1")
    assert "planted-" in dataset.ids[face], "the most doubtful label is none of those planted"
    page.locator(".fer-gallery input[type=checkbox]").first.check()
    page.get_by_text("1 face selected.").wait_for()
    page.get_by_role("button", name="Relabel as suggested").click()
    page.get_by_text("marked happy").first.wait_for()
    assert {face: (mark.kind, mark.label) for face, mark in marks.current().items()} == {
        str(dataset.ids[face]): ("wrong_label", "happy")
    }
    settled(page)

    page.get_by_text("Marks", exact=True).click()
    page.get_by_text("1 face of").wait_for()
    name, table = downloaded(page, "Download marks (CSV)")
    assert name == "marks.csv"
    assert b"planted-" in table
    rows = page.get_by_test_id("stDataFrame").locator("canvas").first
    box = rows.bounding_box()
    # The tick of the first row; the table is drawn, not made of parts.
    page.mouse.click(box["x"] + 16, box["y"] + 35 + 17)
    page.get_by_role("button", name="Remove selected marks").click()
    page.get_by_text("No marks yet").wait_for()
    wait_until(lambda: not marks.current())
    assert not server.complaints()
