"""Seals: a file tells itself whether any byte of it changed."""

import pytest

from adm.artifacts.seal import (
    OPEN,
    SEAL,
    check_seal,
    read_made_with,
    read_sealed_json,
    seal,
    write_sealed_csv,
    write_sealed_json,
)
from adm.errors import UserError

CONTENT = {"fid": 3.25, "made_by": {SEAL: "f" * 64, "words": f"# {SEAL} {'0' * 64}\n"}, "nothing": None}


def write_json(path):
    write_sealed_json(path, CONTENT)
    return path


def write_csv(path):
    write_sealed_csv(path, "step,seconds\n1,0.5\n", "0123456789abcdef")
    return path


@pytest.mark.parametrize("write", [write_json, write_csv])
def test_every_flipped_bit_and_every_truncation_is_found(tmp_path, write):
    path = write(tmp_path / "file")
    check_seal(path)
    whole = path.read_bytes()
    flipped = [
        whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :]
        for place in range(len(whole))
        for bit in range(8)
    ]
    for damaged in [*flipped, *(whole[:length] for length in range(len(whole))), whole + b"\n", b"\n" + whole]:
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="is not the file that was written"):
            check_seal(path)


def test_what_was_sealed_is_read_without_the_seal(tmp_path):
    path = write_json(tmp_path / "a.json")
    assert read_sealed_json(path) == CONTENT
    assert path.read_text().splitlines()[-2].startswith(f'  "{SEAL}": "')


def test_a_csv_tells_the_fingerprint_that_it_was_sealed_with(tmp_path):
    path = write_csv(tmp_path / "a.csv")
    assert read_made_with(path) == "0123456789abcdef"
    assert path.read_text().startswith("step,seconds\n1,0.5\n# made_with 0123456789abcdef\n# sha256 ")


@pytest.mark.parametrize("before", ["", "# made_with\n", "# made_with 0123\n1,2\n", "1 # made_with xyz\n"])
def test_a_sealed_csv_without_a_fingerprint_before_its_seal_is_refused(tmp_path, before):
    path = tmp_path / "a.csv"
    path.write_bytes(seal(f"step\n1\n{before}# {SEAL} {OPEN}\n".encode()))
    check_seal(path)
    with pytest.raises(UserError, match=r"a\.csv: does not tell what it was made with"):
        read_made_with(path)


def test_a_file_without_a_seal_is_refused(tmp_path):
    (tmp_path / "a.json").write_text('{"fid": 3.25}\n')
    with pytest.raises(UserError, match=r"a\.json: is not the file .* does not end with the sha256 of itself"):
        read_sealed_json(tmp_path / "a.json")
