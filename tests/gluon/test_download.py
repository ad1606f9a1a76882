"""Files from the network, from a server on this machine: whole, broken off, wrong, gone."""

import hashlib
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hybridnet.errors import ArgumentError
from hybridnet.gluon import download as module
from hybridnet.gluon.utils import DownloadError, check_sha1, download, replace_file

DATA = bytes(range(256)) * 4000
SHA1 = hashlib.sha1(DATA).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Gives ``DATA`` under any name, as the test says."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.requests: list[str] = []  # the Range of each, "" for none
        self.data = DATA
        self.etag: str | None = '"1"'
        self.ranges = True
        self.codes: list[int] = []  # answers in place of the file, one a request
        self.cuts: list[int] = []  # after how many bytes to hang up, one a request


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        self.server.requests.append(asked)
        if self.server.codes:
            self.send_error(self.server.codes.pop(0))
            return
        same = self.headers.get("If-Range") in (None, self.server.etag)
        start = int(asked[6:-1]) if asked and self.server.ranges and same else 0
        if start >= len(self.server.data):
            self.send_error(416)
            return
        body = self.server.data[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(self.server.data) - 1}/{len(self.server.data)}")
        if self.server.etag:
            self.send_header("ETag", self.server.etag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cuts.pop(0)] if self.server.cuts else body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(name="server")
def _server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_file_is_fetched_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert download(server.url + "/some%20data.bin?version=2") == "some data.bin"
    assert (tmp_path / "some data.bin").read_bytes() == DATA and os.listdir() == ["some data.bin"]
    assert "Downloading some data.bin from http://127.0.0.1" in capsys.readouterr().out
    assert download(server.url + "/some%20data.bin") == "some data.bin"
    assert server.requests == [""]
    download(server.url + "/some%20data.bin", overwrite=True)
    assert server.requests == ["", ""]


def test_where_it_goes(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert download(server.url + "/a.bin", tmp_path) == str(tmp_path / "a.bin")
    assert download(server.url + "/a.bin", str(tmp_path / "new" / "b.bin")) == str(tmp_path / "new" / "b.bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert download(server.url + "/a.bin", "~/c.bin") == str(tmp_path / "c.bin")
    with pytest.raises(ArgumentError, match="a url that ends in a file's name"):
        download(server.url + "/")
    with pytest.raises(ArgumentError, match=r"retries of 0 or more; got -1"):
        download(server.url + "/a.bin", retries=-1)


def test_a_file_with_another_hash_is_replaced(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    assert not check_sha1(str(path), SHA1)
    download(server.url + "/a.bin", path, sha1_hash=SHA1.upper())
    assert check_sha1(str(path), SHA1) and path.read_bytes() == DATA
    download(server.url + "/a.bin", path, sha1_hash=SHA1)
    assert len(server.requests) == 1
    replace_file(str(path), str(tmp_path / "b.bin"))
    assert os.listdir(tmp_path) == ["b.bin"]


@pytest.mark.parametrize("etag", ['"1"', None])
def test_a_transfer_that_breaks_off_goes_on(server: Server, tmp_path: Path, etag: str | None) -> None:
    server.cuts, server.etag = [300_000, 400_000], etag
    download(server.url + "/a.bin", tmp_path, sha1_hash=SHA1)
    assert server.requests == ["", "bytes=300000-", "bytes=700000-"]
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_without_a_hash_two_states_of_a_file_are_never_mixed(server: Server, tmp_path: Path) -> None:
    server.cuts = [1000]
    original = Handler.do_GET

    def changing(self: Handler) -> None:
        if self.server.requests:  # the file is another one from the second request on
            self.server.data, self.server.etag = DATA[::-1], '"2"'
        original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Handler, "do_GET", changing)
        download(server.url + "/a.bin", tmp_path)
    assert server.requests == ["", "bytes=1000-"] and (tmp_path / "a.bin").read_bytes() == DATA[::-1]
    server.cuts, server.etag, server.requests = [1000], None, []
    download(server.url + "/b.bin", tmp_path)  # nothing says which state it is: from the start
    assert server.requests == ["", ""]


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    server.cuts, server.ranges = [1000], False
    download(server.url + "/a.bin", tmp_path, sha1_hash=SHA1)
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_a_later_call_goes_on_if_the_hash_is_known(server: Server, tmp_path: Path) -> None:
    server.cuts = [1000]
    with pytest.raises(DownloadError, match=r"a transfer that ended \d+ bytes early; .*try putting the file at .*a.bin yourself"):
        download(server.url + "/a.bin", tmp_path, sha1_hash=SHA1, retries=0)
    assert os.listdir(tmp_path) == ["a.bin.part"]
    download(server.url + "/a.bin", tmp_path, sha1_hash=SHA1)
    assert server.requests == ["", "bytes=1000-"] and os.listdir(tmp_path) == ["a.bin"]
    (tmp_path / "b.bin.part").write_bytes(b"something else")
    download(server.url + "/b.bin", tmp_path, sha1_hash=SHA1)
    assert (tmp_path / "b.bin").read_bytes() == DATA
    (tmp_path / "c.bin.part").write_bytes(DATA + b"more than there is")
    download(server.url + "/c.bin", tmp_path, sha1_hash=SHA1)
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "b.bin", "c.bin"]


def test_without_a_hash_nothing_is_left(server: Server, tmp_path: Path) -> None:
    server.cuts = [1000]
    with pytest.raises(DownloadError):
        download(server.url + "/a.bin", tmp_path, retries=0)
    assert os.listdir(tmp_path) == []


def test_a_wrong_hash_keeps_the_old_file(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(DownloadError, match=rf"of SHA-1 {'0' * 40}; got 1024000 bytes of SHA-1 {SHA1}; at test_download.py"):
        download(server.url + "/a.bin", path, sha1_hash="0" * 40, retries=2)
    assert path.read_bytes() == b"old" and len(server.requests) == 3 and os.listdir(tmp_path) == ["a.bin"]


def test_answers_of_the_server(server: Server, tmp_path: Path) -> None:
    server.codes = [503, 500, 429]
    download(server.url + "/a.bin", tmp_path)
    assert len(server.requests) == 4
    server.codes = [404]
    with pytest.raises(DownloadError, match=r"the file at http://127.*/b.bin; got HTTP 404 Not Found"):
        download(server.url + "/b.bin", tmp_path)
    assert len(server.requests) == 5  # asked once
    server.codes = [503] * 3
    with pytest.raises(DownloadError, match="HTTP 503"):
        download(server.url + "/b.bin", tmp_path, retries=2)
    assert not server.codes and os.listdir(tmp_path) == ["a.bin"]


def test_no_network(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"got .*refused; at test_download.py:\d+ in .*|got .*refused; at test_download.py"):
        download("http://127.0.0.1:9/a.bin", tmp_path, retries=1)
    with pytest.raises(DownloadError, match="unknown url type"):
        download("nonsense:a.bin", tmp_path / "a.bin")
    with pytest.raises(DownloadError, match=r"unknown url type: 'a/b.bin'"):
        download("a/b.bin", tmp_path / "a.bin")
    assert os.listdir(tmp_path) == []


def test_certificates(server: Server, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="the certificate of http://.* is not verified"):
        download(server.url + "/a.bin", tmp_path, verify_ssl=False)
    contexts = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module._Transfer, "attempt", lambda self, file, resume: contexts.append(self.context))
        download("https://127.0.0.1/b.bin", tmp_path)
        with pytest.warns(UserWarning):
            download("https://127.0.0.1/c.bin", tmp_path, verify_ssl=False)
    assert [context.check_hostname for context in contexts] == [True, False]


def test_several_at_once(server: Server, tmp_path: Path) -> None:
    results: list[str] = []
    threads = [threading.Thread(target=lambda: results.append(download(server.url + "/a.bin", tmp_path, sha1_hash=SHA1))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [str(tmp_path / "a.bin")] * 6 and os.listdir(tmp_path) == ["a.bin"] and check_sha1(results[0], SHA1)
