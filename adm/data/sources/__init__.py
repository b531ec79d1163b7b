"""Sources of labelled images."""

from adm.data.sources.folders import class_folders, flat_folder
from adm.data.sources.idx import digits, idx_files
from adm.data.sources.source import Source, cropped, encoded, held_out_of, looked_at, parts_of

__all__ = ["SOURCES", "Source", "cropped", "encoded", "held_out_of", "looked_at", "parts_of"]

SOURCES = {"digits": digits, "idx": idx_files, "folder": class_folders, "lsun": flat_folder}
"""The function that opens each source of the params file."""
