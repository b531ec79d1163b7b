"""A released file is fetched by its name, kept where the user says, and is the one that the params files name."""

import hashlib
import sys

import pytest

from adm.artifacts.released_files import PACKAGED, fetch_released, released_path
from adm.config.files import CHECKPOINTS, RELEASED, PublishedFile
from adm.nets.presets import PRESETS
from adm.params import load

CONTENT = b"a graph"


@pytest.fixture
def known(tmp_path, monkeypatch):
    """A file known as `graph`, published in a folder."""
    (tmp_path / "published").mkdir()
    path = tmp_path / "published" / "graph.pb"
    path.write_bytes(CONTENT)
    file = PublishedFile(url=path.as_uri(), size=len(CONTENT), md5=hashlib.md5(CONTENT).hexdigest())
    monkeypatch.setitem(RELEASED, "graph", file)
    return path


def test_it_is_kept_where_the_user_says(adm, known, tmp_path, monkeypatch):
    monkeypatch.setenv("ADM_FILES", str(tmp_path / "kept"))
    assert adm("fetch", "graph") == (0, f"{tmp_path / 'kept' / 'graph.pb'}\n", "")
    assert adm("fetch", "graph", "--to", tmp_path / "new" / "g.pb")[0] == 0
    assert adm("fetch", "graph.pb", "--to", tmp_path / "other")[0] == 0
    for path in ("kept/graph.pb", "new/g.pb", "other/graph.pb"):
        assert (tmp_path / path).read_bytes() == CONTENT
    monkeypatch.delenv("ADM_FILES")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert released_path("graph").is_relative_to(tmp_path / "cache") == (sys.platform == "linux")


@pytest.mark.parametrize("is_summed", [True, False])
def test_what_is_there_already_is_not_asked_for_again(known, tmp_path, monkeypatch, is_summed):
    if not is_summed:
        monkeypatch.setitem(RELEASED, "graph", PublishedFile(url=known.as_uri()))
    path = fetch_released("graph", tmp_path / "g.pb")
    known.unlink()
    assert fetch_released("graph", tmp_path / "g.pb") == path
    assert path.read_bytes() == CONTENT


def test_the_released_files_are_listed_and_those_that_are_there_marked(adm, tmp_path):
    (tmp_path / "lsun_cat.pt").write_bytes(b"")
    code, out, _ = adm("fetch", "--to", tmp_path)
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines() if line.startswith(" ")}
    assert lines.keys() == RELEASED.keys() | PACKAGED.keys()
    assert str(tmp_path / "lsun_cat.pt") in lines["lsun_cat"]
    assert RELEASED["lsun_horse"].url in lines["lsun_horse"]


@pytest.mark.parametrize(("content", "message"), [(b"a grape", "has md5 "), (b"longer graph", "has 12 bytes, not 7")])
def test_another_file_than_the_published_one_is_refused(refused, known, tmp_path, content, message):
    known.write_bytes(content)
    assert message in refused("fetch", "graph", "--to", tmp_path / "g.pb")
    assert not (tmp_path / "g.pb").exists()


def test_all_that_the_scales_fetch_is_known_by_name(root):
    published, of_paper = (load(root / "scales" / scale / "params.yaml").published for scale in ("released", "paper"))
    assert published.graphs["inception"].file == of_paper.graphs["inception"].file == RELEASED["inception"]
    kinds = published.checkpoints, published.samples, published.references
    urls = {file.url for kind in kinds for file in kind.values()}
    assert urls | {RELEASED["inception"].url} == {file.url for file in RELEASED.values()}
    assert {*CHECKPOINTS.values()} == PRESETS.keys()
