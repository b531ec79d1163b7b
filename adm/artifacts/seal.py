"""Files that end with their own sha256, so that damage shows without a manifest.

The hash is computed over the whole file with zeros in the place of the hash. So it detects a change of any byte.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adm.artifacts.reading import read_json, readable
from adm.artifacts.writing import write_json
from adm.errors import UserError

SEAL = "sha256"
"""Name of the hash: the last key in JSON, the last comment line in csv."""

OPEN = "0" * 64
"""Placeholder of the hash while it is computed."""

MADE_WITH = "made_with"
"""Name of the fingerprint of the params, in the line before the seal of a csv."""

IN_JSON = rf'(?<="{SEAL}": ")[0-9a-f]{{64}}(?="\n}}\n\Z)'
IN_CSV = rf"(?<=# {SEAL} )[0-9a-f]{{64}}(?=\n\Z)"
AT_THE_END = re.compile(f"{IN_JSON}|{IN_CSV}".encode())
FINGERPRINT = re.compile(rf"(?m)^# {MADE_WITH} ([0-9a-f]+)\n# {SEAL} .*\n\Z".encode())


def write_sealed_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON as `write_json` does, and the seal as its last key."""
    write_json(path, {**content, SEAL: OPEN})
    path.write_bytes(seal(path.read_bytes()))


def write_sealed_csv(path: Path, text: str, made_with: str) -> None:
    """Write csv lines, then two comment lines: the fingerprint of the params, and the seal."""
    path.write_bytes(seal(f"{text}# {MADE_WITH} {made_with}\n# {SEAL} {OPEN}\n".encode()))


def read_made_with(path: Path) -> str:
    """Check a sealed csv, and read the fingerprint of the params that it was made with.

    Raises:
        UserError: The file is missing, is not what was written, or does not tell.
    """
    check_seal(path)
    match = FINGERPRINT.search(path.read_bytes())
    if not match:
        raise UserError(f"{path}: does not tell what it was made with: it has no line `# {MADE_WITH}` before its seal")
    return match[1].decode()


def read_sealed_json(path: Path) -> dict[str, Any]:
    """Read a JSON object without its seal.

    Raises:
        UserError: The file is missing, holds no JSON object, or is not what was written.
    """
    content = read_json(path)
    check_seal(path)
    return {key: value for key, value in content.items() if key != SEAL}


def check_seal(path: Path) -> None:
    """Check that a file is what was written.

    Raises:
        UserError: The file is missing, has no seal, or another content than when it was sealed.
    """
    with readable(path, "cannot be read"):
        content = path.read_bytes()
    found = AT_THE_END.search(content, max(len(content) - 100, 0))  # a search of all of a large file takes long
    if not found:
        raise UserError(f"{path}: is not the file that was written: it does not end with the sha256 of itself")
    start, end = found.span()
    if found[0] != hashlib.sha256(content[:start] + OPEN.encode() + content[end:]).hexdigest().encode():
        raise UserError(f"{path}: is not the file that was written: its sha256 differs from the one it ends with")


def seal(content: bytes) -> bytes:
    """Write the hash of a file's content into its place, which holds the placeholder or an old hash."""
    digest = hashlib.sha256(AT_THE_END.sub(OPEN.encode(), content)).hexdigest()
    return AT_THE_END.sub(digest.encode(), content)
