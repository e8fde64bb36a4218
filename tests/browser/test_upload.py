"""Photographs looked into, in a real browser."""

import io
import json
import re
import shutil

import av
import numpy as np
import pytest
from PIL import Image

from fer_core.resources import asset
from tests.browser.conftest import downloaded, settled, unfold_cover, wait_until
from tests.paths import PROJECT_ROOT

pytestmark = pytest.mark.browser

REAL = PROJECT_ROOT.parent / "shared" / "data" / "photos"
TWO = [asset("samples", "two-portraits.jpg"), asset("samples", "five-portraits.jpg")]


def open_with(server, page, files):
    page.goto(server.page("upload"))
    settled(page)
    page.locator("input[type=file]").first.set_input_files([str(file) for file in files])
    page.get_by_text(f"All {len(files)} photos").wait_for()
    settled(page)


def test_two_photographs_are_looked_into(server, page):
    open_with(server, page, TWO)
    page.get_by_role("img", name=re.compile("^2 faces: 1 happy")).wait_for()
    page.get_by_text(re.compile("Face 1: happy")).wait_for()
    bars = page.locator(".js-plotly-plot .bars .point")
    seen = bars.count()
    assert seen >= 7

    # the part for covering is folded, and draws its charts when it is unfolded: seven bars twice
    plot = page.get_by_role("figure", name="The face, to drag a rectangle in")
    assert plot.count() == 0
    unfold_cover(page)
    wait_until(lambda: bars.count() >= seen + 14)

    # another class changes the map
    grad_cam = page.get_by_role("img", name=re.compile("^Grad-CAM for"))
    before = grad_cam.get_attribute("src")
    choose(page, "Explain the class", "sad")
    page.get_by_role("img", name="Grad-CAM for sad").wait_for()
    assert grad_cam.get_attribute("src") != before

    # the test of belief runs
    page.get_by_role("button", name=re.compile("Check the Grad-CAM map")).click()
    page.get_by_text(re.compile("With randomized weights")).first.wait_for()

    # a patch dragged over the face moves the bars
    said = page.get_by_text(re.compile("^Still | instead of "))
    first = said.inner_text()
    drag(page, plot.locator(".nsewdrag").first, (0.2, 0.2), (0.8, 0.5))
    wait_until(lambda: said.inner_text() != first)
    top, height = (page.get_by_role("spinbutton", name=name).last for name in ("Top", "Height"))
    assert 7 <= int(top.input_value()) <= 12
    assert 12 <= int(height.input_value()) <= 18

    # folded and unfolded again, it is as it was left
    dragged, moved = [top.input_value(), height.input_value()], said.inner_text()
    page.get_by_text("Cover a part of the face").click()
    plot.wait_for(state="detached")
    settled(page)
    page.get_by_role("img", name="Grad-CAM for sad").wait_for()
    page.get_by_text(re.compile("With randomized weights")).first.wait_for()
    unfold_cover(page)
    assert [top.input_value(), height.input_value()] == dragged
    assert said.inner_text() == moved

    # the other photograph
    choose(page, "Photo", "five")
    page.get_by_role("img", name=re.compile("^5 faces")).wait_for()


def test_what_was_found_is_saved_and_looked_into_by_every_method(server, page):
    page.goto(server.page("upload"))
    page.get_by_role("img", name=re.compile("^5 faces")).wait_for()
    settled(page)
    name, picture = downloaded(page, "Download annotated photo (PNG)")
    assert name == "faces.png"
    with Image.open(io.BytesIO(picture)) as annotated, Image.open(TWO[1]) as photograph:
        assert annotated.size == photograph.size
    name, table = downloaded(page, "Download table (CSV)")
    assert (name, len(table.decode().splitlines())) == ("faces.csv", 6)
    name, found = downloaded(page, "Download predictions (JSON)")
    assert name == "faces.json"
    document = json.loads(found)
    assert [len(photo["faces"]) for photo in document["photos"]] == [5]
    slider = page.get_by_role("slider", name="Sensitivity")
    assert document["sensitivity"] == float(
        slider.evaluate("slider => slider.value ?? slider.getAttribute('aria-valuenow')")
    )

    page.get_by_role("button", name="Compute the slow methods").click()
    page.get_by_role("img", name=re.compile("^Occlusion for")).wait_for()
    settled(page)
    page.get_by_role("button", name="Measure on the whole validation split").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Canceled.").wait_for()
    page.get_by_role("button", name="Measure on the whole validation split").click()
    page.get_by_text(re.compile("validation split: ")).first.wait_for(timeout=180_000)
    settled(page)


def test_a_folder_of_photographs_becomes_a_table_that_grows(server, page, tmp_path):
    folder = tmp_path / "my pictures"
    folder.mkdir()
    shutil.copy(TWO[0], folder)
    (folder / "broken.jpg").write_bytes(b"no picture")
    page.goto(server.page("upload"))
    settled(page)
    page.get_by_text("Folder", exact=True).click()
    page.get_by_role("textbox", name="Folder or photo").fill(str(folder))
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Detect faces").click()
    page.get_by_role("button", name="Check for new photos").wait_for()
    settled(page)
    name, table = downloaded(page, "Download table (CSV)")
    assert name == "faces.csv"
    assert len(table.decode().splitlines()) == 4  # two faces, and the file that is no picture

    shutil.copy(TWO[1], folder)
    page.get_by_role("button", name="Check for new photos").click()
    page.get_by_role("button", name="Resume").click()
    page.get_by_test_id("stMetricValue").get_by_text("7", exact=True).wait_for()
    settled(page)
    page.get_by_role("button", name="Delete earlier results").click()
    page.get_by_role("button", name="Detect faces").wait_for()
    assert page.get_by_role("button", name="Download table (CSV)").count() == 0


def test_a_video_is_followed_and_its_copy_and_table_are_saved(server, page, tmp_path):
    film = tmp_path / "film.mp4"
    face = np.asarray(Image.open(TWO[0]).convert("RGB").resize((640, 480)))
    with av.open(str(film), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for shift in range(10):
            frame = av.VideoFrame.from_ndarray(np.roll(face, 2 * shift, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    page.goto(server.page("upload"))
    settled(page)
    page.get_by_text("Video", exact=True).first.click()
    page.get_by_role("textbox", name="Or a video on this machine").fill(str(film))
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Track faces").click()
    page.get_by_text(re.compile("people tracked")).wait_for()
    settled(page)
    name, copy = downloaded(page, "Download annotated video (MP4)")
    assert name == "film-faces.mp4"
    with av.open(io.BytesIO(copy)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 10
    name, table = downloaded(page.get_by_test_id("stMain"), "Download table (CSV)")
    assert name == "film-faces.csv"
    assert len(table.decode().splitlines()) > 10


def test_a_face_that_was_not_found_is_marked_by_dragging_or_in_numbers(server, page, tmp_path):
    Image.new("RGB", (640, 480), (120, 120, 120)).save(tmp_path / "wall.png")
    page.goto(server.page("upload"))
    settled(page)
    page.locator("input[type=file]").first.set_input_files(str(tmp_path / "wall.png"))
    page.get_by_text("No face was detected").wait_for()
    settled(page)
    page.get_by_role("button", name="Mark", exact=True).click()
    page.get_by_role("img", name=re.compile("^1 face")).wait_for()
    settled(page)
    page.get_by_text("Face missing? Mark it yourself").click()
    page.get_by_role("button", name="Remove the marked faces").click()
    page.get_by_text("No face was detected").wait_for()
    settled(page)
    photograph = page.get_by_role("figure", name="The photo, to drag a rectangle in")
    drag(page, photograph.locator(".nsewdrag").first, (0.3, 0.2), (0.7, 0.8))
    page.get_by_text("Marked by hand.").wait_for()
    page.get_by_role("img", name=re.compile("^1 face")).wait_for()


@pytest.mark.real_data
def test_faces_of_people_are_found(server, page):
    files = sorted(REAL.glob("*.jpg"))[:2]
    if len(files) < 2:
        pytest.skip("the photographs are not here")
    open_with(server, page, files)
    page.get_by_role("img", name=re.compile(r"^\d faces?: 1 ")).wait_for()


def choose(page, name, typed):
    """By keyboard: the option that begins with what is typed, or holds it."""
    page.get_by_role("combobox", name=name).click()
    page.keyboard.type(typed)
    page.wait_for_timeout(300)
    page.keyboard.press("Enter")
    settled(page)


def drag(page, place, start, end):
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    points = [np.array([box["x"], box["y"]]) + np.array(p) * [box["width"], box["height"]] for p in (start, end)]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*(points[0] + points[1]) / 2, steps=4)
    page.mouse.move(*points[1], steps=4)
    page.mouse.up()


def test_the_other_question_is_asked_and_the_first_again(server, page):
    page.goto(server.page("upload"))
    settled(page)
    people = page.get_by_text("predicts how ten people would label a face")
    label = page.get_by_text("predicts the FER2013 label of a face")
    first, second = (people, label) if people.is_visible() else (label, people)
    for now in (second, first):
        page.get_by_role("button", name=re.compile("^Switch to ")).click()
        now.wait_for()
        settled(page)
