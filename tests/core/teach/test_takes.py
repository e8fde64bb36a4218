"""Takes in a workspace: nothing half written, nothing lost, everything deleted can be restored for a while."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import numpy as np
import pytest

from fer_core.errors import ConfigError, DataError, WorkspaceError
from fer_core.store import Store
from fer_core.teach import DEFAULT_CLASSES, TakeStore, check_classes, check_name, list_stores, takes
from tests.teach_factory import draw_take


def faces(n: int = 3, value: int = 0) -> np.ndarray:
    return np.random.default_rng(value).integers(0, 256, (n, 48, 48)).astype(np.uint8)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))


@pytest.fixture
def store(workspace):
    return TakeStore(workspace, "mine", ("smile", "wink"))


def test_nothing_is_on_the_disk_before_the_first_take(workspace, store):
    assert TakeStore(workspace, "other").classes == DEFAULT_CLASSES
    store.add_class("frown")
    store.rename_class("wink", "blink")
    store.remove_class("smile")
    assert store.classes == ("blink", "frown")
    assert store.takes() == ()
    assert store.undo() is None
    assert not workspace.root.exists()


def test_a_take_keeps_its_faces_source_and_reasons(workspace, store):
    taken = faces(4)
    take = store.add("smile", taken, {"blurred": 2, "no face": 0}, "clip.mp4")
    again = TakeStore(workspace, "mine")
    assert again.classes == ("smile", "wink")
    assert again.takes() == (take,)
    assert (take.faces, take.source, take.left_out) == (4, "clip.mp4", {"blurred": 2})
    np.testing.assert_array_equal(again.faces(take), taken)
    assert again.left_out() == {"blurred": 2}
    assert list_stores(workspace) == ("mine",)


def test_a_long_take_is_thinned_evenly_and_says_so(store):
    take = store.add("smile", faces(500))
    assert take.faces == takes.MAX_TAKE_FACES
    assert take.left_out == {"over the limit": 300}
    np.testing.assert_array_equal(store.faces(take)[[0, -1]], faces(500)[[0, -1]])


def test_a_take_without_faces_is_refused_with_the_reasons(store):
    with pytest.raises(DataError, match=r"take of 'smile' has no face that can be used \(no face: 7\)"):
        store.add("smile", faces(0), {"no face": 7})
    assert not store.exists


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("smile", "Smile "), "names of the same class"),
        (("smile", "smile"), "the same name"),
        (("happy", "smile"), "names of the same class"),
        (("only",), "One class was given; 2 to 8"),
        (tuple("abcdefghi"), "9 classes were given; 2 to 8"),
        (("a", ""), "class name is empty"),
        (("a", "b\n"), None),
        (("a", "b\u202ec"), "cannot be printed"),
    ],
)
def test_class_names_are_checked(names, message):
    if message is None:
        assert check_classes(names) == ("a", "b")
        return
    with pytest.raises(DataError, match=message):
        check_classes(names)


@pytest.mark.parametrize(
    "name",
    ["", " ", "a/b", "..", ".hidden", "a\\b", "C:", "con", "NUL.txt", "x" * 61, "a\n", "compact", "-o", "end.", " a", "a:labels"],
)  # fmt: skip
def test_names_that_no_folder_or_model_can_have_are_refused(workspace, name):
    with pytest.raises(ConfigError, match="cannot be the name of a taught model"):
        TakeStore(workspace, name)


@pytest.mark.parametrize("name", ["mine", "my faces 2", "Gesichter", "笑顔", "a.b"])
def test_other_names_are_accepted(name):
    assert check_name(name) == name


def test_a_deleted_face_take_and_class_are_restored_in_reverse_order(store):
    first, second = store.add("smile", faces(3, 1)), store.add("wink", faces(2, 2))
    store.delete_face(first, 1)
    np.testing.assert_array_equal(store.faces(first), faces(3, 1)[[0, 2]])
    store.delete_take(second)
    store.remove_class("smile")
    assert (store.classes, store.takes()) == (("wink",), ())
    assert store.undo() == "Restored the class 'smile' with its takes."
    assert store.undo() == "Restored the take."
    assert store.undo() == "Restored the face."
    assert store.undo() is None
    assert store.classes == ("smile", "wink")
    assert store.takes() == (first, second)


def test_deleting_the_last_face_deletes_the_take(store):
    take = store.add("smile", faces(1))
    store.delete_face(take, 0)
    assert store.takes() == ()
    assert store.undo() == "Restored the take."


def test_a_class_of_the_same_name_does_not_bring_removed_takes_back(store):
    store.add("smile", faces())
    store.add("wink", faces())
    store.remove_class("smile")
    store.add_class("smile")
    assert [take.class_name for take in store.takes()] == ["wink"]
    assert store.undo() is not None
    assert sorted(take.class_name for take in store.takes()) == ["smile", "wink"]


def test_what_was_deleted_long_ago_is_erased_with_the_next_change(workspace, store, monkeypatch):
    first, second = store.add("smile", faces(3, 1)), store.add("wink", faces(2, 2))
    Store(workspace).put("take-features", "any", {"features": np.zeros(3)})
    store.delete_face(first, 1)
    store.delete_take(second)
    assert len(files(store.path)) == 5
    monkeypatch.setattr(takes, "UNDO_SECONDS", 0.0)
    assert not store.can_undo
    assert store.undo() is None
    assert files(store.path) == [f"{first.id}/000000.png", f"{first.id}/000002.png"]
    assert Store(workspace).size().entries == 0
    np.testing.assert_array_equal(store.faces(first), faces(3, 1)[[0, 2]])


def test_renaming_a_class_keeps_its_takes(store):
    take = store.add("smile", faces())
    store.rename_class("smile", "grin")
    assert store.classes == ("grin", "wink")
    assert store.takes("grin")[0].id == take.id
    with pytest.raises(DataError, match="same name"):
        store.rename_class("grin", "wink")
    with pytest.raises(DataError, match="There is no class 'smile'"):
        store.rename_class("smile", "laugh")


def test_classes_with_takes_cannot_be_dropped_by_setting_all_names(store):
    store.add("smile", faces())
    with pytest.raises(DataError, match="'smile' has takes"):
        store.set_classes(("wink", "frown"))
    store.set_classes(("frown", "smile"))
    assert store.classes == ("frown", "smile")


def test_a_take_that_another_window_deleted_is_named(workspace, store):
    take = store.add("smile", faces())
    TakeStore(workspace, "mine").delete_take(take)
    for action in (store.faces, store.delete_take):
        with pytest.raises(DataError, match=r"was deleted. Reload the page"):
            action(take)


def test_two_windows_that_record_at_once_lose_nothing(workspace):
    TakeStore(workspace, "mine", ("smile", "wink")).add("smile", faces())
    errors = []

    def record(name: str) -> None:
        try:
            for value in range(5):
                TakeStore(workspace, "mine").add(name, faces(2, value))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=record, args=(name,)) for name in ("smile", "wink", "wink")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(TakeStore(workspace, "mine").takes()) == 16


@pytest.mark.parametrize(("failing", "after"), [("write_bytes", 2), ("rename", 0)])
def test_a_full_disk_keeps_no_half_take_and_the_takes_before(store, monkeypatch, failing, after):
    before = store.add("smile", faces())
    listed, original, calls = files(store.path), getattr(Path, failing), iter(range(99))

    def fail(self: Path, *arguments: object) -> object:
        if next(calls) >= after:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Path, failing, fail)
        with pytest.raises(WorkspaceError, match=r"nothing of it was kept. Free some space"):
            store.add("wink", faces(5))
    assert store.takes() == (before,)
    assert files(store.path) == listed
    assert not list(store.path.glob(".*.part"))


def test_a_full_disk_at_the_list_of_takes_keeps_no_faces(store, monkeypatch):
    def fail(*arguments: object) -> None:
        raise WorkspaceError("full")

    with monkeypatch.context() as patch:
        patch.setattr(takes, "write_json", fail)
        with pytest.raises(WorkspaceError, match="full"):
            store.add("smile", faces())
    assert not store.path.exists()


def test_a_damaged_list_or_face_is_named(store):
    take = store.add("smile", faces())
    (store.path / take.id / "000001.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"000001.png is missing or damaged"):
        store.faces(take)
    (store.path / "takes.json").write_text('{"classes": 3}')
    with pytest.raises(DataError, match=r"takes.json is damaged"):
        store.takes()


def test_one_take_copied_into_two_classes_is_shown(store):
    taken = draw_take("happy", 0, 6)
    noise = np.random.default_rng(0).integers(-2, 3, taken.shape)
    first = store.add("smile", taken)
    store.add("smile", taken)  # the same class may have it twice
    second = store.add("wink", np.clip(taken + noise, 0, 255).astype(np.uint8))
    store.add("wink", draw_take("surprise", 1, 6))
    found = store.near_duplicates()
    assert {(one.first, one.second) for one in found} >= {(first.id, second.id)}
    assert {(one.first_class, one.second_class) for one in found} == {("smile", "wink")}
    assert all(one.second == second.id and one.share >= 0.5 for one in found)


def test_the_same_person_in_the_same_place_is_no_copy(store):
    """The perceptual hashes of these two takes hardly differ, the mouths and brows do."""
    for name, emotion in (("smile", "happy"), ("wink", "angry")):
        store.add(name, draw_take(emotion, 0, 12, person=3, spread=0.0))
    assert store.near_duplicates() == ()
