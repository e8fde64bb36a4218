"""The Data page in a real browser: faces are opened from several places, used, shuffled and read again."""

import json

import pytest
from PIL import Image

from fer_core.data import load
from fer_core.workspace import Workspace, write_json
from tests.browser.app import serve
from tests.browser.conftest import FEW_FACES, settled, take_option, wait_until
from tests.pages.conftest import image_folder

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def own(browser, tmp_path_factory):
    """A server of its own, since the data in use is changed."""
    home = tmp_path_factory.mktemp("data")
    write_json(home / "app.json", {"data": FEW_FACES})
    with serve(home) as running:
        yield running


def wall(page) -> list[str]:
    return [
        str(name) for name in page.locator(".fer-gallery button").evaluate_all("all => all.map((e) => e.ariaLabel)")
    ]


def test_drawn_faces_are_opened_used_and_reshuffled(own, page):
    page.goto(own.page("data"))
    settled(page)
    page.get_by_role("spinbutton", name="How many").fill("700")
    page.keyboard.press("Tab")
    page.get_by_test_id("stFormSubmitButton").get_by_role("button", name="Open").click()
    page.get_by_role("button", name="Use this data").click()
    page.locator(".stMarkdownBadge", has_text="In use").wait_for()
    page.get_by_test_id("stMetricValue").get_by_text("700", exact=True).wait_for()
    settled(page)
    before = wall(page)
    assert before
    page.get_by_role("button", name="Reshuffle").click()
    wait_until(lambda: len(wall(page)) == len(before) and wall(page) != before)
    assert Workspace(own.home).app_state.read_text().count("synthetic:700") == 1


def test_a_folder_is_opened_by_its_path_and_read_again_after_a_face_was_added(own, page, tmp_path):
    folder = image_folder(tmp_path / "my faces")
    count = len(load(str(folder), workspace=Workspace(tmp_path / "other")))
    page.goto(own.page("data"))
    settled(page)
    page.get_by_text("On this machine", exact=True).click()
    page.get_by_role("textbox", name="Path").wait_for()
    settled(page)  # the form of the built-in faces is gone
    page.get_by_role("textbox", name="Path").fill(str(folder))
    page.get_by_test_id("stFormSubmitButton").get_by_role("button", name="Open").click()
    page.get_by_test_id("stMetricValue").get_by_text(str(count), exact=True).first.wait_for()
    settled(page)
    source = next((folder / "train" / "happy").iterdir())
    (folder / "train" / "sad" / "one more.png").write_bytes(source.read_bytes())
    page.get_by_role("button", name="Reload").click()
    page.get_by_test_id("stMetricValue").get_by_text(str(count + 1), exact=True).first.wait_for()


def test_a_file_that_is_no_data_is_refused_in_a_sentence_and_the_page_goes_on(own, page, tmp_path):
    page.goto(own.page("data"))
    settled(page)
    page.get_by_text("Upload", exact=True).last.click()
    settled(page)
    broken = tmp_path / "faces.zip"
    broken.write_bytes(b"not a zip at all")
    page.locator("input[type=file]").set_input_files(str(broken))
    page.get_by_test_id("stAlertContentError").wait_for()
    page.get_by_text("Built-in faces", exact=True).click()
    settled(page)
    page.get_by_test_id("stFormSubmitButton").get_by_role("button", name="Open").click()
    page.get_by_test_id("stMetricValue").first.wait_for()


def test_two_folders_of_one_emotion_are_read_by_their_own_names(own, page, tmp_path):
    for number, name in enumerate(("angry", "anger", "happy")):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for i in range(3):
            Image.new("L", (48, 48), 40 * number + i).save(tmp_path / "mine" / name / f"{i}.png")
    page.goto(own.page("data"))
    settled(page)
    page.get_by_text("On this machine", exact=True).click()
    settled(page)
    page.get_by_role("textbox", name="Path").fill(str(tmp_path / "mine"))
    page.get_by_test_id("stFormSubmitButton").get_by_role("button", name="Open").click()
    page.get_by_text("both mean angry").wait_for()
    page.get_by_role("button", name="Use the folder names as classes").click()
    page.get_by_role("heading", name="mine").wait_for()
    settled(page)


def test_classes_are_merged_renamed_dropped_and_put_back(own, page):
    page.goto(own.page("data"))
    settled(page)
    page.get_by_text("Arrange classes: merge, rename, drop, reorder").click()
    settled(page)

    def choose(box: str, *names: str) -> None:
        for name in names:
            take_option(page, page.get_by_role("combobox", name=box), name)
        page.keyboard.press("Escape")
        settled(page)

    def named(name: str) -> None:
        page.get_by_role("textbox", name="New name").fill(name)
        page.keyboard.press("Tab")
        settled(page)

    def saved() -> list[str]:
        files = list(Workspace(own.home).classes.glob("*.json"))
        maps = json.loads(files[0].read_text())["maps"] if files else []
        return [mapped["name"] for mapped in maps[-1]] if maps else []

    choose("Classes to merge or rename", "happy", "surprise")
    named("positive")
    page.get_by_role("button", name="Merge").click()
    wait_until(lambda: "positive" in saved())
    settled(page)
    choose("Classes to merge or rename", "positive")
    named("good")
    page.get_by_role("button", name="Rename").click()
    wait_until(lambda: "good" in saved())
    settled(page)
    choose("Classes to drop", "fear")
    page.get_by_role("button", name="Drop").click()
    wait_until(lambda: "fear" not in saved())
    assert saved() == ["angry", "disgust", "good", "sad", "neutral"]
    settled(page)
    page.get_by_role("button", name="Reset to the original classes").click()
    wait_until(lambda: saved() == [])
