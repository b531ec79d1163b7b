"""`check`: the code of every stage as a digest, after the params file was found sound."""

from pathlib import Path

from adm.artifacts.code import code_digest, verbs
from adm.artifacts.writing import new_folder


def run(out: Path) -> None:
    """Write one file a verb; the other stages depend on theirs, so they run again when what they run changes."""
    with new_folder(out) as folder:
        for verb in verbs():
            (folder / f"{verb}.txt").write_text(code_digest(verb) + "\n", encoding="utf-8")
