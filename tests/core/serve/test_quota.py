"""The space of a user: counted, kept under the quota, the oldest cache first."""

import os

import numpy as np
import pytest

from fer_core.errors import QuotaError
from fer_core.serve import quota
from fer_core.serve.quota import Quotas, delete_kind, measure
from fer_core.serve.settings import ServeSettings
from fer_core.serve.users import Users
from fer_core.store import Store
from fer_core.workspace import Workspace

SETTINGS = ServeSettings(user_bytes=10**6, user_files=20)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def user(workspace):
    return Users(workspace).user("https://id.example.org", "anna")


@pytest.fixture
def clock():
    return Clock()


def write(user, name, size):
    path = user.workspace.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))


def fill_cache(user, entries, size):
    store = Store(user.workspace)
    for number in range(entries):
        store.put("features", str(number), {"a": np.zeros(size, np.uint8)})
        os.utime(store.path("features", str(number)), (number, number))
    return store


def test_every_file_counts_by_its_folder(user):
    write(user, "uploads/a.zip", 1000)
    write(user, "runs/one/last.ckpt", 500)
    write(user, "runs/one/log.txt", 10)
    write(user, "app.json", 5)
    found = measure(user.workspace)
    assert (found.bytes, found.files) == (1515, 4)
    assert found.kinds == {"uploads": (1, 1000), "runs": (2, 510), "": (1, 5)}
    assert measure(Workspace(user.workspace.root / "nowhere")).files == 0


def test_links_are_counted_but_not_followed(user, tmp_path):
    (tmp_path / "big").write_bytes(bytes(10**6))
    write(user, "uploads/a", 1)
    (user.workspace.uploads / "link").symlink_to(tmp_path / "big")
    (user.workspace.uploads / "folder").symlink_to(tmp_path)
    found = measure(user.workspace)
    assert found.files == 3
    assert found.bytes < 10_000


def test_what_fits_is_allowed_and_counts_at_once(user, clock):
    quotas = Quotas(clock)
    quotas.require(user, SETTINGS, 600_000)
    write(user, "uploads/first", 600_000)  # of two windows of a user, the second knows what the first writes
    with pytest.raises(QuotaError):
        quotas.require(user, SETTINGS, 600_000)


def test_a_refusal_says_how_full_it_is_and_what_to_do(user, clock):
    write(user, "uploads/a", 900_000)
    with pytest.raises(QuotaError) as refused:
        Quotas(clock).require(user, SETTINGS, 200_000, what="this upload")
    for words in ("900.0 KB of 1.0 MB", "this upload needs 200.0 KB", "Account"):
        assert words in str(refused.value)


def test_too_many_files_are_refused_too(user, clock):
    for number in range(20):
        write(user, f"marks/{number}", 1)
    with pytest.raises(QuotaError, match="20 of at most 20 files"):
        Quotas(clock).require(user, SETTINGS, 1)


def test_the_oldest_cache_goes_before_anything_is_refused(user, clock):
    store = fill_cache(user, 8, 100_000)
    write(user, "uploads/a", 100_000)
    Quotas(clock).require(user, SETTINGS, 300_000)
    left = [store.path("features", str(n)).exists() for n in range(8)]
    assert left == [False] * 3 + [True] * 5
    assert (user.workspace.uploads / "a").exists()


def test_cache_entries_go_when_there_are_too_many_files(user, clock):
    store = fill_cache(user, 15, 10)
    for number in range(5):
        write(user, f"marks/{number}", 1)
    Quotas(clock).require(user, SETTINGS, 1, adding_files=2)
    assert store.size().entries == 13
    assert not store.path("features", "1").exists()


def test_nothing_but_cache_is_deleted_for_space(user, clock):
    fill_cache(user, 2, 1000)
    write(user, "runs/one/last.ckpt", 999_000)
    with pytest.raises(QuotaError):
        Quotas(clock).require(user, SETTINGS, 500_000)
    assert (user.workspace.runs / "one" / "last.ckpt").exists()
    assert Store(user.workspace).size().entries == 0


def test_a_measurement_is_used_for_seconds_only(user, clock):
    quotas = Quotas(clock)
    assert quotas.usage(user).bytes == 0
    write(user, "uploads/a", 10)
    assert quotas.usage(user).bytes == 0
    clock.now = 11
    assert quotas.usage(user).bytes == 10
    write(user, "uploads/b", 10)
    quotas.changed(user)
    assert quotas.usage(user).bytes == 20


def test_a_full_measurement_is_checked_before_it_refuses(user, clock):
    write(user, "uploads/a", 900_000)
    quotas = Quotas(clock)
    quotas.usage(user)
    (user.workspace.uploads / "a").unlink()
    quotas.require(user, SETTINGS, 500_000)


def test_the_space_left_includes_the_cache_that_would_go(user, clock):
    fill_cache(user, 1, 100_000)
    write(user, "uploads/a", 400_000)
    assert Quotas(clock).left(user, SETTINGS) == 600_000


def test_cache_that_grew_over_the_quota_is_trimmed(user, clock, workspace):
    quotas = Quotas(clock)
    quotas.usage(user)
    fill_cache(user, 12, 100_000)
    clock.now = 30
    quotas.trim(Users(workspace).by_key, SETTINGS)
    assert measure(user.workspace).bytes <= SETTINGS.user_bytes


def test_the_share_is_of_what_is_fuller(user):
    assert quota.Usage(500_000, 5).share(SETTINGS) == 0.5
    assert quota.Usage(0, 15).share(SETTINGS) == 0.75
    assert quota.Usage(10**9, 5).share(SETTINGS) == 1.0


def test_only_some_folders_can_be_deleted_as_a_whole(user):
    write(user, "uploads/a", 1)
    write(user, "runs/one/config.json", 1)
    delete_kind(user.workspace, "uploads")
    assert not user.workspace.uploads.exists()
    for kind in ("runs", "..", ""):
        with pytest.raises(ValueError, match="is not one of"):
            delete_kind(user.workspace, kind)
    assert (user.workspace.runs / "one" / "config.json").exists()
