from __future__ import annotations

import json
import logging
import multiprocessing
import os
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fer_core.cli import main
from fer_core.errors import ConfigError
from fer_core.store import Entry, Store, default_limit, format_size, parse_size
from fer_core.workspace import Workspace

ARRAYS = {"x": np.arange(1000, dtype=np.float32), "names": np.array(["é", "b"])}


def everything(entry: Entry) -> Entry:
    return entry


def used(store: Store, key: str, when: float) -> None:
    os.utime(store.path("features", key), (when, when))


def keys_kept(store: Store, keys: str) -> str:
    return "".join(key for key in keys if store.path("features", key).exists())


def test_what_was_put_comes_back_and_nothing_else_does(workspace):
    store = Store(workspace)
    assert store.put("features", "key", ARRAYS, note=["é", 1, None]) is None
    entry = Store(workspace).get("features", "key", everything)
    assert entry is not None
    assert set(entry.arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(entry.arrays[name], array)
    assert entry.values == {"note": ["é", 1, None]}
    assert store.get("features", "other", everything) is None
    assert store.get("data", "key", everything) is None
    store.remove("features", "key")
    store.remove("features", "key")
    assert store.get("features", "key", everything) is None


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_an_entry_cut_short_is_a_miss_and_removed(workspace, share):
    store = Store(workspace)
    store.put("features", "key", ARRAYS)
    path = store.path("features", "key")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert store.get("features", "key", everything) is None
    assert not path.exists()


def test_a_flipped_bit_is_noticed(workspace):
    store = Store(workspace)
    store.put("features", "key", ARRAYS)
    path = store.path("features", "key")
    content = bytearray(path.read_bytes())
    content[content.index(ARRAYS["x"].tobytes()) + 1234] ^= 16
    path.write_bytes(content)
    assert store.get("features", "key", everything) is None
    assert not path.exists()


def test_an_entry_of_another_key_kind_or_layout_is_not_believed(workspace):
    store = Store(workspace)
    store.put("features", "a", ARRAYS)
    for kind, key in (("features", "b"), ("patterns", "a")):
        place = store.path(kind, key)
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(store.path("features", "a").read_bytes())
        assert store.get(kind, key, everything) is None
        assert not place.exists()
    place = store.path("features", "a")
    with np.load(place) as stored:
        arrays = dict(stored)
    about = json.loads(str(arrays.pop("about")))
    np.savez(place, about=np.array(json.dumps({**about, "layout": about["layout"] + 1})), **arrays)
    assert store.get("features", "a", everything) is None
    assert not place.exists()


def test_nothing_is_unpickled(workspace, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    store = Store(workspace)
    store.put("features", "key", ARRAYS)
    with np.load(store.path("features", "key")) as stored:
        about = stored["about"]
    np.savez(store.path("features", "key"), about=about, x=np.array([Bomb()], dtype=object))
    assert store.get("features", "key", everything) is None
    assert not (tmp_path / "executed").exists()


def test_what_the_reader_cannot_use_counts_as_damage(workspace):
    store = Store(workspace)
    store.put("features", "key", ARRAYS)
    assert store.get("features", "key", lambda entry: entry.arrays["missing"]) is None
    assert not store.path("features", "key").exists()


def test_beyond_the_limit_the_entries_unused_longest_go(workspace):
    store = Store(workspace)
    for key in "abc":
        store.put("features", key, ARRAYS)
    one = store.size().bytes // 3
    for when, key in enumerate("abc"):
        used(store, key, 1000 + when)
    assert store.get("features", "a", everything) is not None  # a hit: now used last
    small = Store(workspace, limit=3 * one + one // 2)
    small.put("features", "d", ARRAYS)
    assert keys_kept(store, "abcd") == "acd"
    store.prune(one)
    assert keys_kept(store, "abcd") == "d"
    store.prune(0)
    assert store.size().entries == 0


def test_of_too_many_entries_the_oldest_go(workspace):
    store = Store(workspace)
    for number in range(5):
        store.put("features", str(number), {"a": np.zeros(10)})
        os.utime(store.path("features", str(number)), (number, number))
    store.prune(entries=2)
    assert [store.path("features", str(n)).exists() for n in range(5)] == [False, False, False, True, True]


def test_what_is_larger_than_the_limit_drives_nothing_else_out(workspace):
    Store(workspace).put("features", "a", ARRAYS)
    size = Store(workspace).size().bytes
    small = Store(workspace, limit=size + 10)
    problem = small.put("features", "big", {"x": np.zeros(100_000)})
    assert problem is not None
    assert "FER_CACHE_LIMIT" in problem
    assert keys_kept(small, "a") == "a"
    assert small.get("features", "big", everything) is None


def test_the_size_is_told_by_kind(workspace):
    store = Store(workspace, limit=10**6)
    assert store.size().to_dict() == {"entries": 0, "bytes": 0, "limit": 10**6, "kinds": {}}
    store.put("features", "a", ARRAYS)
    store.put("features", "b", ARRAYS)
    store.put("experiments", "a", result={"x": 1})
    usage = store.size()
    assert usage.entries == 3
    assert {kind: entries for kind, (entries, _) in usage.kinds.items()} == {"experiments": 1, "features": 2}
    on_disk = sum(path.stat().st_size for path in workspace.cache.rglob("*.npz"))
    assert usage.bytes == on_disk == sum(size for _, size in usage.kinds.values())


def test_entries_of_the_first_layout_go_and_foreign_files_stay(workspace):
    for name in (
        "data/x.npz",
        "evaluations/x.predictions.npz",
        "filters/x.npz",
        "experiments/x.json",
        "out-of-fold/x/status.json",
        "mine/x.txt",
    ):
        path = workspace.cache / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"old")
    store = Store(workspace)
    assert store.get("data", "x", everything) is None
    store.put("features", "a", ARRAYS)
    assert sorted(path.name for path in workspace.cache.iterdir()) == ["mine", "v2"]


def test_what_a_killed_writer_left_goes_and_what_is_being_written_stays(workspace):
    store = Store(workspace)
    store.put("features", "a", ARRAYS)
    left, fresh = (store.path("features", "a").with_name(f".{name}.npz.1234.part") for name in ("left", "fresh"))
    for path in (left, fresh):
        path.write_bytes(b"half")
    os.utime(left, (time.time() - 86_400,) * 2)
    store.prune()
    assert (left.exists(), fresh.exists()) == (False, True)
    assert store.size().entries == 1


def test_a_place_that_cannot_be_written_is_told_of_once_and_costs_only_time(tmp_path, caplog):
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    workspace = Workspace(blocker / "workspace")
    with caplog.at_level(logging.WARNING, "fer_core.store"):
        for _ in range(3):
            store = Store(workspace)
            assert store.put("features", "a", ARRAYS) is not None
            assert store.get("features", "a", everything) is None
            assert store.problem is not None
            assert "FER_HOME" in store.problem
            store.prune()
            assert store.size().entries == 0
    assert len(caplog.records) == 1


def test_a_full_disk_leaves_no_half_entry_and_is_forgotten_once_there_is_room(workspace, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    store = Store(workspace)
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        assert "No space left" in str(store.put("features", "a", ARRAYS))
    assert store.problem is not None
    assert list(store.path("features", "a").parent.iterdir()) == []
    assert store.put("features", "a", ARRAYS) is None
    assert store.problem is None


def _hammer(root: str, number: int, rounds: int) -> None:
    store = Store(Workspace(Path(root)))
    for _ in range(rounds):
        store.put("features", "shared", {"x": np.full(20_000, number)})
        store.prune(200_000)


def test_several_processes_write_read_and_prune_one_entry(workspace):
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_hammer, args=(str(workspace.root), number, 60)) for number in range(2)]
    store, seen = Store(workspace), set()

    def whole(entry: Entry) -> int:
        numbers = np.unique(entry.arrays["x"])
        assert len(numbers) == 1
        return int(numbers[0])

    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        path = store.path("features", "shared")
        try:
            with np.load(path, allow_pickle=False) as stored:  # as get() reads it, but no damage is forgiven
                seen.add(int(stored["x"][0]))
        except FileNotFoundError:
            continue
        except (zipfile.BadZipFile, ValueError, EOFError) as error:
            pytest.fail(f"half an entry was seen: {error}")
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert seen <= {0, 1}
    assert seen
    assert store.get("features", "shared", whole) in (0, 1)


@pytest.mark.parametrize(
    ("text", "size"),
    [("5GB", 5 * 10**9), ("500 mb", 5 * 10**8), ("1.5 GiB", 3 * 2**29), ("1000", 1000), ("0", 0), ("2K", 2000)],
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1GB", "5 GBB", "1e9", "5PB", "GB", "5 i"])
def test_what_is_no_size_is_refused_in_words(text, monkeypatch):
    with pytest.raises(ConfigError, match=r"--to must be a size such as 5GB"):
        parse_size(text, "--to")


def test_sizes_are_written_for_people():
    assert [format_size(n) for n in (0, 999, 1500, 92_000_000, 5 * 10**9)] == ["0 bytes", "999 bytes", "1.5 KB", "92.0 MB", "5.0 GB"]  # fmt: skip


def test_the_limit_comes_from_the_environment(monkeypatch, workspace):
    monkeypatch.delenv("FER_CACHE_LIMIT", raising=False)
    assert default_limit() == 5 * 10**9
    monkeypatch.setenv("FER_CACHE_LIMIT", "2MB")
    assert Store(workspace).limit == 2_000_000
    monkeypatch.setenv("FER_CACHE_LIMIT", "plenty")
    with pytest.raises(ConfigError, match=r"FER_CACHE_LIMIT must be a size .* got 'plenty'"):
        Store(workspace)


def test_the_command_shows_and_prunes(workspace, capsys):
    store = Store(workspace)
    store.put("features", "a", ARRAYS)
    store.put("data", "b", ARRAYS)
    used(store, "a", 1000)
    assert main(["cache", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == store.size().to_dict()
    assert set(shown) == {"entries", "bytes", "limit", "kinds"}
    assert main(["cache"]) == 0
    assert "features" in capsys.readouterr().out
    assert main(["cache", "prune", "--to", str(shown["bytes"] - 1), "--json"]) == 0
    left = json.loads(capsys.readouterr().out)
    assert (left["entries"], left["removed"]) == (1, 1)
    assert left["freed"] == shown["bytes"] - left["bytes"]
    assert main(["cache", "prune", "--to", "lots"]) == 2
    assert "--to must be a size" in capsys.readouterr().err
