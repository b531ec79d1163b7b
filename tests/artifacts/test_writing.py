"""Artifacts appear whole or not at all, and their bytes depend on their content alone."""

import errno
import os
import time

import numpy as np
import pytest
from making import everything_in

from adm.artifacts.writing import link_or_copy, new_file, new_folder, write_json
from adm.errors import UserError


def test_a_folder_appears_when_the_block_ends_and_is_replaced_whole(tmp_path):
    out = tmp_path / "deep" / "out"
    with new_folder(out) as folder:
        (folder / "a.txt").write_text("a")
        (folder / "sub").mkdir()
        (folder / "sub" / "b.txt").write_text("b")
        assert not out.exists()
    assert everything_in(tmp_path) == {"deep/out/a.txt": b"a", "deep/out/sub/b.txt": b"b"}
    with new_folder(out) as folder:
        (folder / "new").write_text("new")
    assert everything_in(tmp_path) == {"deep/out/new": b"new"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_folder_whose_block_fails_leaves_the_old_one_and_no_debris(tmp_path, error):
    out = tmp_path / "out"

    def attempt():
        with new_folder(out) as folder:
            (folder / "half").write_text("half")
            raise error

    with pytest.raises(error):
        attempt()
    assert list(tmp_path.iterdir()) == []
    with new_folder(out) as folder:
        (folder / "old").write_text("old")
    with pytest.raises(error):
        attempt()
    assert everything_in(tmp_path) == {"out/old": b"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_left_half_written_by_a_killed_process_is_no_obstacle(tmp_path, monkeypatch):
    # In containers process numbers come again soon, and with them the temporary names.
    out = tmp_path / "out"
    killed = new_folder(out)
    (killed.__enter__() / "half").write_text("half")
    with new_folder(out) as folder:
        (folder / "whole").write_text("whole")
    assert everything_in(out) == {"whole": b"whole"}


def test_a_file_appears_when_the_block_ends_and_is_replaced(tmp_path):
    out = tmp_path / "deep" / "out.txt"
    for text in ("old", "new"):
        with new_file(out) as path:
            path.write_text(text)
            assert not out.exists() or out.read_text() == "old"
    assert everything_in(tmp_path) == {"deep/out.txt": b"new"}


def test_equal_arrays_give_equal_bytes_whenever_they_are_written(tmp_path, monkeypatch):
    arrays = {"arr_0": np.arange(12).reshape(3, 4), "arr_1": np.linspace(0, 1, 5)}
    np.savez(tmp_path / "a.npz", **arrays)
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(2_000_000_000))
    np.savez(tmp_path / "b.npz", **arrays)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    np.savez(tmp_path / "c.npz", **(arrays | {"arr_1": np.linspace(0, 2, 5)}))
    assert (tmp_path / "c.npz").read_bytes() != (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_has_no_nan_and_no_infinity(tmp_path, number):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"fid": number})
    assert not (tmp_path / "a.json").exists()


def test_a_file_in_a_folders_place_is_refused_and_stays(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UserError, match="out: is a file"), new_folder(tmp_path / "out"):
        pass
    assert everything_in(tmp_path) == {"out": b"mine"}


def test_a_file_gets_a_second_name(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    link_or_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a").samefile(tmp_path / "b")


def test_without_hard_links_it_is_copied(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a").write_bytes(b"content")
    link_or_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"content"
    assert not (tmp_path / "a").samefile(tmp_path / "b")
