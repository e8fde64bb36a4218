"""What the Upload page remembers: files read once, and faces marked by hand."""

from __future__ import annotations

from pages.ui.upload.state import UploadState


class File:
    """As Streamlit hands it over."""

    def __init__(self, file_id: str, name: str) -> None:
        self.file_id, self.name, self.reads = file_id, name, 0

    def getvalue(self) -> bytes:
        self.reads += 1
        return self.name.encode()


def test_a_file_is_read_once_and_forgotten_when_it_is_taken_away():
    state, one, other = UploadState(), File("1", "one.jpg"), File("2", 'the "other".jpg')
    first = state.uploads([one, other])
    assert state.uploads([one, other]) == first
    assert (one.reads, other.reads) == (1, 1)
    assert state.uploads([other]) == first[1:]
    assert state.uploads([one, other])[0] is not first[0]
    assert one.reads == 2


def test_a_quotation_mark_in_a_name_is_one_again():
    (upload,) = UploadState().uploads([File("1", "a %22fine%22 day.jpg")])
    assert upload.name == 'a "fine" day.jpg'


def test_a_face_is_marked_once_in_its_own_photograph_until_all_are_forgotten():
    state = UploadState()
    for box in ((1.0, 2.0, 3.0, 4.0), (1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0)):
        state.mark("a", box)
    assert state.marked("a") == ((1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0))
    assert state.marked("b") == ()
    state.unmark("a")
    state.unmark("b")
    assert state.marked("a") == ()
