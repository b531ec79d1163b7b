"""Downloads go on after a cut, never mix two versions of a file, and refuse what is not the file that was asked for."""

import errno
import hashlib
import re
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from adm.artifacts import download as module
from adm.artifacts.download import download
from adm.artifacts.manifest import read_manifest
from adm.config.files import PublishedFile
from adm.errors import UserError
from adm.stages import fetch

CONTENT = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(len(CONTENT))
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server:
    """A file on a web server of its own, whose misbehaviour tests set.

    `statuses` are those of the next answers, None for a good one; `asked` are the ranges that were asked for. Of a
    range it sends `at_most` bytes, `shifted` by some, and tells `total` of the file's size.
    """

    def __init__(self):
        self.content = CONTENT
        self.etag = '"one"'
        self.cut_after = None
        self.cuts = 0
        self.supports_range = True
        self.statuses = []
        self.moved_to = None
        self.at_most = None
        self.shifted = 0
        self.total = len(self.content)
        self.asked = []

    def answer(self, handler):
        wanted = handler.headers.get("Range")
        self.asked.append(wanted)
        status = self.statuses.pop(0) if self.statuses else None
        if status is not None:
            handler.send_error(status)
            return
        if self.moved_to:
            handler.send_response(302)
            handler.send_header("Location", self.moved_to)
            handler.end_headers()
            return
        start = 0
        if wanted and self.supports_range and handler.headers.get("If-Range") in (None, self.etag):
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if start >= len(self.content):
                handler.send_error(416)
                return
        body = self.content[start:]
        handler.send_response(206 if start else 200)
        if start:
            start += self.shifted
            body = self.content[start:][: self.at_most]
            handler.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{self.total}")
        if self.etag:
            handler.send_header("ETag", self.etag)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if self.cuts:
            self.cuts -= 1
            body = body[: self.cut_after]
        handler.wfile.write(body)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.0)
    monkeypatch.setattr(module, "PIECE", 10_000)
    monkeypatch.setenv("NO_PROXY", "*")
    state = Server()
    with running(ThreadingHTTPServer(("127.0.0.1", 0), handler_of(state))) as port:
        state.url = f"http://127.0.0.1:{port}/folder/a.bin"
        yield state


def handler_of(state):
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self):
            state.answer(self)

        def log_message(self, *_):
            pass

    return Handler


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A file with a key and a certificate for this machine, signed by itself."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = builder.add_extension(address, critical=True).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("certificate") / "certificate.pem"
    path.write_bytes(private + signed.public_bytes(pem))
    return path


@pytest.fixture
def secure(certificate, monkeypatch):
    """Another server, which speaks https."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    state = Server()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    listening = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(state))
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    with running(listening) as port:
        state.url = f"https://127.0.0.1:{port}/folder/a.bin"
        yield state


@contextmanager
def running(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@pytest.fixture
def out(tmp_path):
    return tmp_path / "new" / "a.bin"


def left(out):
    return sorted(path.name for path in out.parent.iterdir())


def refusal(*arguments, **keywords):
    with pytest.raises(UserError) as error:
        download(*arguments, **keywords)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_file_arrives_whole_and_alone(server, out):
    download(server.url, out, len(CONTENT), SHA256, MD5)
    assert out.read_bytes() == CONTENT
    assert left(out) == ["a.bin"]


def test_nothing_need_be_known_of_a_file(server, out):
    server.etag = None
    download(server.url, out)
    assert out.read_bytes() == CONTENT


def test_a_cut_connection_is_taken_up_where_it_broke(server, out):
    server.cuts, server.cut_after = 3, 70_000
    download(server.url, out, sha256=SHA256)
    assert out.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=70000-", "bytes=140000-", "bytes=210000-"]


def test_a_later_call_goes_on(server, out):
    server.cuts, server.cut_after, server.statuses = 1, 120_000, [None, *[500] * module.TRIES]
    assert "the server answers 500" in refusal(server.url, out, sha256=SHA256)
    assert left(out) == ["a.bin.part", "a.bin.part.version"]
    server.statuses, server.asked = [], []
    download(server.url, out, sha256=SHA256)
    assert out.read_bytes() == CONTENT
    assert server.asked == ["bytes=120000-"]
    assert left(out) == ["a.bin"]


@pytest.mark.parametrize("etag", ['"two"', None, 'W/"one"'])
def test_two_versions_are_never_mixed(server, out, etag):
    """The file changes between two tries; a server that marks no version, or weakly, is asked for all of it."""
    server.cuts, server.cut_after = 1, 120_000
    if etag != '"two"':
        server.etag = etag
    answer = server.answer

    def change(handler):
        answer(handler)
        server.content, server.etag = OTHER, etag

    server.answer = change
    download(server.url, out)
    assert out.read_bytes() == OTHER


def test_a_server_without_ranges_sends_all_again(server, out):
    server.supports_range = False
    server.cuts, server.cut_after = 1, 120_000
    download(server.url, out, sha256=SHA256)
    assert out.read_bytes() == CONTENT


@pytest.mark.parametrize("total", [len(CONTENT), "*"])
def test_parts_that_start_elsewhere_are_never_taken(server, out, total):
    server.cuts, server.cut_after, server.shifted, server.total = 1, 120_000, 1000, total
    download(server.url, out)
    assert out.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=120000-", None]


def test_parts_shorter_than_asked_for_are_followed_by_others(server, out):
    """Nothing is known of the file but what the server tells."""
    server.cuts, server.cut_after, server.at_most = 1, 120_000, 80_000
    download(server.url, out)
    assert out.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=120000-", "bytes=200000-", "bytes=280000-"]


def test_a_server_that_has_less_than_it_said_is_asked_for_all_of_it(server, out):
    server.cuts, server.cut_after, server.total = 1, 120_000, len(CONTENT) + 5
    download(server.url, out)
    assert out.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=120000-", "bytes=300000-", None]


def test_a_server_that_tells_no_size_of_the_whole_is_believed(server, out):
    server.cuts, server.cut_after, server.total = 1, 120_000, "*"
    download(server.url, out)
    assert out.read_bytes() == CONTENT


@pytest.mark.parametrize("cut_after", [0, 20_000])
def test_a_connection_that_never_holds_is_given_up(server, out, cut_after):
    # Nothing marks the version, so no try adds to another.
    server.cuts, server.cut_after, server.etag = 1000, cut_after, None
    message = refusal(server.url, out)
    assert "the connection broke 5 times; run again" in message
    assert len(server.asked) == module.TRIES


def test_a_whole_part_is_not_asked_for_again(server, out):
    out.parent.mkdir()
    out.with_name("a.bin.part").write_bytes(CONTENT)
    out.with_name("a.bin.part.version").write_text(server.etag)
    download(server.url, out, len(CONTENT), SHA256)
    assert server.asked == []
    # Without a size the server has to say that nothing is missing; the file then comes anew.
    out.replace(out.with_name("a.bin.part"))
    out.with_name("a.bin.part.version").write_text(server.etag)
    download(server.url, out, sha256=SHA256)
    assert server.asked == [f"bytes={len(CONTENT)}-", None]
    assert out.read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(server, out):
    server.statuses = [503, 429]
    download(server.url, out, sha256=SHA256)
    assert out.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_missing_file_is_refused_at_once(server, out, status):
    server.statuses = [status] * 10
    assert refusal(server.url, out).startswith(f"{server.url}: the server answers {status} ")
    assert len(server.asked) == 1


def test_a_wrong_size_is_noticed_before_anything_is_downloaded(server, out):
    message = refusal(server.url, out, size=len(CONTENT) + 1)
    assert message == f"{server.url}: has 300000 bytes, not 300001; nothing was downloaded"
    assert left(out) == []


@pytest.mark.parametrize("name", ["sha256", "md5"])
def test_a_wrong_checksum_removes_the_file(server, out, name):
    wanted = hashlib.new(name, OTHER).hexdigest()
    message = refusal(server.url, out, **{name: wanted})
    assert message.startswith(f"{server.url}: has {name} {hashlib.new(name, CONTENT).hexdigest()}, not {wanted}")
    assert left(out) == []


def test_an_existing_file_is_kept_if_it_is_right_and_replaced_if_not(server, out):
    out.parent.mkdir()
    out.write_bytes(CONTENT)
    download(server.url, out, sha256=SHA256)
    assert server.asked == []
    out.write_bytes(OTHER)
    assert "sha256" in refusal(server.url, out, sha256=hashlib.sha256(b"").hexdigest())
    assert out.read_bytes() == OTHER
    download(server.url, out, sha256=SHA256)
    assert out.read_bytes() == CONTENT


def test_being_offline_is_explained(out, monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.0)
    monkeypatch.setenv("NO_PROXY", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        port = closed.server_port
    message = refusal(f"http://127.0.0.1:{port}/a.bin", out)
    assert "cannot reach 127.0.0.1; download it elsewhere; in a params file give url: file:///folder/a.bin" in message


def test_a_full_disk_is_explained(server, out, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    assert "needs 300000 bytes more, but the disk has 1000 left" in refusal(server.url, out)


def test_a_disk_that_fills_up_is_explained_and_what_came_is_kept(server, out, monkeypatch):
    written = []
    write = module._write

    class Full:
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    def fill_up(file, piece, part):
        write(file if len(written) < 3 else Full(), piece, part)
        written.append(piece)

    monkeypatch.setattr(module, "_write", fill_up)
    assert "No space left on device; free some space and run again" in refusal(server.url, out)
    monkeypatch.setattr(module, "_write", write)
    download(server.url, out, sha256=SHA256)
    assert server.asked[-1] == f"bytes={sum(map(len, written))}-"
    assert out.read_bytes() == CONTENT


def test_local_files_are_copied_and_checked(tmp_path, out):
    source = tmp_path / "a file.bin"
    source.write_bytes(CONTENT)
    download(source.as_uri(), out, len(CONTENT), SHA256, MD5)
    assert out.read_bytes() == source.read_bytes() == CONTENT
    assert "sha256" in refusal(source.as_uri(), out, sha256="0" * 64)
    assert "300000 bytes, not 7" in refusal(source.as_uri(), out, size=7)
    assert "there is no such file" in refusal((tmp_path / "none").as_uri(), out)
    assert out.read_bytes() == CONTENT
    assert left(out) == ["a.bin"]


def test_https_that_leads_to_http_needs_a_checksum(server, secure, out):
    server.content = OTHER
    download(secure.url, out)
    assert out.read_bytes() == CONTENT
    out.unlink()
    secure.moved_to = server.url
    message = refusal(secure.url, out, size=len(OTHER))
    assert message.startswith(f"{secure.url}: leads to {server.url} by plain http")
    assert left(out) == []
    server.content = CONTENT
    download(secure.url, out, sha256=SHA256)
    assert out.read_bytes() == CONTENT


def test_fetch_writes_a_folder_with_the_file_under_its_name(server, tmp_path):
    published = PublishedFile(url=server.url, size=len(CONTENT), sha256=SHA256)
    fetch.run(published, tmp_path / "made" / "fetched")
    manifest = read_manifest(tmp_path / "made" / "fetched", "fetch")
    assert manifest.facts == {"size": len(CONTENT), "sha256": SHA256}
    assert manifest.files == {"a.bin": SHA256}
    assert left(tmp_path / "made" / "fetched") == ["fetched"]


def test_a_fetch_that_fails_leaves_no_folder_and_goes_on(server, tmp_path):
    published, out = PublishedFile(url=server.url, sha256=SHA256), tmp_path / "fetched"
    server.cuts, server.cut_after, server.statuses = 1, 120_000, [None, 404]
    with pytest.raises(UserError):
        fetch.run(published, out)
    assert not out.exists()
    fetch.run(published, out)
    assert server.asked[-1] == "bytes=120000-"
    assert (out / "a.bin").read_bytes() == CONTENT
    assert left(out) == ["fetched"]


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), SystemExit(143)])
def test_a_fetch_that_fails_once_all_is_here_asks_for_nothing_again(server, tmp_path, monkeypatch, failure):
    published, out = PublishedFile(url=server.url, sha256=SHA256), tmp_path / "fetched"

    def fail(*_):
        raise failure

    with monkeypatch.context() as patched:
        patched.setattr(fetch, "write_manifest", fail)
        with pytest.raises((UserError, SystemExit)):
            fetch.run(published, out)
    assert left(out) == [".fetched.a.bin"]
    fetch.run(published, out)
    assert server.asked == [None]
    assert read_manifest(out, "fetch").files == {"a.bin": SHA256}
    assert left(out) == ["fetched"]
    assert (out / "a.bin").stat().st_nlink == 1


@pytest.mark.parametrize(
    ("url", "filename"),
    [
        ("https://host/jul-2021/64x64_diffusion.pt", "64x64_diffusion.pt"),
        ("http://host:80/a/b%2Ec?version=2#x", "b.c"),
        ("file:///C/a.npz", "a.npz"),
    ],
)
def test_a_url_names_its_file(url, filename):
    assert PublishedFile(url=url).filename == filename


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/a",
        "a.npz",
        "file:a.npz",
        "file://host/a.npz",
        "https:///a.npz",
        "https://host/",
        "https://host/..",
        "https://host/%2e%2e",
        "https://host/.hidden",
        "https://host/manifest.json",
        "https://[host/a",
        "https://host/a\n.npz",
    ],
)
def test_other_urls_are_refused(url):
    with pytest.raises(ValueError, match=re.escape(repr(url))):
        PublishedFile(url=url)


def test_paths_are_left_alone(tmp_path):
    """A name that is quoted in the URL cannot lead out of the folder."""
    with pytest.raises(ValueError, match="must end in the name of a file"):
        PublishedFile(url="https://host/a/%2Fetc%2Fpass wd")
    assert PublishedFile(url="https://host/a/%2Fetc%2Fpasswd").filename == Path("/etc/passwd").name


@pytest.mark.parametrize("scheme", ["file", "ftp", "data"])
def test_a_server_cannot_send_elsewhere_than_to_the_web(server, out, tmp_path, scheme):
    (tmp_path / "secret").write_bytes(CONTENT)
    server.moved_to = f"{scheme}://{tmp_path}/secret"
    with pytest.raises(UserError, match=re.escape(server.url)) as caught:
        download(server.url, out, len(CONTENT), SHA256)
    assert "\n" not in str(caught.value)
    assert left(out) == []
