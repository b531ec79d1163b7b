"""Files that are shown, and beside them a record of what made them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adm.artifacts.manifest import MadeBy, sha256
from adm.artifacts.seal import write_sealed_json
from adm.artifacts.writing import new_files


def write_shown(stem: Path, contents: Mapping[str, str | bytes], made_by: MadeBy, **told: Any) -> None:
    """Write files that differ only in their endings, and their record `<stem>.json`.

    Args:
        stem: The path without its ending.
        contents: By their endings.
        made_by: Of `adm.artifacts.manifest.provenance`; the record adds the hashes of the files to it.
        told: What the record tells beside it.
    """
    with new_files(*map(stem.with_suffix, [*contents, ".json"])) as (*paths, record):
        for path, content in zip(paths, contents.values(), strict=True):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        files = {path.name: sha256(path) for path in paths}
        write_sealed_json(record, {**told, "made_by": {**made_by, "files": files}})
