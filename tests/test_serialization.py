"""The file: what is written is read, whatever is damaged is a ValueError, and there is always a whole one."""

import json
import os
import random
import stat
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from tinynet import serialization
from tinynet.serialization import DEEPEST, TYPES, Reader, parse, replacing, write

ARRAYS = {"dense/kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "dense/bias": np.full(3, np.nan),
          "count": np.array(7, np.int64), "none": np.zeros((0, 4), np.float32), "flags": np.array([True, False])}
TREE = {"format": 1, "text": 'a "quoted" {text', "list": [1, 2.5, None, {"deep": [True]}]}


def raw(header, data=b"", length=None):
    """Return the bytes of a file with that header, a dictionary or bytes."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(header) if length is None else length).to_bytes(8, "little") + header + data


def test_what_is_written_is_read(tmp_path):
    write(tmp_path / "a.safetensors", TREE, ARRAYS)
    with Reader(tmp_path / "a.safetensors") as file:
        assert file.tree == TREE
        assert file.arrays == {name: (array.dtype, array.shape) for name, array in ARRAYS.items()}
        for name, array in ARRAYS.items():
            read = file.read(name)
            np.testing.assert_array_equal(read, array)
            assert read.dtype == array.dtype and read.flags.writeable
        with pytest.raises(ValueError, match="not there, or no more. Received: 'count'"):
            file.read("count")


def test_other_programs_read_it_and_theirs_is_read(tmp_path):
    write(tmp_path / "a.safetensors", TREE, ARRAYS)
    for name, array in load_file(tmp_path / "a.safetensors").items():
        np.testing.assert_array_equal(array, ARRAYS[name])
    save_file({"w": ARRAYS["dense/kernel"]}, tmp_path / "b.safetensors", {"format": "np"})
    with Reader(tmp_path / "b.safetensors") as file:
        assert file.tree is None
        np.testing.assert_array_equal(file.read("w"), ARRAYS["dense/kernel"])


def test_the_same_content_is_the_same_file(tmp_path):
    for name in "ab":
        write(tmp_path / f"{name}.safetensors", TREE, ARRAYS)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3).T, np.arange(10)[::-2], np.arange(3, dtype=">f4")])
def test_arrays_may_lie_anyhow(tmp_path, array):
    write(tmp_path / "a.safetensors", {}, {"x": array})
    with Reader(tmp_path / "a.safetensors") as file:
        np.testing.assert_array_equal(file.read("x"), array)


@pytest.mark.parametrize("path", ["model", "model.keras", "model.safetensors.bak"])
def test_another_suffix_is_refused(tmp_path, path):
    with pytest.raises(ValueError, match=f"ends in '.safetensors'.*Received: '.*{path}'"):
        write(tmp_path / path, {}, {})
    assert list(tmp_path.iterdir()) == []


def test_what_json_does_not_know_replaces_nothing(tmp_path):
    path = tmp_path / "a.safetensors"
    write(path, {"old": 1}, {})
    deep = []
    for _ in range(DEEPEST):
        deep = [deep]
    for tree in ({"x": float("nan")}, {"x": deep}):
        with pytest.raises(ValueError):
            write(path, tree, {})
    with Reader(path) as file:
        assert file.tree == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]


# In its place whole, or not at all.

def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), replacing(path) as temporary:
            assert temporary.parent == path.parent
            temporary.write_text("half of the new")
            raise error
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_on_the_disk_before_the_name_changes(tmp_path, monkeypatch):
    path, events = tmp_path / "a.txt", []
    path.write_text("old")
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor):
        events.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def note_replace(*paths):
        assert path.read_text() == "old"
        events.append("rename")
        replace(*paths)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert events == ["file", "rename", "folder"] if os.name == "posix" else ["file", "rename"]


@pytest.mark.skipif(os.name != "posix", reason="folders are opened on POSIX only")
def test_a_folder_that_cannot_be_opened_or_synced_holds_the_file_all_the_same(tmp_path, monkeypatch):
    opened = os.open

    def refuse(path, flags, *mode):
        if flags == os.O_RDONLY:
            raise PermissionError(path)
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", refuse)
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a.txt").read_text() == "new"


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX'")
def test_permissions_are_those_of_the_mask_or_of_the_old_file(tmp_path):
    path = tmp_path / "a.safetensors"
    before = os.umask(0o027)
    try:
        write(path, TREE, ARRAYS)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o604)
        write(path, TREE, ARRAYS)
        assert stat.S_IMODE(path.stat().st_mode) == 0o604
    finally:
        os.umask(before)


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "folder").mkdir()
    link, target = tmp_path / "a.safetensors", tmp_path / "folder" / "b.safetensors"
    link.symlink_to(target)
    write(link, TREE, {})
    assert link.is_symlink() and target.is_file()
    assert [path.name for path in target.parent.iterdir()] == ["b.safetensors"]


def test_errors_of_the_system_are_its_own(tmp_path):
    with pytest.raises(FileNotFoundError):
        Reader(tmp_path / "a.safetensors")
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "folder" / "a.safetensors", {}, {})
    (tmp_path / "b.safetensors").mkdir()
    with pytest.raises(OSError):
        write(tmp_path / "b.safetensors", {}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["b.safetensors"]


# What is wrong with files.

ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
WRONG = {
    "nothing": b"",
    "a short length": b"\x10\0\0",
    "a header beyond the end": raw({}, length=3),
    "a length of 2**64 - 1": raw({}, length=2**64 - 1),
    "an empty header": raw(b""),
    "no JSON": raw(b"{'a': 1}"),
    "a cut JSON": raw(b'{"a": '),
    "bytes that are no text": raw(b'{"\xff": 1}'),
    "a list": raw([]),
    "a name twice": raw(b'{"a": %b, "a": %b}' % ((json.dumps(ENTRY).encode(),) * 2), bytes(8)),
    "NaN": raw(b'{"__metadata__": {"a": NaN}}'),
    "deep lists": raw(b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "a long integer": raw(b'{"a": ' + b"9" * 5000 + b"}"),
    "metadata that is no text": raw({"__metadata__": {"a": 1}}),
    "metadata that is no dictionary": raw({"__metadata__": "a"}),
    "our dictionary as a list": raw({"__metadata__": {"tinynet": "[]"}}),
    "our dictionary cut": raw({"__metadata__": {"tinynet": "{"}}),
    "our dictionary deep": raw({"__metadata__": {"tinynet": "[" * 5000}}),
    "an entry that is none": raw({"a": [1]}, bytes(8)),
    "an entry with more": raw({"a": ENTRY | {"more": 1}}, bytes(8)),
    "no type": raw({"a": ENTRY | {"dtype": "F31"}}, bytes(8)),
    "a type that is a list": raw({"a": ENTRY | {"dtype": ["F32"]}}, bytes(8)),
    "a shape of other size": raw({"a": ENTRY | {"shape": [3]}}, bytes(8)),
    "a huge shape": raw({"a": ENTRY | {"shape": [2**62, 2**62]}}, bytes(8)),
    "a negative shape": raw({"a": ENTRY | {"shape": [-1, -2]}}, bytes(8)),
    "a shape of no integers": raw({"a": ENTRY | {"shape": [2.0]}}, bytes(8)),
    "a shape of a truth": raw({"a": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}}, bytes(4)),
    "a shape of 33 axes": raw({"a": ENTRY | {"shape": [2] + [1] * 32}}, bytes(8)),
    "one offset": raw({"a": ENTRY | {"data_offsets": [0]}}, bytes(8)),
    "offsets turned round": raw({"a": ENTRY | {"data_offsets": [8, 0]}}, bytes(8)),
    "an end beyond the file": raw({"a": ENTRY | {"shape": [4], "data_offsets": [0, 16]}}, bytes(8)),
    "bytes left over": raw({"a": ENTRY}, bytes(9)),
    "bytes without an array": raw({}, bytes(1)),
    "a hole": raw({"a": ENTRY, "b": ENTRY | {"data_offsets": [12, 20]}}, bytes(20)),
    "an overlap": raw({"a": ENTRY, "b": ENTRY | {"data_offsets": [4, 12]}}, bytes(12)),
    "the same place twice": raw({"a": ENTRY, "b": ENTRY}, bytes(8)),
    "a beginning that is not 0": raw({"a": ENTRY | {"data_offsets": [4, 12]}}, bytes(12)),
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_file_is_a_value_error_that_names_it(tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.safetensors is no \.safetensors file, or damaged"):
        Reader(path)


@pytest.mark.parametrize(("content", "what"), [(b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file"),
                                               (b"PK\x03\x04" + bytes(100), "a zip archive")])
def test_files_of_keras_are_told_apart(tmp_path, content, what):
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"model\.h5 is of another kind.*load_keras_weights.*Received: {what}"):
        Reader(path)


@pytest.mark.parametrize("text", [
    '"' + r'\"' * 30_000, "[" + r'\"' * 30_000, "{" + "".join(f'"{i}":0,' for i in range(20_000)) + '"19999":0}'])
def test_long_texts_take_no_longer_than_they_are_long(text):
    began = time.process_time()
    with pytest.raises(ValueError):
        parse(text)
    assert time.process_time() - began < 1  # a hundredth of that; with a step for each pair of letters, three times


def test_a_long_string_takes_little_more_memory_than_itself():
    text = json.dumps("a" * 1_000_000)
    tracemalloc.start()
    try:
        assert len(parse(text)) == 1_000_000
        assert tracemalloc.get_traced_memory()[1] < 2_500_000
    finally:
        tracemalloc.stop()


def test_a_file_that_becomes_shorter_is_a_value_error(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(raw({"a": ENTRY}, bytes(8)))
    with Reader(path) as file:
        os.truncate(path, path.stat().st_size - 4)
        with pytest.raises(ValueError, match="became shorter"):
            file.read("a")


def test_every_type_has_numpys_size():
    assert {name: np.dtype(kind).itemsize for name, kind in TYPES.items()} == {
        name: 1 if name == "BOOL" else int(name[1:]) // 8 for name in TYPES}


plain = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
                     | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@given(plain)
def test_json_is_read_as_it_was_written(value):
    assert parse(json.dumps(value)) == value
    assert parse(json.dumps(value, ensure_ascii=False)) == value


# Strangers' files: mutations of a good one.

def test_mutations_are_read_or_are_value_errors_within_little_memory(tmp_path, mutate):
    good, path = tmp_path / "good.safetensors", tmp_path / "bad.safetensors"
    write(good, TREE, {"a": np.zeros((100, 50)), "b": np.ones(7, np.float32)})
    content, generator = good.read_bytes(), random.Random(1)

    def read(path):
        with Reader(path) as file:
            return [file.read(name) for name in list(file.arrays)]

    tracemalloc.start()
    try:
        read(good)
        tracemalloc.reset_peak()  # what the first reading made stays
        before = tracemalloc.get_traced_memory()[0]
        read(good)
        honest = tracemalloc.get_traced_memory()[1] - before
        errors = 0
        for _ in range(1000):
            path.write_bytes(mutate(content, generator))
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            try:
                read(path)
            except ValueError:
                errors += 1
            assert tracemalloc.get_traced_memory()[1] - before < 2 * honest
    finally:
        tracemalloc.stop()
    assert 300 < errors < 1000


def test_what_could_not_be_read_again_is_not_written(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    write(path, {"a": 1}, {"x": np.ones(3)})
    before = path.read_bytes()
    monkeypatch.setattr(serialization, "LONGEST_HEADER", 1000)
    with pytest.raises(ValueError, match="may have 1000 bytes. Received: "):
        write(path, {"a": "b" * 1000}, {})
    assert path.read_bytes() == before
