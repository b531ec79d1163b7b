"""Downloads go on after a cut, never mix two versions of a file, and refuse what is not the file that was asked for."""

import errno
import hashlib
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from making import make, refusal_of
from serving import serving

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


@pytest.fixture
def server(monkeypatch):
    with serving(monkeypatch, content=CONTENT) as server:
        server.url = f"{server.root}folder/a.bin"
        yield server


@pytest.fixture
def out(tmp_path):
    return tmp_path / "new" / "a.bin"


def left(out):
    return sorted(path.name for path in out.parent.iterdir())


def get(url, out, **known):
    download(PublishedFile(url=url, **known), out)


def refusal(url, out, **known):
    return refusal_of(get, url, out, **known)


def test_a_file_arrives_whole_and_alone(server, out):
    get(server.url, out, size=len(CONTENT), sha256=SHA256, md5=MD5)
    assert out.read_bytes() == CONTENT
    assert left(out) == ["a.bin"]


def test_a_cut_connection_is_taken_up_where_it_broke(server, out):
    server.cuts, server.cut_after = 3, 70_000
    get(server.url, out, sha256=SHA256)
    assert out.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=70000-", "bytes=140000-", "bytes=210000-"]


def test_a_later_call_goes_on(server, out):
    server.cuts, server.cut_after, server.statuses = 1, 120_000, [None, *[500] * module.TRIES]
    assert "the server answers 500" in refusal(server.url, out, sha256=SHA256)
    assert left(out) == ["a.bin.part", "a.bin.part.version"]
    server.statuses, server.asked = [], []
    get(server.url, out, sha256=SHA256)
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
    get(server.url, out)
    assert out.read_bytes() == OTHER


@pytest.mark.parametrize(
    ("misbehaviour", "asked"),
    [
        ({"supports_range": False}, [None, "bytes=120000-"]),
        ({"shifted": 1000}, [None, "bytes=120000-", None]),
        ({"at_most": 80_000}, [None, "bytes=120000-", "bytes=200000-", "bytes=280000-"]),
    ],
    ids=["no ranges", "parts from elsewhere", "parts shorter than asked for"],
)
def test_what_a_server_makes_of_ranges_does_no_harm(server, out, misbehaviour, asked):
    """Nothing is known of the file but what the server tells."""
    server.cuts, server.cut_after = 1, 120_000
    vars(server).update(misbehaviour)
    get(server.url, out)
    assert out.read_bytes() == CONTENT
    assert server.asked == asked


@pytest.mark.parametrize("cut_after", [0, 20_000])
def test_a_connection_that_never_holds_is_given_up(server, out, cut_after):
    # Nothing marks the version, so no try adds to another.
    server.cuts, server.cut_after, server.etag = 1000, cut_after, None
    message = refusal(server.url, out)
    assert re.search("5 times; [0-9]+ bytes are here; run again", message)
    assert len(server.asked) == module.TRIES


def test_a_whole_part_is_not_asked_for_again(server, out):
    out.parent.mkdir()
    out.with_name("a.bin.part").write_bytes(CONTENT)
    out.with_name("a.bin.part.version").write_text(server.etag)
    get(server.url, out, size=len(CONTENT), sha256=SHA256)
    assert server.asked == []
    # Without a size the server has to say that nothing is missing; the file then comes anew.
    out.replace(out.with_name("a.bin.part"))
    out.with_name("a.bin.part.version").write_text(server.etag)
    get(server.url, out, sha256=SHA256)
    assert server.asked == [f"bytes={len(CONTENT)}-", None]
    assert out.read_bytes() == CONTENT


def test_a_busy_server_is_asked_again_and_one_without_the_file_is_not(server, out):
    server.statuses = [503, 429]
    get(server.url, out, sha256=SHA256)
    assert out.read_bytes() == CONTENT
    server.statuses, server.asked = [404] * 10, []
    assert refusal(server.url, out.with_name("b.bin")).startswith(f"{server.url}: the server answers 404 ")
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
    get(server.url, out, sha256=SHA256)
    assert server.asked == []
    out.write_bytes(OTHER)
    assert "sha256" in refusal(server.url, out, sha256=hashlib.sha256(b"").hexdigest())
    assert out.read_bytes() == OTHER
    get(server.url, out, sha256=SHA256)
    assert out.read_bytes() == CONTENT


def test_being_offline_is_explained(out, monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.0)
    monkeypatch.setenv("NO_PROXY", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        port = closed.server_port
    message = refusal(f"http://127.0.0.1:{port}/a.bin", out)
    assert "5 times" in message


def test_local_files_are_copied_and_checked(tmp_path, out):
    source = tmp_path / "b.bin"
    source.write_bytes(CONTENT)
    get(source.as_uri(), out, size=len(CONTENT), sha256=SHA256, md5=MD5)
    assert out.read_bytes() == source.read_bytes() == CONTENT
    assert "sha256" in refusal(source.as_uri(), out, sha256="0" * 64)
    assert "300000 bytes, not 7" in refusal(source.as_uri(), out, size=7)
    assert "there is no such file" in refusal((tmp_path / "none").as_uri(), out)
    assert out.read_bytes() == CONTENT
    assert left(out) == ["a.bin"]


def test_fetch_writes_a_folder_with_the_file_under_its_name(server, tmp_path):
    published = PublishedFile(url=server.url, size=len(CONTENT), sha256=SHA256)
    make(fetch, published, tmp_path / "made" / "fetched")
    manifest = read_manifest(tmp_path / "made" / "fetched", "fetch")
    assert manifest.facts == {"size": len(CONTENT), "sha256": SHA256}
    assert manifest.files == {"a.bin": SHA256}
    assert left(tmp_path / "made" / "fetched") == ["fetched"]


def test_a_fetch_that_fails_leaves_no_folder_and_goes_on(server, tmp_path):
    published, out = PublishedFile(url=server.url, sha256=SHA256), tmp_path / "fetched"
    server.cuts, server.cut_after, server.statuses = 1, 120_000, [None, 404]
    with pytest.raises(UserError):
        make(fetch, published, out)
    assert not out.exists()
    make(fetch, published, out)
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
            make(fetch, published, out)
    assert left(out) == [".fetched.a.bin"]
    make(fetch, published, out)
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
        ("https://host/a/%2Fetc%2Fpasswd", "passwd"),
    ],
)
def test_a_url_names_its_file(url, filename):
    assert PublishedFile(url=url).filename == filename


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/a",
        "a.npz",
        "file://host/a.npz",
        "https://host/%2e%2e",
        "https://[host/a",
    ],
)
def test_other_urls_are_refused(url):
    with pytest.raises(ValueError, match=re.escape(repr(url))):
        PublishedFile(url=url)


@pytest.mark.parametrize("scheme", ["file", "ftp"])
def test_a_server_cannot_send_elsewhere_than_to_the_web(server, out, tmp_path, scheme):
    (tmp_path / "secret").write_bytes(CONTENT)
    server.moved_to = f"{scheme}://{tmp_path}/secret"
    assert server.url in refusal(server.url, out, size=len(CONTENT), sha256=SHA256)
    assert left(out) == []
