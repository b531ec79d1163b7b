"""A well-known file is fetched by its name, and is the one that the params files name."""

import hashlib

import pytest

from adm.params import load
from adm.params.known import KNOWN
from adm.params.published import PublishedParams
from adm.stages import fetch

CONTENT = b"a graph"


@pytest.fixture
def known(tmp_path, monkeypatch):
    """A file known as `graph`, published in a folder."""
    (tmp_path / "published").mkdir()
    path = tmp_path / "published" / "graph.pb"
    path.write_bytes(CONTENT)
    file = PublishedParams(url=path.as_uri(), size=len(CONTENT), md5=hashlib.md5(CONTENT).hexdigest())
    monkeypatch.setitem(KNOWN, "graph", file)
    return path


def test_it_is_written_under_its_own_name_or_another(adm, known, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert adm("fetch", "graph") == (0, "graph.pb\n", "")
    assert adm("fetch", "graph", "--out", tmp_path / "new" / "g.pb")[0] == 0
    assert adm("fetch", "graph", "--out", tmp_path / "new")[0] == 0
    for path in ("here/graph.pb", "new/g.pb", "new/graph.pb"):
        assert (tmp_path / path).read_bytes() == CONTENT


def test_what_is_there_already_is_not_asked_for_again(known, tmp_path, capsys):
    fetch.run_known("graph", tmp_path / "g.pb")
    known.unlink()
    fetch.run_known("graph", tmp_path / "g.pb")
    assert capsys.readouterr().out == f"{tmp_path / 'g.pb'}\n" * 2


@pytest.mark.parametrize(("content", "message"), [(b"a grape", "has md5 "), (b"longer graph", "has 12 bytes, not 7")])
def test_another_file_than_the_published_one_is_refused(adm, known, tmp_path, content, message):
    known.write_bytes(content)
    code, out, err = adm("fetch", "graph", "--out", tmp_path / "g.pb")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert message in err
    assert not (tmp_path / "g.pb").exists()


@pytest.mark.parametrize("scale", ["released", "paper"])
def test_the_scales_fetch_the_same_graph(root, scale):
    assert load(root / "scales" / scale / "params.yaml").published.graphs["inception"].file == KNOWN["inception"]
