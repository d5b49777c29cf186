import gzip
import io
import os
import shutil
import tarfile
import tracemalloc

import numpy as np
import pytest

from tinynet.datasets.archive import Archive, Limits, extract

CONTENTS = {"top/a.txt": b"first", "top/deep/b.bin": bytes(range(256)) * 5, "top/empty": b"", "top/block": bytes(512)}


def tar_bytes(entries, format=tarfile.GNU_FORMAT):
    """An archive of (name, content) or (TarInfo, content)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as tar:
        for name, content in entries:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if info.isreg():
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def entry(name, kind=tarfile.REGTYPE, linkname="", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, linkname, size
    return info


def with_sum(header):
    """A header block with the right sum."""
    header = header[:148] + b" " * 8 + header[156:]
    return header[:148] + b"%06o\0 " % sum(header) + header[156:]


def record(text):
    """A record of an extended header, which begins with its length."""
    length = len(text) + 2
    while length != len(text) + 2 + len(str(length)):
        length += 1
    return b"%d %s\n" % (length, text)


def extended(records, kind=b"x"):
    """An extended header of these records, for the file behind it."""
    header = tar_bytes([("x", b"")])[:512]
    header = with_sum(header[:124] + b"%011o\0" % len(records) + header[136:156] + kind + header[157:])
    return header + records.ljust(-(-len(records) // 512) * 512, b"\0")


@pytest.fixture(params=["plain", "gzip"])
def write(request, tmp_path):
    """A function that writes an archive, plain or gzip, and returns its path."""
    (tmp_path / "files").mkdir()

    def write(content):
        path = tmp_path / "files" / "archive"
        path.write_bytes(gzip.compress(content, 1) if request.param == "gzip" else content)
        return path

    return write


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refuses(path, tmp_path, message, limits=None):
    """Neither reads nor extracts it, says why, and leaves nothing behind."""
    before = tree(tmp_path)
    arguments = () if limits is None else (limits,)
    for attempt in (lambda: Archive(path, *arguments), lambda: extract(path, tmp_path / "target", *arguments)):
        with pytest.raises(ValueError, match=message) as caught:
            attempt()
        assert str(caught.value).startswith(str(path))
        assert "Received: " in str(caught.value)
    assert tree(tmp_path) == before
    assert sorted(os.listdir(tmp_path)) == ["files"]


# ---------------------------------------------------------------- sound archives


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_reads_and_extracts(tmp_path, write, format):
    folders = [(entry("top", tarfile.DIRTYPE), b""), (entry("top/deep/", tarfile.DIRTYPE), b"")]
    path = write(tar_bytes([*folders, *CONTENTS.items(), *folders], format))
    opened = Archive(path)
    assert opened.names == list(CONTENTS)
    assert {name: opened.read(name) for name in opened.names} == CONTENTS
    assert extract(path, tmp_path / "new" / "target") == tmp_path / "new" / "target"
    assert tree(tmp_path / "new" / "target") == CONTENTS
    assert os.listdir(tmp_path / "new") == ["target"]


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_letters_of_all_kinds(write, format):
    long = "/".join(["folder" * 8] * 3 + ["file" * 20])
    names = [long] if format == tarfile.USTAR_FORMAT else [long, "blümchen/百合.jpg", "ß" * 100]
    opened = Archive(write(tar_bytes([(name, name.encode()) for name in names], format)))
    assert opened.names == names
    assert all(opened.read(name) == name.encode() for name in names)


def test_names_lose_their_dots_and_old_archives_have_folders_without_a_type(write):
    old_folder = entry("./top/", tarfile.AREGTYPE)
    opened = Archive(write(tar_bytes([(entry("./", tarfile.DIRTYPE), b""), (old_folder, b""), ("./top//a", b"x"),
                                      (entry("top/b", tarfile.AREGTYPE), b"y")])))
    assert (opened.names, opened.read("top/a"), opened.read("top/b")) == (["top/a", "top/b"], b"x", b"y")


def test_an_empty_archive_and_what_follows_the_end(write):
    assert Archive(write(tar_bytes([]))).names == []
    assert Archive(write(tar_bytes([("a", b"x")]) + b"something else")).names == ["a"]


def test_the_target_must_be_new(tmp_path, write):
    path = write(tar_bytes([("a", b"x")]))
    (tmp_path / "target").mkdir()
    with pytest.raises(FileExistsError, match="extracted into a new folder. Received: .*target, which exists"):
        extract(path, tmp_path / "target")


def test_an_archive_that_changes_while_it_is_read(tmp_path):
    path = tmp_path / "archive.tar"
    path.write_bytes(tar_bytes([("a", b"x" * 2000)]))
    opened = Archive(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="has changed since it was opened. Received: 488 bytes of a"):
        opened.read("a")


def test_an_extraction_that_is_interrupted_never_looks_complete(tmp_path, monkeypatch):
    path = tmp_path / "archive.tar"
    path.write_bytes(tar_bytes(CONTENTS.items()))
    seen = []

    def interrupted(self, target):
        seen.append((tree(self), (tmp_path / "target").exists()))
        raise KeyboardInterrupt

    monkeypatch.setattr(type(tmp_path), "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        extract(path, tmp_path / "target")
    assert seen == [(CONTENTS, False)]
    assert os.listdir(tmp_path) == ["archive.tar"]


# ---------------------------------------------------------------- hostile archives


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.SYMTYPE, "a symbolic link"), (tarfile.LNKTYPE, "a hard link"), (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"), (tarfile.FIFOTYPE, "a pipe"), (tarfile.CONTTYPE, "an entry of type b'7'"),
        (tarfile.GNUTYPE_SPARSE, "a sparse file"), (b"Z", "an entry of type b'Z'"),
    ],
)  # fmt: skip
def test_anything_but_regular_files(tmp_path, write, kind, what):
    for target in ("../../etc/passwd", "/etc/passwd", "a"):
        path = write(tar_bytes([("a", b"x"), (entry("bad", kind, target), b"")]))
        refuses(path, tmp_path, f"it holds {what}, and only regular files are taken. Received: 'bad'")


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/etc/passwd", "leads out"), ("//server/file", "leads out"), ("../evil", "leads out"),
        ("a/../../evil", "leads out"), ("a/..", "leads out"), ("..", "leads out"),
        ("C:/evil", "no file name"), ("c:evil", "no file name"), ("a\\..\\..\\evil", "no file name"),
        ("..\\evil", "no file name"), ("a:stream", "no file name"), ("CON", "no file name"),
        ("a/nul.txt", "no file name"), ("a/LPT1", "no file name"), ("dot.", "no file name"), ("a /b", "no file name"),
        ("new\nline", "no file name"), ("bell\x07", "no file name"), ("a*", "no file name"), (".", "no file name"),
        ("d/" * 17 + "a", "may have 512 bytes, 16 parts"),
    ],
)  # fmt: skip
def test_names_that_lead_elsewhere(tmp_path, write, name, message, format):
    refuses(write(tar_bytes([("a", b"x"), (name, b"evil")], format)), tmp_path, f"a name .*{message}")
    folder = entry(name, tarfile.DIRTYPE)
    if name != ".":
        refuses(write(tar_bytes([(folder, b"")], format)), tmp_path, f"a name .*{message}")


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", ["a" * 256, "ü" * 128, "/".join(["abcdefg"] * 15 + ["x" * 600]), "a/" + "b" * 5000])
def test_names_that_are_too_long(tmp_path, write, name, format):
    refuses(write(tar_bytes([(name, b"x")], format)), tmp_path, "a name may have 512 bytes, 16 parts, and 255 bytes in")


def test_names_in_other_encodings_and_with_zeros(tmp_path, write):
    sound = tar_bytes([("c", b"")])
    header = with_sum(b"caf\xe9".ljust(100, b"\0") + sound[100:512])
    refuses(write(header + bytes(1024)), tmp_path, "a name is not UTF-8")
    refuses(write(extended(record(b"path=caf\xe9")) + sound), tmp_path, "a name is not UTF-8")
    refuses(write(extended(record(b"path=a\0b")) + sound), tmp_path, "no file name on every system")


@pytest.mark.parametrize(
    "names",
    [["a", "a"], ["a", "A"], ["a/b", "A/B"], ["a", "a/b"], ["a/b", "a"], ["a", "./a"], ["stra\u00dfe", "STRASSE"],
     ["caf\u00e9", "cafe\u0301"]],
)  # fmt: skip
def test_names_that_are_there_twice(tmp_path, write, names):
    path = write(tar_bytes([(name, b"x") for name in names], tarfile.PAX_FORMAT))
    refuses(path, tmp_path, "a name is there twice")


def test_a_folder_in_a_files_place(tmp_path, write):
    entries = [("a", b"x"), (entry("a", tarfile.DIRTYPE), b"")]
    for order in (entries, entries[::-1]):
        refuses(write(tar_bytes(order)), tmp_path, "a name is there twice")


def test_sizes_and_numbers_are_bounded(tmp_path, write):
    path = write(tar_bytes([(f"{k}", bytes(3000)) for k in range(10)]))
    assert len(Archive(path, Limits(3000, 30_000, 10)).names) == 10
    refuses(path, tmp_path, "a file may have 2999 bytes.*this one of 3000", Limits(2999, 30_000, 10))
    refuses(path, tmp_path, "all together 29999; with this one of 3000 they have 30000.*'9'", Limits(3000, 29_999, 10))
    refuses(path, tmp_path, "more than 9 entries. Received: '9'", Limits(3000, 30_000, 9))


@pytest.mark.parametrize("size", [1 << 33, 1 << 62, (1 << 88) - 1])
def test_a_header_that_promises_too_much_allocates_nothing(tmp_path, write, size):
    header = tar_bytes([("bomb", b"")])[:512]
    block = with_sum(header[:124] + b"\x80" + size.to_bytes(11, "big") + header[136:])
    path = write(block + bytes(1024))
    tracemalloc.start()
    refuses(path, tmp_path, f"a file may have .*this one of {size}")
    block = with_sum(header[:124] + b"%011o\0" % (1 << 26) + header[136:])  # allowed, and not there
    refuses(write(block + bytes(1024)), tmp_path, "it is cut short; fetch it again. Received: 'bomb'")
    for kind in (b"x", b"g", b"L"):
        block = with_sum(header[:124] + b"%011o\0" % (1 << 30) + header[136:156] + kind + header[157:])
        refuses(write(block + bytes(1024)), tmp_path, "an extended header may have 65536 bytes.* has 1073741824")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 22


def test_gzip_bombs(tmp_path):
    (tmp_path / "files").mkdir()
    path = tmp_path / "files" / "bomb.tgz"
    limits = Limits(1 << 20, 1 << 22, 100)
    tracemalloc.start()
    for content in (
        tar_bytes([("bomb", bytes(1 << 23))]),
        tar_bytes([(f"{k}", bytes(1 << 20)) for k in range(8)]),
        tar_bytes([("a", b"x")]) + bytes(1 << 23),  # behind the end
        tar_bytes([(entry(f"{k}/", tarfile.DIRTYPE), b"") for k in range(500)]),
    ):
        path.write_bytes(gzip.compress(content, 9))
        del content
        tracemalloc.clear_traces()
        tracemalloc.reset_peak()
        refuses(path, tmp_path, "may have 1048576 bytes|more than", limits)
        _, peak = tracemalloc.get_traced_memory()
        assert peak < 1 << 23
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (b"99 path=a\n", "damaged"), (b"0 path=a\n", "damaged"), (b"path=a\n", "damaged"), (b"9 path=ab", "damaged"),
        (b"5 =\n", "damaged"), (b"99999999999999999999999 path=a\n", "damaged"), (b"\xb2 path=a\n", "damaged"),
        (b"9 path a\n", "damaged"), (record(b"mtime=1") + b"9 path=..\n", "damaged"),
        (record(b"size=x"), "a size is no number"), (record(b"size=-1"), "a size is no number"),
        (record(b"size=" + b"1" * 21), "a size is no number"), (record(b"size=9"), "cut short"),
        (record(b"GNU.sparse.major=1"), "sparse file"), (record(b"mtime=1") + record(b"path=.."), "leads out"),
    ],
)  # fmt: skip
def test_extended_headers_that_are_damaged_or_lie(tmp_path, write, records, message):
    refuses(write(extended(records) + tar_bytes([("a", b"x")])[:512]), tmp_path, message)


def test_what_an_extended_header_may_say(tmp_path, write):
    sound = tar_bytes([("a", b"xyz")])
    opened = Archive(write(extended(record(b"mtime=1") + record(b"path=b/c.d") + record(b"size=2")) + sound))
    assert (opened.names, opened.read("b/c.d")) == (["b/c.d"], b"xy")
    assert Archive(write(extended(record(b"comment=a"), b"g") + sound)).names == ["a"]
    for lie in (b"path=ab", b"size=2"):
        refuses(write(extended(record(lie), b"g") + sound), tmp_path, "it gives all of its files one path or size")


# ---------------------------------------------------------------- damaged archives


def test_archives_that_are_cut_short(tmp_path, write):
    sound = tar_bytes(CONTENTS.items())
    end = 512 * (2 + 1 + 3 + 1 + 2)
    for length in (1, 300, 512, 1000, 1024, 1100, 3000, end, end + 511):
        refuses(write(sound[:length]), tmp_path, "cut short|no tar archive")
    assert Archive(write(sound[: end + 512])).names == list(CONTENTS)


def test_gzip_that_is_cut_short_or_damaged(tmp_path):
    (tmp_path / "files").mkdir()
    path = tmp_path / "files" / "archive.tgz"
    sound = gzip.compress(tar_bytes([*CONTENTS.items(), ("random", np.random.default_rng(0).bytes(5000))]))
    for length in range(2, len(sound), 97):
        path.write_bytes(sound[:length])
        refuses(path, tmp_path, "cut short")
    for content in (sound[:-8] + b"12345678", sound[:20] + b"damage" + sound[26:], sound + b"more"):
        path.write_bytes(content)
        refuses(path, tmp_path, "damaged gzip file")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip file", b"<!DOCTYPE html>" * 100, bytes(range(256)) * 8])
def test_something_else(tmp_path, write, content):
    refuses(write(content), tmp_path, "no tar archive|cut short")


def test_mutated_archives_raise_nothing_else(tmp_path):
    rng = np.random.default_rng(0)
    sound = tar_bytes([("a" * 150, b"content"), ("b", b"more"), (entry("d", tarfile.DIRTYPE), b"")], tarfile.PAX_FORMAT)
    packed = gzip.compress(sound)
    path = tmp_path / "archive"
    for k in range(1500):
        content = bytearray(packed if k % 3 == 0 else sound[:5120])
        for place in rng.integers(len(content), size=rng.integers(1, 6)):
            content[place] = rng.integers(256)
        if k % 3 == 2:  # past the sums
            for start in range(0, len(content), 512):
                if any(content[start : start + 512]):
                    content[start : start + 512] = with_sum(bytes(content[start : start + 512]))
        path.write_bytes(content[: rng.integers(len(content))] if k % 5 == 0 else content)
        try:
            opened = Archive(path)
        except ValueError as error:
            assert str(error).startswith(str(path))  # noqa: PT017
            continue
        assert all(isinstance(opened.read(name), bytes) for name in opened.names)
        extract(path, tmp_path / f"{k}")
        assert {p.as_posix() for p in tmp_path.iterdir()} == {path.as_posix(), (tmp_path / f"{k}").as_posix()}
        shutil.rmtree(tmp_path / f"{k}")
