import dataclasses
import gzip
import hashlib
import http.server
import threading
from pathlib import Path

import pytest

from tinynet.datasets import download
from tinynet.datasets.download import TRAIN_IMAGES, TRAIN_LABELS, find_file

LABELS = TRAIN_LABELS.removesuffix(".gz")


@pytest.fixture
def tiny(made_up):
    return made_up("Tiny", 0)


@pytest.fixture
def log(caplog):
    """What pooch says; its logger stands outside of the hierarchy."""
    import pooch

    pooch.get_logger().addHandler(caplog.handler)
    yield caplog
    pooch.get_logger().removeHandler(caplog.handler)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A web server on this machine that serves files of a folder, and lists what it was asked for."""
    folder = tmp_path / "served"
    folder.mkdir()
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=folder)

        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *arguments):
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        httpd.url, httpd.folder, httpd.asked = f"http://127.0.0.1:{httpd.server_port}/", folder, asked
        yield httpd
        httpd.shutdown()
        thread.join()


def serve(server, published, *mirrors):
    """The same data set, with a mirror on the server for each {filename: content}."""
    urls = []
    for k, files in enumerate(mirrors):
        (server.folder / str(k)).mkdir()
        for filename, content in files.items():
            (server.folder / str(k) / filename).write_bytes(content)
        urls.append(f"{server.url}{k}/")
    return dataclasses.replace(published, mirrors=tuple(urls))


def write(folder, filename, content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / filename).write_bytes(content)
    return folder / filename


# ---------------------------------------------------------------- places


def test_the_places_and_their_order(tmp_path, tiny, cache, no_download, monkeypatch):
    published, contents, _ = tiny
    content = contents[TRAIN_LABELS]
    monkeypatch.setenv("TINYNET_DATA", str(tmp_path / "env"))
    places = [
        write(cache / "tiny", TRAIN_LABELS, content),
        write(tmp_path / "env" / "tiny", TRAIN_LABELS, content),
        write(tmp_path / "mine", TRAIN_LABELS, content),
        write(tmp_path / "mine" / "tiny", TRAIN_LABELS, content),
    ]
    for place in reversed(places):
        assert find_file(published, TRAIN_LABELS, tmp_path / "mine") == place
        assert find_file(published, TRAIN_LABELS, str(tmp_path / "mine")) == place
        place.unlink()


def test_uncompressed_files_will_do_whatever_their_name(tmp_path, tiny, cache, no_download):
    published, contents, _ = tiny
    plain = gzip.decompress(contents[TRAIN_LABELS])
    for filename in (LABELS, TRAIN_LABELS):
        path = write(tmp_path / filename, filename, plain)
        assert find_file(published, TRAIN_LABELS, path.parent) == path
    assert find_file(published, TRAIN_LABELS, tmp_path / LABELS) == tmp_path / LABELS / LABELS


def test_the_home_folder(tmp_path, tiny, cache, no_download, monkeypatch):
    published, contents, _ = tiny
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    path = write(tmp_path / "data", TRAIN_LABELS, contents[TRAIN_LABELS])
    assert find_file(published, TRAIN_LABELS, "~/data") == path


def test_files_that_are_found_need_no_pooch(tmp_path, tiny, monkeypatch):
    published, contents, _ = tiny
    path = write(tmp_path, TRAIN_LABELS, contents[TRAIN_LABELS])
    monkeypatch.setitem(__import__("sys").modules, "pooch", None)
    assert find_file(published, TRAIN_LABELS, tmp_path) == path


# ---------------------------------------------------------------- wrong files


@pytest.mark.parametrize("place", ["data_dir", "itself", "TINYNET_DATA"])
def test_a_wrong_file_of_the_users_own_is_an_error_and_stays(tmp_path, tiny, cache, no_download, monkeypatch, place):
    published, contents, _ = tiny
    data_dir = None if place == "TINYNET_DATA" else tmp_path / "mine"
    if place == "TINYNET_DATA":
        monkeypatch.setenv("TINYNET_DATA", str(tmp_path / "mine"))
    folder = tmp_path / "mine" if place == "itself" else tmp_path / "mine" / "tiny"
    wrong = contents[TRAIN_LABELS][:-3]
    path = write(folder, TRAIN_LABELS, wrong)
    with pytest.raises(ValueError) as caught:
        find_file(published, TRAIN_LABELS, data_dir)
    message = str(caught.value)
    assert path.read_bytes() == wrong
    assert message.startswith(f"{path} is not Tiny's {TRAIN_LABELS}: it is damaged, cut short, or another file.")
    for part in (*published.files[TRAIN_LABELS], f"{TRAIN_LABELS} from http://mirror.invalid/one/", f"into {folder};"):
        assert part in message
    assert message.endswith(f"Received: SHA-256 {hashlib.sha256(wrong).hexdigest()}")


def test_one_data_set_is_not_taken_for_the_other(tmp_path, made_up, cache, no_download, monkeypatch):
    digits, contents, _ = made_up("Digits", 1)
    clothes, _, _ = made_up("Clothes", 2)
    monkeypatch.setattr(download, "MNIST", digits)
    monkeypatch.setattr(download, "FASHION_MNIST", clothes)
    write(tmp_path, TRAIN_LABELS, contents[TRAIN_LABELS])
    write(tmp_path, TRAIN_IMAGES.removesuffix(".gz"), gzip.decompress(contents[TRAIN_IMAGES]))
    assert find_file(digits, TRAIN_LABELS, tmp_path)
    for filename in (TRAIN_LABELS, TRAIN_IMAGES):
        with pytest.raises(ValueError, match=f"is not Clothes's {filename}: it is Digits's file of that name"):
            find_file(clothes, filename, tmp_path)


# ---------------------------------------------------------------- downloads


def test_a_download_goes_into_the_cache_once_and_says_so(tiny, cache, server, log):
    published, contents, _ = tiny
    published = serve(server, published, contents)
    for _ in range(2):
        path = find_file(published, TRAIN_LABELS)
        assert path == (cache / "tiny" / TRAIN_LABELS).resolve()
        assert path.read_bytes() == contents[TRAIN_LABELS]
    assert server.asked == [f"/0/{TRAIN_LABELS}"]
    assert [p.name for p in path.parent.iterdir()] == [TRAIN_LABELS]
    assert f"Downloading data from '{server.url}0/{TRAIN_LABELS}'" in log.text


def test_the_next_mirror_is_asked_where_one_lacks_the_file_or_is_away(tiny, cache, server):
    published, contents, _ = tiny
    published = serve(server, published, {}, contents)
    away = "http://127.0.0.1:9/"
    published = dataclasses.replace(published, mirrors=(away, *published.mirrors))
    assert find_file(published, TRAIN_LABELS).read_bytes() == contents[TRAIN_LABELS]
    assert server.asked == [f"/0/{TRAIN_LABELS}", f"/1/{TRAIN_LABELS}"]


def test_a_wrong_hash_is_fetched_again_once(tiny, cache, server):
    published, contents, _ = tiny
    published = serve(server, published, {TRAIN_LABELS: b"a page of a hotel's network"}, contents)
    assert find_file(published, TRAIN_LABELS).read_bytes() == contents[TRAIN_LABELS]


def test_a_wrong_hash_twice_is_an_error(tiny, cache, server):
    published, contents, _ = tiny
    wrong = b"a page of a hotel's network"
    published = serve(server, published, {TRAIN_LABELS: wrong}, {TRAIN_LABELS: wrong}, contents)
    with pytest.raises(ValueError) as caught:
        find_file(published, TRAIN_LABELS)
    message = str(caught.value)
    for part in (str(cache / "tiny" / TRAIN_LABELS), published.files[TRAIN_LABELS][0], "data_dir", "TINYNET_DATA"):
        assert part in message
    assert message.endswith(f"Received: SHA-256 {hashlib.sha256(wrong).hexdigest()}")
    assert len(server.asked) == 2
    assert list((cache / "tiny").iterdir()) == []


def test_a_wrong_file_in_the_cache_is_deleted_and_fetched_again(tiny, cache, server, log):
    published, contents, _ = tiny
    published = serve(server, published, contents)
    for filename in (TRAIN_LABELS, LABELS):
        path = write(cache / "tiny", filename, contents[TRAIN_LABELS][:-5])
        found = find_file(published, TRAIN_LABELS)
        assert found.read_bytes() == contents[TRAIN_LABELS]
        assert found == path.resolve() or not path.exists()
        found.unlink()
        assert f"{path} has the wrong hash" in log.text
    assert len(server.asked) == 2


def test_a_wrong_file_in_the_cache_is_fetched_again_only_once(tiny, cache, server):
    published, contents, _ = tiny
    published = serve(server, published, {TRAIN_LABELS: b"wrong"}, {TRAIN_LABELS: b"wrong"}, contents)
    write(cache / "tiny", TRAIN_LABELS, b"damaged")
    with pytest.raises(ValueError, match=f"Received: SHA-256 {hashlib.sha256(b'wrong').hexdigest()}"):
        find_file(published, TRAIN_LABELS)
    assert len(server.asked) == 1
    assert list((cache / "tiny").iterdir()) == []


def test_a_wrong_hash_and_then_silence(tiny, cache, server):
    published, _, _ = tiny
    published = serve(server, published, {TRAIN_LABELS: b"wrong"}, {})
    with pytest.raises(ValueError, match="is not Tiny's"):
        find_file(published, TRAIN_LABELS)


def test_no_network_names_the_folder_and_the_offline_quickstart(tiny, cache, monkeypatch):
    published, _, _ = tiny
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    published = dataclasses.replace(published, mirrors=("http://127.0.0.1:9/one/", "http://127.0.0.1:9/two/"))
    with pytest.raises(ConnectionError) as caught:
        find_file(published, TRAIN_LABELS)
    message = str(caught.value)
    for part in (
        f"Tiny's {TRAIN_LABELS}", ", ".join(published.files), f"into {cache / 'tiny'};", "folder 'tiny'", "data_dir",
        "TINYNET_DATA",
        "python examples/quickstart.py",
    ):  # fmt: skip
        assert part in message
    assert message.partition("Received: ")[2] == "127.0.0.1:9 (ConnectionError), 127.0.0.1:9 (ConnectionError)"


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_data_dir_that_is_no_folder(tmp_path, tiny, cache, no_download, name):
    published, contents, _ = tiny
    write(cache / "tiny", TRAIN_LABELS, contents[TRAIN_LABELS])
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError, match=r"data_dir must be a folder that exists. Received: ") as caught:
        find_file(published, TRAIN_LABELS, tmp_path / name)
    assert str(caught.value).endswith(f"{name}'")


def test_what_is_published():
    for published in (download.MNIST, download.FASHION_MNIST):
        assert len(published.mirrors) > 1
        assert all(mirror.endswith("/") for mirror in published.mirrors)
        assert len(published.files) == 4
    hashes = [h for p in (download.MNIST, download.FASHION_MNIST) for pair in p.files.values() for h in pair]
    assert len(set(hashes)) == 16
    assert all(len(h) == 64 for h in hashes)
