from __future__ import annotations

import pytest

from fer_core.data.sources.layouts.class_folders import sort_into_classes
from fer_core.data.sources.layouts.labeled import LabeledImages
from fer_core.errors import DataError


def read(*directories: str, how="auto") -> LabeledImages:
    """Two images in each directory."""
    found = sort_into_classes(
        [f"{d}/{i}.png" if d else f"{i}.png" for d in directories for i in range(2)], how, "faces"
    )
    assert found is not None
    return found


def classes_of(found: LabeledImages) -> dict[str, str]:
    """Class of each directory."""
    return {name.rpartition("/")[0]: found.classes[label] for name, label in found.labels.items()}


def groups_of(found: LabeledImages) -> dict[str, str]:
    return {name.rpartition("/")[0]: group for name, group in found.groups.items()}


@pytest.mark.parametrize(
    ("directories", "classes"),
    [
        (["sad", "happy"], ["happy", "sad"]),
        (["Sadness", "ANGER", "joy"], ["angry", "happy", "sad"]),
        (["contempt", "surprise", "disgust"], ["disgust", "surprise", "contempt"]),
        (["smile", "frown", "Wink"], ["frown", "smile", "Wink"]),
        (["smirk", "frown", "Wink"], ["frown", "smirk", "Wink"]),
        (["0", "1", "10", "2"], ["0", "1", "10", "2"]),
    ],
)
def test_emotions_have_the_order_of_fer2013_and_other_names_are_sorted_without_case(directories, classes):
    found = read(*directories)
    assert list(found.classes) == classes
    assert found.groups == {}


@pytest.mark.parametrize(
    ("directory", "label"),
    [
        ("anger", "angry"),
        ("CK+48/Happiness", "happy"),
        ("train/Sadness/subject 5", "sad"),
        ("contempt", "contempt"),
        ("happy faces", None),
        ("", None),
    ],
)
def test_the_emotion_is_told_by_the_folder_in_any_of_its_names(directory, label):
    found = read(directory, "fear", "disgust", how="emotions")
    assert classes_of(found).get(directory) == label
    assert (len(found.excluded) == 2) == (label is None)


def test_a_file_under_two_emotions_is_refused():
    for how in ("auto", "emotions"):
        with pytest.raises(DataError, match="name two emotions, happy and sad"):
            read("sad/happy", "fear", how=how)
    assert classes_of(read("sad/happy", "fear", how="folders")) == {"sad/happy": "sad", "fear": "fear"}


@pytest.mark.parametrize(
    "directories",
    [
        ["on", "off"],
        ["archive/on", "archive/off"],
        ["archive/data/on", "archive/data/off"],
        ["train/on", "train/off", "test/on", "test/off"],
        ["archive/train/on", "archive/train/off", "archive/test/on"],
        ["on/train", "off/train", "on/test", "off/test"],
        ["train/images/on", "train/images/off", "val/images/on", "val/images/off"],
        ["on/2019", "off/2019"],
        ["on/2019", "off/2020", "off/2021"],
        ["on/a/b", "off/a/b"],
        ["on", "on/2019", "on/2020", "off", "off/2019", "off/2020"],
    ],
)
def test_classes_are_the_folders_under_the_root_or_a_split(directories):
    found = read(*directories)
    assert list(found.classes) == ["off", "on"]
    assert all(label in directory.split("/") for directory, label in classes_of(found).items())
    assert found.groups == {}
    assert found.notes == ()


@pytest.mark.parametrize(
    "directories",
    [
        ["anna/on", "anna/off", "ben/on", "ben/off"],
        ["archive/anna/on", "archive/anna/off", "archive/ben/on", "archive/ben/off"],
        ["train/anna/on", "train/anna/off", "test/ben/on", "test/ben/off"],
        ["anna/train/on", "anna/test/off", "ben/on", "ben/off"],
        ["anna/on/2019", "anna/off/2020", "ben/on/x", "ben/off"],
        ["anna/On", "anna/off", "ben/on", "ben/OFF"],
    ],
)
def test_the_same_names_under_every_folder_make_the_upper_level_persons(directories):
    found = read(*directories)
    assert [name.lower() for name in found.classes] == ["off", "on"]
    for directory, person in groups_of(found).items():
        assert person in ("anna", "ben")
        assert person in directory.split("/")
    assert len(found.groups) == 2 * len(directories)
    assert found.notes == (
        f"Persons or sessions: 2 folders ('anna', 'ben'); classes: the folders in them "
        f"({', '.join(found.classes)}). If the upper folders are the classes, give the folders in them different names.",
    )


def test_folders_above_emotions_are_persons_even_if_each_has_others():
    found = read("anna/happy", "ben/sad", "studio/carl/Joy", "fear")
    assert classes_of(found) == {"anna/happy": "happy", "ben/sad": "sad", "studio/carl/Joy": "happy", "fear": "fear"}
    assert groups_of(found) == {"anna/happy": "anna", "ben/sad": "ben", "studio/carl/Joy": "studio/carl"}


@pytest.mark.parametrize("upper", ["{light}/{who}", "{who}/{light}"])
def test_of_persons_and_sessions_the_level_with_the_most_names_counts(upper):
    directories = [
        f"{upper.format(light=light, who=who)}/{emotion}"
        for light in ("strong", "weak")
        for who in ("P1", "P2", "P3")
        for emotion in ("happy", "sad")
    ]
    found = read(*directories)
    assert set(found.groups.values()) == {"P1", "P2", "P3"}
    assert all(group in directory for directory, group in groups_of(found).items())


def test_a_person_who_lacks_a_class_makes_persons_classes_and_it_is_said():
    found = read("anna/on", "anna/off", "ben/on", "ben/off", "carl/on")
    assert list(found.classes) == ["anna", "ben", "carl"]
    assert found.notes == (
        "The top folders are the classes ('anna', 'ben', 'carl'). As persons, each would have to contain the same "
        "folders; 'carl' has no 'off'.",
    )
    with pytest.raises(DataError, match=r"There are 101 classes.*'p100' has no 'on'"):
        read(*(f"p{i:03}/{name}" for i in range(101) for name in ("on", "off") if (i, name) != (100, "on")))
    assert read("on/2019", "on/2020", "off/2019", "off/x").notes == ()


def test_persons_with_own_names_of_which_some_are_emotions():
    found = read("anna/happy", "anna/tired", "ben/happy", "ben/tired")
    assert list(found.classes) == ["happy", "tired"]
    assert set(found.groups.values()) == {"anna", "ben"}


@pytest.mark.parametrize("how", ["auto", "folders"])
def test_emotions_with_equal_folders_below_are_classes(how):
    found = read("happy/2019", "happy/2020", "sad/2019", "sad/2020", how=how)
    assert list(found.classes) == ["happy", "sad"]
    assert found.groups == {}


@pytest.mark.parametrize("how", ["auto", "emotions", "folders"])
def test_initials_are_persons_and_not_short_names_of_emotions(how):
    found = read("an/happy", "an/sad", "ha/happy", "ha/sad", how=how)
    assert list(found.classes) == ["happy", "sad"]
    assert set(found.groups.values()) == {"an", "ha"}


def test_a_person_called_joy_is_a_person():
    found = read("joy/happy", "joy/sad", "anna/happy", "anna/sad")
    assert classes_of(found)["joy/sad"] == "sad"
    assert set(found.groups.values()) == {"anna", "joy"}


@pytest.mark.parametrize(
    ("directories", "classes", "excluded"),
    [
        (["data/train/happy", "data/train/sad", "data/docs"], {"happy", "sad"}, {"data/docs"}),
        (["faces/s1/a/happy", "faces/s1/b/sad", "faces/s2/a/happy", "plots", "faces"], {"happy", "sad"}, {"plots", "faces"}),
        (["s1/happy/day 1", "s1/sad/day 2", "s2/happy/day 1", "s2/sad"], {"happy", "sad"}, set()),
        (["train_set/x/happy", "Val-Set/x/sad", "test data/x/happy"], {"happy", "sad"}, set()),
        (["s1/happy", "s1/sad", "s1/bored", "s2/happy", "s2/sad", "readme"], {"bored", "happy", "sad"}, {"readme"}),
    ],
)  # fmt: skip
def test_the_level_of_the_emotions_is_found_whatever_is_above_below_or_beside(directories, classes, excluded):
    found = read(*directories)
    assert set(found.classes) == classes
    assert {name.rpartition("/")[0] for name in found.excluded} == excluded


def test_a_few_emotions_among_many_other_images_are_not_the_classes():
    found = read("on", "off/happy", "off/sad", "off/x", "on/a", "on/b")
    assert list(found.classes) == ["off", "on"]


def test_reading_folders_keeps_the_names_of_emotions_as_they_are():
    assert list(read("Sadness", "happiness", "Anger", how="folders").classes) == ["Anger", "happiness", "Sadness"]


def test_a_few_strangers_among_emotions_are_named_as_the_reason():
    found = read("happy", "Sadness", "fear", "plots", "selfies")
    assert list(found.classes) == ["fear", "happy", "plots", "Sadness", "selfies"]
    assert found.notes[0].startswith("Not all folders name an emotion ('plots', 'selfies' do not)")
    assert "--classes emotions" in found.notes[0]
    assert read("happy", "tired", "bored").notes == ()
    assert read("happy", "fear", "plots", how="folders").notes == ()


def test_images_at_the_top_level_are_left_out():
    found = read("", "archive", "archive/on", "archive/off", "archive/train")
    assert list(found.classes) == ["off", "on"]
    assert found.excluded == tuple(f"{d}{i}.png" for d in ("", "archive/", "archive/train/") for i in range(2))
    assert sort_into_classes(["a.png", "train/b.png"], "auto", "faces") is None


@pytest.mark.parametrize("names", [("happy", "joy"), ("Happiness", "joy")])
def test_two_folders_of_one_emotion_side_by_side_stay_apart(names):
    found = read(*names, "Sadness")
    assert found.by_emotion
    assert list(found.classes) == [*names, "sad"]


def test_two_names_of_one_emotion_in_two_splits_or_of_two_persons_are_one_class():
    assert list(read("train/Happy", "test/joy", "train/sad").classes) == ["happy", "sad"]
    assert list(read("anna/Happy", "ben/joy", "anna/sad").classes) == ["happy", "sad"]
    assert list(read("train/On", "test/on", "train/off").classes) == ["off", "On"]


@pytest.mark.parametrize("pair", [("Happy", "happy"), ("On", "on"), ("caf\u00e9", "cafe\u0301"), ("on", "on ")])
@pytest.mark.parametrize("how", ["auto", "folders"])
def test_two_folders_side_by_side_that_are_equal_but_for_case_or_form_are_refused(pair, how):
    with pytest.raises(DataError, match="differ only in case") as caught:
        read(*pair, "other", how=how)
    assert all(f"'{name}'" in str(caught.value) for name in pair)


@pytest.mark.parametrize("count", [2, 3, 8, 40, 100])
def test_from_two_to_a_hundred_classes(count):
    assert len(read(*(f"class {i}" for i in range(count))).classes) == count


def test_one_class_and_more_than_a_hundred_are_refused_in_words():
    with pytest.raises(
        DataError,
        match=r"faces: There is one class \('on'\).*the folders 'on'\. Put the faces of each class into their own folder",
    ):
        read("on", "")
    with pytest.raises(DataError, match=r"There are 101 classes.*'0', '1', '10' and 98 more"):
        read(*map(str, range(101)))


def test_hostile_names():
    names = ["<b>x", "**x**", ":red[x]", "$x$", "`x`", "=1+1", "😀", "שמח", "a" * 80]
    assert set(read(*names).classes) == set(names)
    assert list(read("a\x07b", "c").classes) == ["a\\u0007b", "c"]
    with pytest.raises(DataError, match="has 200 characters; the maximum is 80"):
        read("x" * 200, "y")
    with pytest.raises(DataError, match="name is empty"):
        read(" ", "y")
