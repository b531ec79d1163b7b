"""Writing out of params files: all that a file may leave out, or say once for several entries.

It works on the values from YAML, before any check, so the schema only describes written-out files.
"""

import re
from typing import Any

from adm.errors import accepted, shown
from adm.params.bases import Raw
from adm.params.claims import completed
from adm.params.keys import check_known
from adm.params.seeds import with_seeds
from adm.params.shorthand import ROLES, check_sections, write_out_shorthand
from adm.params.sweeps import write_out_sweeps

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
    check_sections(data)
    written = dict(data)
    if isinstance(paths := data.get("paths", {}), dict):
        written["paths"] = {"results": results, **paths}
    roles = written.pop(ROLES, None)
    if "claims" in written or roles:
        written["claims"] = completed(written.get("claims", {}), roles)
    variants = write_out_shorthand(written)
    write_out_sweeps(written, variants)
    if isinstance(published := written.get("published"), dict):
        written["published"] = _with_whole_urls(published)
    _fill_in(written)
    return with_seeds(written)


def _with_whole_urls(published: Raw) -> Raw:
    """The published files without `root`, which is put before every URL without a scheme."""
    root = published.get(ROOT, "")
    if ROOT in published and not (isinstance(root, str) and SCHEME.match(root) and root.endswith("/")):
        raise ValueError(f"published.root: {shown(root)} is not accepted; write a URL that ends in '/'")

    def whole(entry: Any) -> Any:
        url = entry.get("url") if isinstance(entry, dict) else None
        return {**entry, "url": root + url} if isinstance(url, str) and not SCHEME.match(url) else entry

    parts = {name: part for name, part in published.items() if name != ROOT}
    return {
        name: {key: whole(entry) for key, entry in part.items()} if isinstance(part, dict) else part
        for name, part in parts.items()
    }


def _fill_in(written: Raw) -> None:
    """Fill in values that follow from others: of views, the first extractor, a run's reference, a study's dataset."""
    sections = {name: section for name, section in written.items() if isinstance(section, dict)}
    published = {name: part for name, part in sections.get("published", {}).items() if isinstance(part, dict)}
    _fill_in_views(sections.get("datasets", {}))
    graphs = [*sections.get("extractors", {}), *published.get("graphs", {})]
    if graphs:
        for entries in (sections.get("references", {}), published.get("references", {})):
            _default(entries, "extractor", lambda _: graphs[0])
    _check_datasets(sections)
    references = sections.get("references", {})

    def dataset_of(entry: Raw) -> str | None:
        """The dataset that an entry's checkpoint or GAN is trained on."""
        if isinstance(gan := entry.get("gan"), str):
            owner = sections.get("gans", {}).get(gan)
        else:
            name = str(entry.get("checkpoint"))
            adopted = published.get("checkpoints", {}).get(name)
            model = adopted.get("model") if isinstance(adopted, dict) else name.rpartition("-")[0]
            owner = sections.get("models", {}).get(model) if isinstance(model, str) else None
        dataset = owner.get("dataset") if isinstance(owner, dict) else None
        return dataset if isinstance(dataset, str) else None

    for name in ("runs", "upsampled_runs", "gan_runs"):
        _default(sections.get(name, {}), "reference", lambda entry: _reference_of(dataset_of(entry), references))
    for name in ("interpolations", "likelihoods", "schedules"):
        _default(sections.get(name, {}), "dataset", dataset_of)
    _check_guided(sections)


def _reference_of(dataset: str | None, references: Raw) -> str | None:
    """The only reference of a dataset; of several, the one that is named like it."""
    if dataset is None:
        return None
    found = [key for key, entry in references.items() if isinstance(entry, dict) and entry.get("dataset") == dataset]
    if len(found) > 1 and dataset not in found:
        raise ValueError(
            f"references: {' and '.join(found)} are of the dataset {dataset!r}; give one of them its name, or the runs "
            "their field reference"
        )
    return dataset if dataset in found else next(iter(found), None)


def _check_datasets(sections: Raw) -> None:
    """Refuse a dataset that is not there, before a run lacks its reference for want of it."""
    for name in ("models", "gans"):
        for key, entry in sections.get(name, {}).items():
            if isinstance(entry, dict) and isinstance(dataset := entry.get("dataset"), str):
                check_known(sections.get("datasets", {}), dataset, f"{name}.{key}.dataset")


def _fill_in_views(datasets: Raw) -> None:
    """Give each view of a dataset that dataset's values; a view has a size alone of its own."""
    named = {key: entry for key, entry in datasets.items() if isinstance(entry, dict)}
    stores = {key: entry for key, entry in named.items() if entry.get("stored") == "files" and entry.get("of") is None}
    for key, view in named.items():
        if (name := view.get("of")) is None:
            continue
        if not isinstance(name, str) or name not in stores:
            raise ValueError(
                f"datasets.{key}.of: {shown(name)} is no dataset with stored 'files', or is a view itself; "
                f"{accepted(stores, str(name))}"
            )
        for field, value in view.items():
            if field not in {"of", "image_size"} and value != stores[name].get(field):
                raise ValueError(
                    f"datasets.{key}.{field}: {shown(value)} is not accepted; a view has the value of {name!r}, and "
                    "gives of and image_size alone"
                )
        datasets[key] = {**stores[name], **view}


def _check_guided(sections: dict[str, Raw]) -> None:
    """Refuse an entry with a classifier and no gradient scale: the default, none, would be a surprise."""
    for name in ("runs", "interpolations"):
        for key, entry in sections.get(name, {}).items():
            if isinstance(entry, dict) and entry.get("classifier") is not None and "gradient_scale" not in entry:
                raise ValueError(f"{name}.{key}: gradient_scale is missing; the classifier guides by it")


def _default(entries: Raw, field: str, value_of: Any) -> None:
    for key, entry in entries.items():
        if isinstance(entry, dict) and field not in entry and (value := value_of(entry)) is not None:
            entries[key] = {**entry, field: value}
