"""Files from the network: fetched once, checked, resumed where a transfer broke off, and put in place whole or not at all.

Python's modules for the network are imported by what needs them: they are a tenth of what importing hybridnet would take.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import ssl

from hybridnet.errors import ArgumentError, HybridnetError, fail

_OP = "download"
_TIMEOUT = 60  # seconds in which nothing comes
_BLOCK = 1 << 20
#: Answers of a server after which it may be asked again: slow, busy, broken for the moment.
_PASSING = (408, 425, 429, 500, 502, 503, 504)


class DownloadError(HybridnetError, RuntimeError):
    """A file could not be had from the network."""


def check_sha1(filename: str, sha1_hash: str) -> bool:
    """Whether the SHA-1 of a file is ``sha1_hash``, in hexadecimal digits."""
    with open(filename, "rb") as file:
        return hashlib.file_digest(file, "sha1").hexdigest() == sha1_hash.lower()


def replace_file(src: str, dst: str) -> None:
    """Put the file ``src`` in the place of ``dst`` in one step: whoever opens it sees the old one or the new one."""
    os.replace(src, dst)


def download(
    url: str,
    path: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    sha1_hash: str | None = None,
    retries: int = 5,
    verify_ssl: bool = True,
) -> str:
    """The path of a file with what ``url`` gives, fetched if it is not there yet.

    ``path``: the file, or a folder for it; without one, the current folder. A file that is there is taken as it is, unless ``overwrite`` is
    true or its SHA-1 is not ``sha1_hash``. A transfer that fails is tried again ``retries`` times, and goes on where it broke off if
    the server can do that; with a ``sha1_hash`` a later call goes on as well. The file appears when it is complete and its
    hash is right, in one step; an old one stays until then. ``verify_ssl=False`` trusts any certificate, and warns.

    Raises ``DownloadError``, which says where to put the file if it cannot be fetched.
    """
    if not isinstance(retries, int) or retries < 0:
        fail(ArgumentError, _OP, expected="retries of 0 or more", got=repr(retries))
    target = _target(url, path)
    if not overwrite and os.path.exists(target) and (sha1_hash is None or check_sha1(target, sha1_hash)):
        return target
    if not verify_ssl:
        warnings.warn(f"the certificate of {url} is not verified (verify_ssl=False)", stacklevel=2)
    os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
    print(f"Downloading {target} from {url}...")
    import ssl

    with _partial(target, sha1_hash is not None) as part:
        _fetch(
            _Transfer(url, target, ssl.create_default_context() if verify_ssl else ssl._create_unverified_context()),
            part,
            sha1_hash,
            retries,
        )
        replace_file(part, target)
    return target


def _target(url: str, path: str | os.PathLike[str] | None) -> str:
    place = "" if path is None else os.path.expanduser(os.fspath(path))
    if path is not None and not os.path.isdir(place):
        return place
    import urllib.parse

    name = urllib.parse.unquote(urllib.parse.urlsplit(url).path).rpartition("/")[2]
    if not name:
        fail(ArgumentError, _OP, expected="a url that ends in a file's name, or a path with one", got=repr(url))
    return os.path.join(place, name)


@contextlib.contextmanager
def _partial(target: str, keep: bool) -> Iterator[str]:
    """A file beside ``target`` for what has come so far, of this process alone.

    With ``keep`` it is left as ``target.part`` where a transfer fails, and begins with what another has left there: taken by
    renaming, so that of several processes one has it.
    """
    folder, name = os.path.split(os.path.abspath(target))
    part = os.path.join(folder, f"{name}.{secrets.token_hex(4)}.part")
    with open(part, "xb"):
        pass
    left = os.path.join(folder, name + ".part")
    if keep:
        with contextlib.suppress(FileNotFoundError):
            os.replace(left, part)
    try:
        yield part
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            if keep and os.path.getsize(part):
                os.replace(part, left)
            else:
                os.unlink(part)
        raise


@dataclass
class _Transfer:
    """One file's way from a server, in as many attempts as it takes."""

    url: str
    target: str
    context: ssl.SSLContext
    version: str | None = None  # which state of the file the server gave, so that two are never mixed

    def attempt(self, file: BinaryIO, resume: bool) -> None:
        """Let the server send what is missing in ``file``, or all of it."""
        import http.client
        import urllib.request

        request = urllib.request.Request(self.url, headers={"User-Agent": "hybridnet"})
        start = file.seek(0, os.SEEK_END) if resume else 0
        if start:
            request.add_header("Range", f"bytes={start}-")
            if self.version is not None:
                request.add_header("If-Range", self.version)
        with urllib.request.urlopen(request, timeout=_TIMEOUT, context=self.context) as response:
            if start and not str(response.headers.get("Content-Range", "")).startswith(f"bytes {start}-"):
                start = 0  # all of it is coming
            etag = response.headers.get("ETag")
            self.version = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")
            file.seek(start)
            file.truncate()
            length = response.headers.get("Content-Length")
            come = 0
            while block := response.read(_BLOCK):
                file.write(block)
                come += len(block)
            if length is not None and come != int(length):
                raise http.client.IncompleteRead(b"", int(length) - come)


def _fetch(transfer: _Transfer, part: str, sha1_hash: str | None, retries: int) -> None:
    """Fill ``part``, or raise once ``retries`` repetitions have failed too."""
    import http.client
    import urllib.error

    resume = True
    for attempt in range(retries + 1):
        if attempt:
            time.sleep(0.1 * 2 ** min(attempt - 1, 6))
        try:
            with open(part, "r+b") as file:
                transfer.attempt(file, resume and (sha1_hash is not None or transfer.version is not None))
        except urllib.error.HTTPError as error:
            error.close()
            failure = f"HTTP {error.code} {error.reason}"
            if error.code == 416:  # there is no such range: what is there is not the beginning of it
                resume = False
                continue
            if error.code not in _PASSING:
                break
        except (OSError, http.client.HTTPException, ValueError) as error:
            failure = _text(error)
            if isinstance(error, ValueError):
                break
        else:
            if sha1_hash is None or check_sha1(part, sha1_hash):
                return
            with open(part, "rb+") as file:
                failure = f"{os.path.getsize(part)} bytes of SHA-1 {hashlib.file_digest(file, 'sha1').hexdigest()}"
                file.truncate(0)
    expected = f"the file at {transfer.url}" + (f", of SHA-1 {sha1_hash}" if sha1_hash else "")
    fail(DownloadError, _OP, expected=expected, got=failure, fix=f"putting the file at {os.path.abspath(transfer.target)} yourself")


def _text(error: Exception) -> str:
    import http.client

    if isinstance(error, http.client.IncompleteRead):
        return f"a transfer that ended {error.expected or 'some'} bytes early"
    return str(getattr(error, "reason", "") or error) or type(error).__name__
