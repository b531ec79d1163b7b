"""Text: whatever a params file or a manifest holds, it is read, or refused in one line."""

import copy
import datetime
import json
import math
from pathlib import Path

import pytest
import yaml
from damage import Content, damaged, refusal, sealed_json
from hypothesis import given
from hypothesis import strategies as st
from miniature import MINIATURE
from pydantic import TypeAdapter, ValidationError

from adm.artifacts.manifest import MANIFEST, read_manifest
from adm.artifacts.reading import read_json
from adm.config.files import PublishedFile
from adm.params import UserError, check, load
from adm.params.load import write as written_out
from adm.params.schema import PathsParams
from adm.params.section import Key

ROOT = Path(__file__).parents[2]
GOOD = (ROOT / "params.yaml").read_bytes()
TREE = yaml.load(GOOD, yaml.CSafeLoader)
SMALL = yaml.load(MINIATURE.read_bytes(), yaml.CSafeLoader)
TREES = [TREE, SMALL, yaml.load(written_out(load(MINIATURE)), yaml.CSafeLoader)]
"""The content of a params file, of a small one, and of that written out."""

FLOW = b"datasets: {digits: {source: digits, image_size: 8, <<: *a}}\nb: &a [1, 2.5, ~, 2001-01-01, 'x']\n"
SHORT = b"""base: base.yaml
models: {adm: &a {kind: diffusion, checkpoints: [5, 10000], sweep: {network.heads: [1, 2]}}, adm-2: null}
runs: {a: {checkpoint: adm, num_samples: 4, sweep: {iteration: [5], seed: [1, two, 0.5, ~]}}, b: {<<: *a, sweep: ~}}
published: {root: "file:///a/", checkpoints: {c: {url: c.pt, model: adm-2, iteration: 5}}}
"""
ALIKE = b"""defaults: {models: {kind: diffusion, training: {seed: 1}}, runs: {steps: 5}, published: {graphs: {}}}
models: {a: {like: b, variants: {x: {}, y: {network.heads: 2, training: {seed: 3}}}}, b: {checkpoints: [5]}}
runs: {r: {checkpoint: a, sweep: {iteration: [5]}}, s: {like: r, variants: {d: {sampler: ddim}}}}
tables: {t: {rows: [r, s-d], metrics: [fid], caption: c}, u: {like: t}}
figures: {f: {run: r-x-5, columns: 2, classes: [1], caption: d}}
roles: {first: r-x-5, gan: [s-d-x], free: {none: why}}
claims: {gan-fid: ~, gan-sfid: {than: r-y-5}, mine: {like: gan-recall}}
"""


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    """Write a file; return its path, always the same for a name."""
    folder = tmp_path_factory.mktemp("texts")

    def write(content, name="victim.yaml"):
        (folder / name).write_bytes(content)
        return folder / name

    return write


def test_the_good_ones_are_read(write):
    assert refusal(write(GOOD, "params.yaml"), load) is None
    assert check(SMALL, "params.yaml") == check(TREES[2], "params.yaml")


@given(content=st.one_of(damaged(GOOD[:4000]), damaged(FLOW), damaged(SHORT), damaged(ALIKE)))
def test_damaged_params(write, content):
    write(GOOD, "base.yaml")
    refusal(write(content), load)


@given(base=st.text(max_size=12) | st.text("./~\0\n-victimbase.yml", max_size=20) | st.sampled_from(["x" * 5000, "/"]))
def test_a_base_of_any_name(write, base):
    refusal(write(json.dumps({"base": base}).encode()), load)


TOKENS = [
    *("a", "b", ": ", "- ", "? ", ", ", "[", "]", "{", "}", "\n", "\n  "),
    *("&a ", "*a", "*b", "<<: ", "|\n", ">\n", "'", '"'),
    *(f"!!{tag} " for tag in ["int", "float", "bool", "binary", "timestamp", "set", "omap", "pairs", "str", "null"]),
    *("!!python/object/apply:os.system ", "!x ", "%YAML 9.9\n", "---\n", "...\n", "#", "\t", "\0", "\u2028", "\ufeff"),
    *("0x_", "0b_", "1:99", "2001-99-99", "2001-01-01T99:99:99", ".nan", "-.inf", "1e400", "~", "=", "9" * 5000),
    *("0x" + "f" * 300, "1:" + "1:" * 300 + "1", "datasets", "models", "paths", "results", "seed", "yes", "\\x"),
]


@given(content=st.lists(st.sampled_from(TOKENS) | st.text(max_size=3), max_size=30).map("".join))
def test_yaml_of_nonsense(write, content):
    refusal(write(content.encode("utf-8", "surrogatepass")), load)


_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.dates(),
        st.binary(max_size=4),
        st.sampled_from(["../x", "/etc/passwd", "results/../..", "a\nb", "digits", 10**4000, -1, 0, math.nan]),
        st.sampled_from([datetime.datetime(2001, 1, 1), 1 << 63, 1 << 200, "9" * 3000]),
    ),
    lambda children: st.one_of(
        st.lists(children, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=4), st.integers(), st.none(), st.dates()), children, max_size=3),
    ),
    max_leaves=6,
)


NEW_KEYS = ["sweep", "iteration", "root", "base", "checkpoint", "classifier", "reference", "dataset", "gan"]


@st.composite
def changed_trees(draw):
    """A good params file's content with a few values or keys that are others."""
    tree = copy.deepcopy(draw(st.sampled_from(TREES)))
    for _ in range(draw(st.integers(1, 3))):
        at = tree
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(at[key], dict | list) and at[key] and draw(st.integers(0, 4)):
                at = at[key]
                continue
            kind = draw(st.sampled_from(["value", "value", "key", "drop", "swap"]))
            if kind == "value":
                at[key] = draw(_values)
            elif kind == "swap":
                at[key] = copy.deepcopy(at[draw(st.sampled_from(keys))])
            else:
                value = at.pop(key)
                if kind == "key" and isinstance(at, dict):
                    at[draw(st.sampled_from([1, None, "x", "a\nb", "..", "a/b", True, *NEW_KEYS, *keys]))] = value
            break
    return tree


@pytest.mark.slow
@given(tree=changed_trees())
def test_params_of_other_values(tree):
    try:
        params = check(tree, "params.yaml")
    except UserError as error:
        message = str(error)
        assert message.isprintable()
        assert message.startswith("params.yaml: ")
        return
    inside(params.paths)
    assert check(yaml.safe_load(written_out(params)), "params.yaml") == params


@given(axes=st.dictionaries(st.sampled_from(["seed", "steps", "checkpoint", "x", "seed.x", "", "iteration"]), _values))
def test_sweeps_of_anything(axes):
    tree = copy.deepcopy(SMALL)
    tree["runs"]["more"] = {**tree["runs"]["scale"], "sweep": axes}
    try:
        check(tree, "params.yaml")
    except UserError as error:
        message = str(error)
        assert message.isprintable()
        assert message.startswith("params.yaml: runs.")


def inside(paths):
    results = (ROOT / paths.results).resolve()
    assert results.parent == ROOT / "results" or Path(paths.results).is_absolute()


@given(results=st.text(max_size=20).map("results/".__add__) | st.text("./resultsa-_~$\n\0", max_size=20))
def test_results_lie_where_they_may(results):
    try:
        inside(PathsParams(results=results))
    except ValidationError:
        return
    assert "\n" not in results


@given(key=st.text(max_size=12) | st.text("./\\~abc-_\n\0", max_size=12))
def test_keys_are_names_of_files(key):
    try:
        TypeAdapter(Key).validate_python(key)
    except ValidationError:
        return
    assert Path(key).name == key
    assert not key.startswith(".")


_schemes = st.sampled_from(["http", "https", "file", "ftp", "data", "FILE", "javascript", "", "s3"])


@given(
    url=st.builds(
        "{}{}{}{}".format,
        _schemes,
        st.sampled_from(["://", ":", ":/", ":///", "://host", "//host/", "://a@b:99999999/", "://[::1/"]),
        st.text("/.%2eEfF0ab\\\n ?#", max_size=20),
        st.sampled_from(["", "/a.npz", "/..", "/%2e%2e", "/%2Fetc", "/a%00.npz", "/.hidden", "/manifest.json"]),
    )
)
def test_urls_are_of_three_schemes_and_name_a_file(url):
    try:
        published = PublishedFile(url=url)
    except ValidationError:
        return
    assert url.lower().startswith(("http://", "https://", "file:///", "file://localhost/", "file:/"))
    assert Path(published.filename).name == published.filename
    assert not published.filename.startswith(".")


CHAIN = "\n".join(["a0: &a0 [1]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 3000))])
ABSURD = {
    "a chain of aliases": CHAIN,
    "an alias within itself": "a: &a [*a]",
    "a merge within itself": "a: &a {<<: *a}",
    "lists in lists": "[" * 5000,
    "mappings in mappings": "{a: " * 5000,
    "many keys": "\n".join(f"k{n}: 1" for n in range(4_000)),
    "a long number": "seed: " + "9" * 100_000,
    "a long sexagesimal number": "seed: 1" + ":59" * 30_000,
    "a date that is none": "seed: 2001-99-99",
    "a third tag that does not fit": "seed: !!timestamp x",
    "a tag that would run code": "seed: !!python/object/apply:os.system [true]",
    "a key with a line break": '"a\\nb": 1',
    "a key that is a list": "? [1]\n: 2",
    "not a number": "seed: .nan",
    "nothing": "",
    "UTF-16": "a: 1".encode("utf-16"),
}


@pytest.mark.parametrize("case", ABSURD)
def test_absurd_params(write, case):
    content = ABSURD[case]
    assert refusal(write(content if isinstance(content, bytes) else content.encode()), load)


JSON = json.dumps({"a": [1, 2.5, None, {"b": "text"}], "c": {"d": True}}).encode()
ABSURD_JSON = [
    b"[" * 100_000,
    b'{"a": ' * 100_000,
    b'{"a": ' + b"9" * 100_000 + b"}",
    b'"\\ud800"',
    b"\xff",
]


@given(content=damaged(JSON))
def test_a_damaged_json(write, content):
    refusal(write(content, "victim.json"), read_json)


@pytest.mark.parametrize("content", ABSURD_JSON, ids=range(len(ABSURD_JSON)))
def test_an_absurd_json(write, content):
    assert refusal(write(content, "victim.json"), read_json)


MADE_BY = {
    **{"stage": "prepare", "params": {}, "inputs": {"a": "b"}, "code": "", "versions": {"python": "3"}, "facts": {}},
    "files": {"a.bin": "0" * 64},
}


@given(
    content=st.one_of(
        damaged(sealed_json(MADE_BY)),
        st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3).map(
            lambda files: Content(sealed_json(MADE_BY | {"files": files}))
        ),
    )
)
def test_a_damaged_manifest(write, content):
    refusal(write(content, MANIFEST), lambda path: read_manifest(path.parent, "prepare"), named="texts")
