"""Lay out the emoji of this scale: downloads/emoji/CATEGORY/NAME.png, 1,906 images of 64x64 pixels in nine folders.

`python scales/emoji/fetch.py` takes them from npm's package emoji-datasource-google 16.0.0, 74 MB; with the package's
file as argument it needs no network. Skin tones are left out, so each emoji is one file and is trained on or held out
whole. The drawings are Google's Noto Emoji (Apache License 2.0; flags are in the public domain).
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "emoji-datasource-google@16.0.0"
TO = Path("downloads/emoji")


def main() -> None:
    """Fetch the package, unless it is given, and write the images."""
    with tempfile.TemporaryDirectory() as folder:
        if sys.argv[1:]:
            package = Path(sys.argv[1])
        else:
            command = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", folder]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            (package,) = Path(folder).iterdir()
        with tarfile.open(package) as archive:
            told = archive.extractfile("package/emoji.json")
            images = {member.name: member for member in archive if "/img/google/64/" in member.name}
            assert told is not None, "the package holds emoji.json"
            for emoji in json.load(told):
                member = images.get(f"package/img/google/64/{emoji['image']}")
                if member is None or emoji["category"] == "Component":  # skin tones and hair by themselves
                    continue
                category = emoji["category"].lower().replace(" & ", "-")
                path = TO / category.replace(" ", "-") / f"{emoji['short_name'].replace('/', '-')}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                image = archive.extractfile(member)
                assert image is not None, "members of that folder are files"
                path.write_bytes(image.read())
    print(f"{TO}: {sum(1 for _ in TO.glob('*/*.png'))} images")


if __name__ == "__main__":
    main()
