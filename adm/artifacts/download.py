"""Downloads that resume after an interruption. A file appears under its name only after its checks."""

import errno
import hashlib
import re
import shutil
import time
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
from requests.exceptions import ChunkedEncodingError, HTTPError, RequestException, SSLError, Timeout
from requests.exceptions import ConnectionError as NotConnectedError

from adm.artifacts.writing import flush
from adm.errors import UserError
from adm.progress import Progress, progress

TRIES = 5
"""Number of tries in a row without a new byte before giving up."""

PAUSE = 1.0
"""Seconds before the second try; each further one waits twice as long."""

TIMEOUT = (15, 60)
"""Seconds to wait for a connection, and for the next bytes."""

PIECE = 1 << 16
"""Bytes written at a time. An incomplete piece is lost if the connection breaks."""

NUMBER = "[0-9]{1,18}"
"""How headers write a number of bytes."""

PASSING = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses after which a new try may succeed."""


@dataclass(frozen=True)
class Expected:
    """What is known of a file beforehand: its size in bytes and hexadecimal checksums."""

    size: int | None = None
    sha256: str | None = None
    md5: str | None = None


def download(url: str, out: Path, size: int | None = None, sha256: str | None = None, md5: str | None = None) -> None:
    """Download a file, or copy it if its URL is of scheme `file`.

    The bytes are kept beside `out` under the ending `.part` until the file is complete. A later call resumes from
    there, if the server says that its file has not changed.

    Args:
        url: Of scheme http, https or file.
        out: The file to write. An existing file is replaced, unless it has the checksums.
        size: Its size in bytes, if known.
        sha256: Its checksum, if known.
        md5: Another checksum, if known.

    Raises:
        UserError: The host cannot be reached, it has no such file, it sends from https to http for a file of which no
            checksum is known, the disk is full, or the file has another size or checksum than expected; then it was
            removed.
    """
    expected = Expected(size, sha256, md5)
    if out.is_file() and (sha256 or md5) and _difference(out, expected) is None:
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.name}.part")
    if urlsplit(url).scheme == "file":
        _copy(url, part, expected)
    else:
        _receive(url, part, expected)
    if difference := _difference(part, expected):
        _discard(part)
        raise UserError(f"{url}: has {difference}; what was downloaded is removed")
    flush(part)
    part.replace(out)
    flush(out.parent)
    _discard(part)


def _copy(url: str, part: Path, expected: Expected) -> None:
    source = Path(unquote(urlsplit(url).path))
    if not source.is_file():
        raise UserError(f"{url}: there is no such file")
    size = source.stat().st_size
    _check_size(url, size, expected)
    _discard(part)
    _check_space(part, size)
    with source.open("rb") as read, part.open("wb", buffering=0) as write, _bar(part, 0, size) as bar:
        while piece := read.read(PIECE):
            _write(write, piece, part)
            bar.update(len(piece))


def _receive(url: str, part: Path, expected: Expected) -> None:
    failures = 0
    while True:
        before = _length(part)
        try:
            _receive_once(url, part, expected)
        except RequestException as error:
            failures = 1 if _length(part) > before else failures + 1
            if not _may_pass(error):
                raise UserError(f"{url}: {_brief(error)}") from error
            if failures == TRIES:
                raise UserError(_last_words(url, part, error)) from error
            time.sleep(PAUSE * 2 ** (failures - 1))
        else:
            return


def _receive_once(url: str, part: Path, expected: Expected) -> None:
    """Request the missing bytes and append them.

    The version that the server gave is stored beside the part and sent with the request, so that a server whose file
    has changed sends the whole new file. Without a version nothing is appended.
    """
    mark = _mark(part).read_text(encoding="utf-8") if _mark(part).is_file() else ""
    start = _length(part) if mark else 0
    if start and start == expected.size:
        return
    # With another encoding the declared length would not be the length of the file.
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": mark}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        _check_way(url, response, expected)
        if response.status_code == 416 or _starts_elsewhere(response, start):
            # The server has no bytes after `start`, or sends another part than requested: start again.
            _discard(part)
            raise ChunkedEncodingError("the server has nothing to add to what was downloaded")
        response.raise_for_status()
        if response.status_code != 206:
            start = 0
        total = _total(response)
        if total is not None:
            _check_size(url, total, expected)
            _check_space(part, total - start)
        if start == 0:
            _discard(part)
            _mark(part).write_text(_version(response), encoding="utf-8")
        with part.open("ab", buffering=0) as file, _bar(part, start, total) as bar:
            for piece in response.iter_content(PIECE):
                _write(file, piece, part)
                bar.update(len(piece))
                if expected.size is not None and file.tell() > expected.size:
                    break
    if total is not None and _length(part) != total:
        raise ChunkedEncodingError(f"{_length(part)} of {total} bytes came")


def _check_way(url: str, response: requests.Response, expected: Expected) -> None:
    """Refuse a redirect from https to plain http, unless a checksum is known."""
    ways = [urlsplit(answer.url).scheme for answer in (*response.history, response)]
    if urlsplit(url).scheme == "https" and "http" in ways and not (expected.sha256 or expected.md5):
        raise UserError(f"{url}: leads to {response.url} by plain http, where anyone may change it; give its sha256")


def _starts_elsewhere(response: requests.Response, start: int) -> bool:
    extent = _extent(response)
    return response.status_code == 206 and (extent is None or int(extent[1]) != start)


def _total(response: requests.Response) -> int | None:
    """The size of the whole file; for a part of unknown total, the position where the part ends."""
    if response.status_code == 206 and (extent := _extent(response)):
        return int(extent[2]) + 1 if extent[3] == "*" else int(extent[3])
    length = response.headers.get("Content-Length", "")
    return int(length) if re.fullmatch(NUMBER, length) else None


def _extent(response: requests.Response) -> re.Match[str] | None:
    """First byte, last byte and total size of a partial response."""
    told = response.headers.get("Content-Range", "")
    return re.fullmatch(rf"bytes ({NUMBER})-({NUMBER})/({NUMBER}|\*)", told)


def _version(response: requests.Response) -> str:
    """What identifies this version of the file, or "". Weak tags are ignored: different files may share one."""
    tag = response.headers.get("ETag", "")
    return response.headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag


def _difference(path: Path, expected: Expected) -> str | None:
    found = path.stat().st_size
    if expected.size not in (None, found):
        return f"{found} bytes, not {expected.size}"
    for name in ("sha256", "md5"):
        wanted = getattr(expected, name)
        if wanted is not None:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, name).hexdigest()
            if digest != wanted:
                return f"{name} {digest}, not {wanted}"
    return None


def _check_size(url: str, found: int, expected: Expected) -> None:
    if expected.size not in (None, found):
        raise UserError(f"{url}: has {found} bytes, not {expected.size}; nothing was downloaded")


def _check_space(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise UserError(f"{part}: needs {needed} bytes more, but the disk has {free} left; free some and run again")


def _write(file: FileIO, piece: bytes, part: Path) -> None:
    try:
        while piece:
            piece = piece[file.write(piece) :]
    except OSError as error:
        hint = "; free some space and run again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise UserError(f"{part}: cannot be written: {error.strerror}{hint}") from error


def _may_pass(error: RequestException) -> bool:
    if isinstance(error, HTTPError):
        return error.response is not None and error.response.status_code in PASSING
    return isinstance(error, (NotConnectedError, Timeout, ChunkedEncodingError)) and not isinstance(error, SSLError)


def _last_words(url: str, part: Path, error: RequestException) -> str:
    if isinstance(error, HTTPError):
        return f"{url}: {_brief(error)}, {TRIES} times; try again later"
    if _length(part) or isinstance(error, ChunkedEncodingError):
        return f"{url}: the connection broke {TRIES} times; run again, {_length(part)} bytes are here"
    host = urlsplit(url).hostname
    return (
        f"{url}: cannot reach {host}; download it elsewhere; in a params file give url: file:///folder/{Path(url).name}"
    )


def _brief(error: RequestException) -> str:
    if isinstance(error, HTTPError) and error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}".rstrip()
    return " ".join(str(error).split())[:120]


def _bar(part: Path, start: int, total: int | None) -> Progress:
    return progress(total=total, unit="B", name=part.name.removesuffix(".part"), initial=start)


def _length(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _mark(part: Path) -> Path:
    return part.with_name(f"{part.name}.version")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _mark(part).unlink(missing_ok=True)
