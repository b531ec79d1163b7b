"""Lay out the emoji of this scale: downloads/emoji/CATEGORY/NAME.png, 1,906 images of 64x64 pixels in nine folders.

`python scales/emoji/fetch.py` takes them from npm's package emoji-datasource-google 16.0.0, 74 MB; with the package's
file as argument it needs no network. Skin tones are left out, so each emoji is one file and is trained on or held out
whole. The drawings are Google's Noto Emoji (Apache License 2.0; flags are in the public domain).
"""

import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from adm.artifacts.reading import readable
from adm.errors import UserError

PACKAGE = "emoji-datasource-google@16.0.0"
TO = Path("downloads/emoji")


def fetched(folder: Path) -> Path:
    """Download the package into a folder."""
    if shutil.which("npm") is None:
        raise UserError(f"npm: is not installed; install it, or give the file of {PACKAGE}")
    command = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", str(folder)]
    if subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode:
        raise UserError(f"npm: could not download {PACKAGE}; give its file instead")
    (package,) = folder.iterdir()
    return package


def lay_out(package: Path) -> None:
    """Write the images of the package, but for skin tones and hair by themselves."""
    with readable(package, f"is no file of {PACKAGE}"), tarfile.open(package) as archive:
        members = {member.name.removeprefix("package/"): member for member in archive}
        for emoji in json.loads(_content(archive, members["emoji.json"])):
            member = members.get(f"img/google/64/{emoji['image']}")
            if member is None or emoji["category"] == "Component":
                continue
            category = emoji["category"].lower().replace(" & ", "-").replace(" ", "-")
            path = TO / category / f"{emoji['short_name'].replace('/', '-')}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_content(archive, member))


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None, "it is no folder"
    return file.read()


def main() -> None:
    """Fetch the package, unless it is given, and write the images."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            lay_out(Path(sys.argv[1]) if sys.argv[1:] else fetched(Path(folder)))
    except UserError as error:
        sys.exit(f"error: {error}")
    print(f"{TO}: {sum(1 for _ in TO.glob('*/*.png'))} images")


if __name__ == "__main__":
    main()
