"""What MkDocs shows beside the pages in `docs`: the README as home, files that pages link to, results, and references.

A hook of `mkdocs.yml`. A line `<!-- generated: NAME -->` of a page, with the hint behind it, is replaced by what
`PARTS[NAME]` writes, and one of `NAME SCALE` by what it writes of that scale; links to files outside `docs` lead to
copies of them on the site, and formulas become MathML, so that no page asks the network. Numbers with a reference are
those of published results.
"""

import ast
import csv
import html
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import latex2mathml.converter
import references
import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from adm import pipeline
from adm.cli import app
from adm.config.metrics import METRICS
from adm.paper import captions
from adm.params import load
from adm.planning.costs import plan

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
HOME = ROOT / "README.md"
PARAMS = {
    "embedded": "params.yaml",
    "digits": "scales/digits/params.yaml",
    "fashion": "scales/fashion/params.yaml",
    "emoji": "scales/emoji/params.yaml",
    "paper": "scales/paper/params.yaml",
}
"""The params files of the scales whose results or costs pages show."""

SHOWN = {
    "emoji": "emoji, 32×32",
    "fashion": "garments, 28×28",
    "digits": "digits, 8×8, five seeds",
    "embedded": "digits, 8×8, one seed",
}
"""What the scales of the gallery draw, those in colour first."""

KINDS_OF_FIGURES = {
    "Samples of chosen classes, a row each": ("class_grid",),
    "Side by side": ("comparison",),
    "Between real images": ("interpolation",),
    "Samples and the images nearest to them": ("neighbours",),
    "Samples of any class": ("random_grid",),
    "Diagrams": ("trade_offs", "curves", "ablations", "lottery", "likelihoods"),
}
"""The gallery's headings, pictures first, and the kinds of figures under each."""

LEAST_COVERED, MOST_COVERED = 0.93, 0.98
"""What a nominal 95 % interval should cover in a simulation."""

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\]\([^)]*\))*)\]\((?!https?:|#)([^)#\s]+)(#[^)]*)?\)")
GENERATED = re.compile(r"^<!-- generated: (\w+)(?: (\w+))? -->\n\*`make docs` .*\*$", re.MULTILINE)
FORMULA = re.compile(
    r"(?P<code>```.*?```|`[^`]+`)|\$\$(?P<block>.+?)\$\$|(?<![^\s(])\$(?P<inline>[^$\s][^$]*)\$(?!\w)", re.DOTALL
)


KINDS = {"string": "text", "integer": "a whole number", "boolean": "`true`, `false`", "object": "fields"}
LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the README, and every file outside `docs` that a page shows or links to."""
    files.append(File.generated(config, "index.md", content=HOME.read_text()))
    texts = {page.src_uri: _with_parts(page.content_string) for page in files.documentation_pages()}
    wanted = [target for uri, text in texts.items() for target in _targets(text, _folder(uri))]
    while wanted:
        target = wanted.pop()
        name = target.relative_to(ROOT).as_posix()
        if target.is_file() and target != HOME and DOCS not in target.parents and not files.get_file_from_path(name):
            files.append(File.generated(config, name, abs_src_path=str(target)))
            if target.suffix == ".md":
                wanted += _targets(target.read_text(), target.parent)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Write the generated parts, and turn links and formulas into those of the site."""
    if page.file.src_uri.startswith("results/"):
        # Tables of numbers would stand before the pages that speak of them.
        page.meta["search"] = {"exclude": True}
    uri = page.file.src_uri

    def localised(link: re.Match[str]) -> str:
        picture, text, target, fragment = link.groups()
        path = (_folder(uri) / target).resolve()
        text = LINK.sub(localised, text)
        if path.is_dir() or not path.is_relative_to(ROOT):
            return text
        place = path.relative_to(DOCS if DOCS in path.parents else ROOT).as_posix()
        place = "index.md" if path == HOME else place
        return f"{picture}[{text}]({os.path.relpath(place, Path(uri).parent)}{fragment or ''})"

    own = HOME if uri == "index.md" else DOCS / uri
    if own in references.pages():
        try:
            markdown = references.without_comments(references.filled(markdown, own.relative_to(ROOT).as_posix()))
        except ValueError as error:
            raise PluginError(str(error)) from error
    return FORMULA.sub(_mathml, LINK.sub(localised, _with_parts(markdown)))


def _folder(uri: str) -> Path:
    """Return the folder that the links of a page start from: of the file that it was made from."""
    own = DOCS / uri
    return ROOT if uri == "index.md" else (own if own.exists() else ROOT / uri).parent


def _targets(text: str, folder: Path) -> list[Path]:
    own = [(folder / match[3]).resolve() for match in LINK.finditer(text)]
    inner = [path for match in LINK.finditer(text) for path in _targets(match[2], folder)]
    return [path for path in (*own, *inner) if path.is_relative_to(ROOT)]


def _with_parts(text: str) -> str:
    return GENERATED.sub(lambda comment: "\n".join(PARTS[comment[1]](*filter(None, [comment[2]]))), text)


def _mathml(formula: re.Match[str]) -> str:
    if formula["code"]:
        return formula["code"]
    display = "block" if formula["block"] else "inline"
    return latex2mathml.converter.convert((formula["block"] or formula["inline"]).strip(), display=display)


def _verbs() -> Iterator[str]:
    """Yield the help of every verb."""
    group = typer.main.get_command(app)
    context = group.make_context("adm", [], resilient_parsing=True)
    for name in sorted(group.list_commands(context)):
        command = group.get_command(context, name)
        if command.hidden:
            continue
        with command.make_context(name, [], parent=context, resilient_parsing=True) as inner:
            yield from ("", f"## {name}", "", "```text", command.get_help(inner).strip(), "```")


def _artifacts() -> Iterator[str]:
    """Yield a row a kind of job."""
    yield from ("| Job | Verb | Writes, in the results folder | What it is |", "|---|---|---|---|")
    for name, kind in pipeline.kinds().items():
        module = find_spec(kind.stage)
        assert module is not None
        assert module.origin is not None
        about = ast.get_docstring(ast.parse(Path(module.origin).read_text())) or ""
        about = about.splitlines()[0].partition(": ")[2]
        written = "<br>".join(f"`{path}`" for path in kind.outputs.values())
        verb = f"{kind.verb.replace('_', '-')} {kind.prefix}"
        yield f"| `{name}` | `adm {verb.strip()}` | {written} | {about[:1].upper()}{about[1:]} |"


def _params() -> Iterator[str]:
    """Yield every section, and the kinds of entries that it holds, each where it is first met."""
    schema = json.loads((ROOT / "params.schema.json").read_text())
    definitions: dict[str, Any] = schema["definitions"]
    seen: set[str] = set()

    def described(name: str) -> Iterator[str]:
        seen.add(name)
        definition = definitions[name]
        yield from ("", f"### {name}", "", html.escape(definition.get("description", ""), quote=False), "")
        if fields := definition.get("properties"):
            yield from ("| Field | Values | Default |", "|---|---|---|")
            for field, values in fields.items():
                default = f"`{json.dumps(values['default'], ensure_ascii=False)}`" if "default" in values else ""
                yield f"| `{field}` | {_values(values)} | {default} |"
        for inner in _named(definition):
            if inner not in seen:
                yield from described(inner)

    for name, section in schema["properties"].items():
        yield from ("", f"## {name}", "", f"{section.get('description', '')} Holds {_values(section)}.".strip())
        for inner in _named(section):
            if inner not in seen:
                yield from described(inner)


def _named(part: Any) -> list[str]:
    """Return the definitions that a part of the schema refers to, in order."""
    if isinstance(part, dict):
        own = [part["$ref"].split("/")[2]] if "$ref" in part else []
        return list(dict.fromkeys([*own, *(name for value in part.values() for name in _named(value))]))
    return list(dict.fromkeys(name for value in part for name in _named(value))) if isinstance(part, list) else []


def _values(part: Any) -> str:
    """Say in words what a part of the schema accepts."""
    match part:
        case {"$ref": reference}:
            name = reference.split("/")[2]
            words = f"[{name}](#{name.lower()})"
        case {"anyOf": several} | {"allOf": several}:
            words = " or ".join(dict.fromkeys(_values(one) for one in several if one.get("type") != "null"))
        case {"enum": values}:
            words = ", ".join(f"`{value}`" for value in values)
        case {"const": value}:
            words = f"`{value}`"
        case {"type": "array", "items": items} | {"type": "array", "prefixItems": [items, *_]}:
            words = f"a list of {_values(items)}"
        case {"type": "object", "patternProperties": entries}:
            words = f"entries, by key, of {_values(next(iter(entries.values())))}"
        case {"type": str(kind)}:
            limits = ", ".join(f"{sign} {part[end]}" for end, sign in LIMITS.items() if end in part)
            words = ", ".join(filter(None, [KINDS.get(kind, f"a {kind}"), limits]))
        case _:
            words = "any value"
    return words


def _caption(key: str, shown: Any) -> str:
    return str(getattr(shown, "caption", None) or captions()[key])


def _gallery() -> Iterator[str]:
    """Yield every figure that git holds, by kind: its caption, then each scale's picture above its command."""
    scales = {scale: load(ROOT / PARAMS[scale]).figures for scale in SHOWN}
    for heading, kinds in KINDS_OF_FIGURES.items():
        yield from ("", f"## {heading}")
        of_kind = {key: one for figures in scales.values() for key, one in figures.items() if one.kind in kinds}
        for key in sorted(of_kind, key=lambda key: (key not in scales["emoji"], _natural(key))):
            caption = _caption(key, of_kind[key])
            yield from (
                "",
                f"**{key.replace('_', ' ').capitalize()}.** {caption}",
                "",
                '<div class="gallery" markdown>',
            )
            for scale, figures in scales.items():
                path = _results(scale) / "figures" / f"{key}.png"
                if key in figures and path.exists():
                    target = f"../{path.relative_to(ROOT).as_posix()}"
                    seen, command = f"{SHOWN[scale]}{_seen(figures[key])}", _command("figure", key, scale)
                    alt = html.escape(f"{seen}. {caption}", quote=False)
                    yield from ("", f'<figure markdown="span">[![{alt}]({target}){{ loading=lazy }}]({target})')
                    yield f"<figcaption>{seen}<br><code>{command}</code></figcaption></figure>"
            yield from ("", "</div>")


def _seen(figure: Any) -> str:
    """Say how many images a figure has of what; nothing of a diagram."""
    match figure.kind:
        case "class_grid":
            return f", {figure.columns} of each of {len(figure.classes)} classes"
        case "random_grid":
            return f", {figure.rows * figure.columns} samples"
        case "comparison":
            return f"; {', '.join(dict.fromkeys(title for row in figure.rows.values() for title in row))}"
        case _:
            return ""


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort numbers in names by their size."""
    return [(int(digits or 0), word) for word, digits in re.findall(r"(\D+)(\d*)", name)]


def _tables(scale: str) -> Iterator[str]:
    """Yield every table of a scale that git holds, its caption and its command."""
    for key in load(ROOT / PARAMS[scale]).tables:
        if (path := _results(scale) / "tables" / f"{key}.md").exists():
            yield from ("", f"## {key}", "", path.read_text(), f"```sh\n{_command('table', key, scale)}\n```")


def _verdicts(scale: str) -> Iterator[str]:
    """Count how many claims of a scale are said to hold or not, a row a group."""
    yield from ("| Group | Verdicts |", "|---|---|")
    for path in sorted((_results(scale) / "claims").glob("*.csv")):
        with path.open(newline="") as lines:
            verdicts = [row["verdict"] for row in csv.DictReader(lines)]
        counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))
        yield f"| [{path.stem}](../{path.with_suffix('.md').relative_to(ROOT).as_posix()}) | {counts} |"


def _intervals() -> Iterator[str]:
    """Tell how true intervals are, a row a metric and comparison, and which cells are the worst."""
    with (DOCS / "intervals.csv").open(newline="") as lines:
        cells = list(csv.DictReader(lines))
    covered = [float(cell["coverage"]) for cell in cells]
    inside = sum(LEAST_COVERED <= share <= MOST_COVERED for share in covered)
    worst = [end(cells, key=lambda cell: float(cell["coverage"])) for end in (min, max)]
    lowest, highest = (
        f"{METRICS[cell['metric']].label}, {cell['comparison']}, n = {int(cell['samples']):,}: "
        f"{100 * float(cell['coverage']):.1f} %"
        for cell in worst
    )
    yield (
        f"Of {len(cells)} cells {inside} cover {100 * LEAST_COVERED:g} to {100 * MOST_COVERED:g} %. The worst below is "
        f"{lowest}; the worst above is {highest}."
    )
    sizes = sorted({int(cell["samples"]) for cell in cells})
    yield from ("", f"| Metric | Comparison | {' | '.join(f'n = {size:,}' for size in sizes)} |")
    yield f"|---|---|{'---|' * len(sizes)}"
    rows: dict[tuple[str, str], dict[int, str]] = {}
    for cell in cells:
        told, true, share = (float(cell[name]) for name in ("told", "true", "coverage"))
        text = f"{told:.3g} / {true:.3g}; {100 * share:.1f} %"
        rows.setdefault((cell["metric"], cell["comparison"]), {})[int(cell["samples"])] = text
    for (metric, comparison), of_row in rows.items():
        yield f"| {METRICS[metric].label} | {comparison} | {' | '.join(of_row.get(size, '') for size in sizes)} |"


def _results(scale: str) -> Path:
    return ROOT / "results" / "published" / scale


def _command(verb: str, key: str, scale: str) -> str:
    option = "" if scale == "embedded" else f" --params {PARAMS[scale]}"
    return f"adm {verb} {key}{option}"


@cache
def _plan(scale: str) -> list[str]:
    """Tell what a scale costs."""
    return list(plan(load(ROOT / PARAMS[scale])))


PARTS: dict[str, Callable[..., Iterable[str]]] = {
    "verbs": _verbs,
    "artifacts": _artifacts,
    "params": _params,
    "gallery": _gallery,
    "tables": _tables,
    "verdicts": _verdicts,
    "intervals": _intervals,
    "plan": _plan,
}
"""What writes each generated part."""
