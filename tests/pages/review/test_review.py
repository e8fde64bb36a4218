"""Marks are read once for a draw, and damaged ones keep nobody from looking at faces."""

from __future__ import annotations

import pytest

from fer_core.data.marks import Marks, marks_for
from fer_core.errors import DataError
from pages.ui.review.review import read_review
from pages.ui.shell import session
from tests.factories import make_dataset

DATA = make_dataset()


@pytest.fixture
def journal(workspace):
    return marks_for(DATA, session.workspace())


def test_a_mark_stands_at_its_face_and_in_its_caption(journal):
    journal.add([str(DATA.ids[3])], "wrong_label", "happy")
    journal.add([str(DATA.ids[5])], "not_a_face")
    review = read_review(DATA)
    assert set(review.marks) == {3, 5}
    assert review.caption(3, "sad") == "sad · marked happy"
    assert review.caption(5, "sad") == "sad · marked not a face"
    assert review.caption(4, "sad") == "sad"
    review.check()
    assert review.problem is None


def test_a_damaged_journal_shows_no_marks_and_is_told_of_where_marks_are_edited(journal):
    journal.path.parent.mkdir(parents=True, exist_ok=True)
    journal.path.write_text("not a mark\nnor this\n")
    review = read_review(DATA)
    assert review.marks == {}
    with pytest.raises(DataError, match="is not a mark"):
        review.check()


def test_marks_of_other_data_are_told_of_with_their_file(journal):
    journal.add(["nobody"], "ambiguous")
    with pytest.raises(DataError, match=f"{journal.path.name} name faces that are not in"):
        read_review(DATA).check()


def test_a_draw_reads_the_journal_once(journal, monkeypatch):
    journal.add([str(DATA.ids[0])], "ambiguous")
    reads = []
    plain = Marks.current
    monkeypatch.setattr(Marks, "current", lambda self: reads.append(1) or plain(self))
    review = read_review(DATA)
    for index in range(20):
        review.caption(index, "face")
    review.check()
    assert reads == [1]
