"""Writing out of params files: all that a file may leave out, or say once for several entries.

It works on the values from YAML, before any check, so the schema only describes written-out files.
"""

import re
from collections.abc import Callable
from typing import Any

from adm.errors import accepted
from adm.params.checks import check_known
from adm.params.claims import completed
from adm.params.entries import PUBLISHED, ROLES, SCORED, Entries, Raw, split, stops_of, write_out_entries
from adm.params.section import value_key
from adm.params.seeds import with_seeds

ROOT = "root"
"""A key of published files that a written-out file does not have."""

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
"""The begin of a whole URL; other URLs of published files are paths under the section's `root`."""


def write_out(data: Any, results: str) -> Any:
    """Write out a params file: every entry in full, every sweep and seed as its entries, every checkpoint by its key.

    Args:
        data: The content from `read`; it is not changed.
        results: The results folder if the file names none.

    Raises:
        ValueError: A section is unknown, or what would be written out is invalid; the message names the place.
    """
    if not isinstance(data, dict):
        return data
    written = split(data)
    if isinstance(paths := data.get("paths", {}), dict):
        written["paths"] = {"results": results, **paths}
    roles = written.pop(ROLES, None)
    if "claims" in written or roles:
        written["claims"] = completed(written.get("claims", {}), roles)
    write_out_entries(written)
    _write_whole_urls(written)
    _fill_in(written)
    written = with_seeds(written)
    parts = {name: part for name, part in written.items() if name.startswith(PUBLISHED)}
    if parts:
        written["published"] = {name.removeprefix(PUBLISHED): part for name, part in parts.items()}
    return {name: section for name, section in written.items() if name not in parts}


def _write_whole_urls(written: Raw) -> None:
    """Put the `root` of published files before every URL without a scheme."""
    if f"{PUBLISHED}{ROOT}" not in written:
        return
    root = written.pop(f"{PUBLISHED}{ROOT}")
    if not (isinstance(root, str) and SCHEME.match(root) and root.endswith("/")):
        raise ValueError(f"published.root: {root!r} is not accepted; write a URL that ends in '/'")
    for name in (name for name in written if name.startswith(PUBLISHED)):
        for entry in written[name].values():
            if isinstance(url := entry.get("url"), str) and not SCHEME.match(url):
                entry["url"] = root + url


def _fill_in(written: Raw) -> None:
    """Fill in values that follow from others: of views, the first extractor, a run's reference, a study's dataset."""
    _fill_in_views(written.get("datasets", {}))
    graphs = [*written.get("extractors", {}), *written.get(f"{PUBLISHED}graphs", {})]
    for section in ("references", f"{PUBLISHED}references"):
        _default(written, section, "extractor", lambda *_: next(iter(graphs), None))
    # A name of nothing is told here, before a run lacks its reference for want of it.
    for section in ("models", "gans", "references"):
        for key, entry in written.get(section, {}).items():
            _known(written, "datasets", entry.get("dataset"), f"{section}.{key}.dataset")
    references = written.get("references", {})
    for section in SCORED:
        _default(written, section, "reference", lambda *of: _reference_of(_dataset_of(written, *of), references))
    for section in ("interpolations", "likelihoods"):
        _default(written, section, "dataset", lambda *of: _dataset_of(written, *of))
    _check_guided(written)


def _default(written: Raw, section: str, field: str, value_of: Callable[[str, str, Raw], Any]) -> None:
    for key, entry in written.get(section, {}).items():
        if field not in entry and (value := value_of(section, key, entry)) is not None:
            entry[field] = value


def _check_guided(written: Raw) -> None:
    """Refuse an entry with a classifier and no gradient scale: the default, none, would be a surprise."""
    for section in ("runs", "interpolations"):
        for key, entry in written.get(section, {}).items():
            if entry.get("classifier") is not None and "gradient_scale" not in entry:
                raise ValueError(f"{section}.{key}: gradient_scale is missing; the classifier guides by it")


def _known(written: Raw, section: str, key: Any, place: str) -> Raw:
    """Give the entry that a key names; none of a value that is no key, which the schema refuses."""
    if not isinstance(key, str):
        return {}
    check_known(written.get(section, {}), key, place, section)
    entry: Raw = written[section][key]
    return entry


def _dataset_of(written: Raw, section: str, key: str, entry: Raw) -> Any:
    """Give the dataset that an entry's checkpoint or GAN is trained on."""
    field = "gan" if section == "gan_runs" else "checkpoint"
    name, place = entry.get(field), f"{section}.{key}.{field}"
    if name is None and section in SCORED:
        raise ValueError(f"{place}: is missing")
    if field == "gan":
        return _known(written, "gans", name, place).get("dataset")
    adopted = written.get(f"{PUBLISHED}checkpoints", {})
    if isinstance(name, str) and name in adopted:
        model = adopted[name].get("model")
        return _known(written, "models", model, f"{PUBLISHED}checkpoints.{name}.model").get("dataset")
    models: Entries = written.get("models", {})
    if isinstance(name, str) and (model := name.rpartition("-")[0]) not in models:
        ends = {model: ["0", *map(value_key, stops_of(model, models[model]))] for model in models}
        known = [*models, *(f"{model}-{end}" for model in models for end in ends[model]), *adopted]
        raise ValueError(f"{place}: {name!r} is no model and no checkpoint; {accepted(known, name)}")
    return models[model].get("dataset") if isinstance(name, str) else None


def _reference_of(dataset: Any, references: Entries) -> str | None:
    """Give the only reference of a dataset; of several, the one that is named like it."""
    if not isinstance(dataset, str):
        return None
    named = [key for key, entry in references.items() if entry.get("dataset") == dataset]
    if len(named) > 1 and dataset not in named:
        several = f"{' and '.join(named)} are of the dataset {dataset!r}"
        raise ValueError(f"references: {several}; give one of them its name, or the runs their field reference")
    return dataset if dataset in named else next(iter(named), None)


def _fill_in_views(datasets: Entries) -> None:
    """Give each view of a dataset that dataset's values; a view has a size alone of its own."""
    stores = {key: one for key, one in datasets.items() if one.get("stored") == "files" and one.get("of") is None}
    for key, view in datasets.items():
        if (name := view.get("of")) is None:
            continue
        if not isinstance(name, str) or name not in stores:
            raise ValueError(f"datasets.{key}.of: {name!r} has no stored 'files'; {accepted(stores, str(name))}")
        for field, value in view.items():
            if field not in {"of", "image_size"} and value != stores[name].get(field):
                raise ValueError(f"datasets.{key}.{field}: {value!r} is not accepted; a view has that of {name!r}")
        datasets[key] = {**stores[name], **view}
