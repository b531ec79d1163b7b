"""Downloads that resume after an interruption. A file appears under its name only after its checks."""

import hashlib
import shutil
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
from requests.exceptions import ChunkedEncodingError, HTTPError, RequestException

from adm.artifacts.writing import flush
from adm.config.files import PublishedFile
from adm.errors import UserError, brief
from adm.progress import progress

TRIES = 5
"""Number of tries in a row without a new byte before giving up."""

PAUSE = 1.0
"""Seconds before the second try; each further one waits twice as long."""

TIMEOUT = (15, 60)
"""Seconds to wait for a connection, and for the next bytes."""

PIECE = 1 << 16
"""Bytes written at a time. An incomplete piece is lost if the connection breaks."""

PASSING = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses after which a new try may succeed."""


def download(file: PublishedFile, out: Path, elsewhere: str = "") -> None:
    """Download a file, or copy it if its URL is of scheme `file`.

    The bytes are kept beside `out` under the ending `.part` until the file is complete. A later call resumes from
    there, if the server says that its file has not changed. An existing `out` is replaced, unless it has the checksums.
    `elsewhere` says what one who has the file already can do.

    Raises:
        UserError: The host cannot be reached, it has no such file, or the file has another size or checksum than
            expected; then it was removed.
        OSError: The disk is full.
    """
    if out.is_file() and (file.sha256 or file.md5) and _difference(out, file) is None:
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.name}.part")
    if urlsplit(file.url).scheme == "file":
        source = Path(unquote(urlsplit(file.url).path))
        if not source.is_file():
            raise UserError(f"{file.url}: there is no such file")
        shutil.copyfile(source, part)
    else:
        _receive(file, part, elsewhere)
    if difference := _difference(part, file):
        _discard(part)
        raise UserError(f"{file.url}: has {difference}; what was downloaded is removed")
    flush(part)
    part.replace(out)
    flush(out.parent)
    _discard(part)


def _receive(file: PublishedFile, part: Path, elsewhere: str) -> None:
    failures = 0
    while True:
        before = _length(part)
        try:
            _receive_once(file, part)
            return
        except RequestException as error:
            status = None if error.response is None else error.response.status_code
            if status not in (None, *PASSING):
                raise UserError(f"{file.url}: {brief(error)}") from error
            failures = 1 if _length(part) > before else failures + 1
            if failures == TRIES:
                reason = getattr(error.args[0] if error.args else None, "reason", error)
                here = f"{TRIES} times; {_length(part)} bytes are here; run again, or "
                here += elsewhere or f"give {file.filename} from elsewhere: url: file:///folder/{file.filename}"
                raise UserError(f"{file.url}: {brief(reason)}, {here}") from error
            time.sleep(PAUSE * 2 ** (failures - 1))


def _receive_once(file: PublishedFile, part: Path) -> None:
    """Request the missing bytes and append them.

    The version that the server gave is stored beside the part and sent with the request, so that a server whose file
    has changed sends the whole new file. Without a version nothing is appended.
    """
    mark = _mark(part).read_text(encoding="utf-8") if _mark(part).is_file() else ""
    start = _length(part) if mark else 0
    if start and start == file.size:
        return
    # With another encoding the declared length would not be the length of the file.
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-", "If-Range": mark} if start else {})}
    with requests.get(file.url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        extent, _, total = response.headers.get("Content-Range", "").partition("/")
        resumed = response.status_code == 206
        if response.status_code == 416 or (resumed and not extent.startswith(f"bytes {start}-")):
            # The server has no bytes after `start`, or sends another part than requested: start again.
            _discard(part)
            raise ChunkedEncodingError("the server has nothing to add to what was downloaded")
        if not response.ok:
            raise HTTPError(f"the server answers {response.status_code} {response.reason}", response=response)
        if not resumed:
            start, total = 0, response.headers.get("Content-Length", "")
        size = int(total) if total.isdigit() else None
        if None not in (size, file.size) and size != file.size:
            raise UserError(f"{file.url}: has {size} bytes, not {file.size}; nothing was downloaded")
        if start == 0:
            _discard(part)
            # What identifies this version of the file, or "". Weak tags are ignored: different files may share one.
            tag, date = (response.headers.get(name, "") for name in ("ETag", "Last-Modified"))
            _mark(part).write_text(date if not tag or tag.startswith("W/") else tag, encoding="utf-8")
        bar = progress(total=size, unit="B", name=part.name.removesuffix(".part"), initial=start)
        with part.open("ab") as opened, bar:
            for piece in response.iter_content(PIECE):
                opened.write(piece)
                bar.update(len(piece))
    # A server may send less of a range than it was asked for; that the rest of it came, requests has checked.
    if size is not None and _length(part) < size:
        raise ChunkedEncodingError(f"{_length(part)} of {size} bytes came")


def _difference(path: Path, file: PublishedFile) -> str | None:
    size = path.stat().st_size
    if file.size not in (None, size):
        return f"{size} bytes, not {file.size}"
    for name, wanted in (("sha256", file.sha256), ("md5", file.md5)):
        if wanted is not None:
            with path.open("rb") as opened:
                digest = hashlib.file_digest(opened, name).hexdigest()
            if digest != wanted:
                return f"{name} {digest}, not {wanted}"
    return None


def _length(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _mark(part: Path) -> Path:
    return part.with_name(f"{part.name}.version")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _mark(part).unlink(missing_ok=True)
