"""Users of a shared server and their workspaces."""

import pytest

from fer_core.serve.users import Users, is_user_key, user_key
from fer_core.workspace import Workspace


def test_issuer_and_subject_together_name_a_user():
    keys = {user_key(issuer, subject) for issuer, subject in [("a", "bc"), ("ab", "c"), ("a", "b"), ("b", "a")]}
    assert len(keys) == 4
    assert all(is_user_key(key) for key in keys)
    assert user_key("a", "bc") == user_key("a", "bc")


def test_each_user_has_a_workspace_below_the_operators(tmp_path):
    users = Users(Workspace(tmp_path))
    one, two = users.user("https://id.example", "1"), users.user("https://id.example", "2")
    assert one.workspace.root == tmp_path / "users" / one.key
    assert one.workspace != two.workspace
    assert not list(tmp_path.iterdir())


def test_users_who_wrote_something_are_listed(tmp_path):
    users = Users(Workspace(tmp_path))
    assert list(users) == []
    one = users.user("https://id.example", "1")
    one.workspace.uploads.mkdir(parents=True)
    (tmp_path / "users" / "lost+found").mkdir()
    assert list(users) == [one]


@pytest.mark.parametrize("key", ["", "..", "../x", "A" * 32, "0" * 31, "0" * 33, "0" * 31 + "/"])
def test_nothing_else_is_a_key(tmp_path, key):
    with pytest.raises(ValueError, match="not the key of a user"):
        Users(Workspace(tmp_path)).by_key(key)
