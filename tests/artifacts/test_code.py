"""A stage's digest changes when what it runs changes, and not otherwise."""

import ast
import importlib.util
import shutil

import pytest
from making import verbs


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """A cache of digests that only this module's tests fill: what is the same code is parsed once."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("digests")))
        yield


@pytest.fixture(scope="module")
def before(cache, root):
    """The digest of each stage."""
    return digests(root / "adm")


@pytest.fixture
def package(tmp_path, root):
    """A copy of the package."""
    return shutil.copytree(root / "adm", tmp_path / "adm", ignore=shutil.ignore_patterns("__pycache__"))


def digests(package, names=None):
    """The digest of each stage, or of some, by the package's own code, loaded afresh."""
    spec = importlib.util.spec_from_file_location("code_of_copy", package / "artifacts" / "code.py")
    code = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(code)
    return {verb: code.code_digest(verb) for verb in names or verbs(package)}


@pytest.fixture
def changed(package, before):
    """Edit the copy; return the stages whose digest that changes."""

    def stages(edit):
        edit()
        after = digests(package)
        return {verb for verb in before if before[verb] != after.get(verb)}

    return stages


def test_every_stage_has_a_digest_of_its_own_wherever_the_package_lies(package, before, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    found = digests(package)
    assert len(set(found.values())) == len(found)
    assert found == before


@pytest.mark.slow
def test_comments_layout_and_docstrings_do_not_count(package, changed):
    """Docstrings of modules, classes, functions and constants."""

    def edit():
        count = 0
        for path in package.rglob("*.py"):
            tree = ast.parse(path.read_text())
            for node in ast.walk(tree):
                if isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str):
                    node.value = ast.Constant("Another text.")
                    count += 1
            path.write_text(f"# A new comment.\n\n{ast.unparse(tree)}\n# And another one.\n")
        assert count > 100

    assert changed(edit) == set()


MORE = "\nNEW = 1\n"
BUSINESS = {
    "training": (
        {"training/loop.py": ("1 - step /", "2 - step /")},
        {"train"},
        {"sample", "evaluate", "features", "reference", "prepare", "table", "figure"},
    ),
    "a network": (
        {"nets/layers.py": ("**-0.25", "**-0.5")},
        {"init", "train", "sample"},
        {"evaluate", "prepare", "table", "figure", "reference"},
    ),
    "a GAN and a verdict": (
        {"nets/gan.py": MORE, "report/claims.py": MORE},
        {"train_gan", "sample_gan", "claims"},
        {"train", "sample", "throughput", "evaluate", "table", "figure"},
    ),
    # What prints metrics asks the registry that names their functions, and is made in seconds.
    "a metric": (
        {"metrics/inception_score.py": MORE},
        {"evaluate", "curve"},
        {"train", "sample", "features", "reference", "prepare", "init", "extractor", "sizes", "sample_gan"},
    ),
    "what is on the page": ({"pipeline/report.py": MORE}, {"report"}, None),
}
"""Edits of files, the stages whose business they are, and those whose they are not: None for all others."""


@pytest.mark.slow
@pytest.mark.parametrize("case", BUSINESS)
def test_a_change_is_the_business_of_its_stages_alone(package, changed, case):
    edits, stages, others = BUSINESS[case]

    def edit():
        for name, words in edits.items():
            text = (package / name).read_text()
            assert words == MORE or words[0] in text
            (package / name).write_text(text + MORE if words == MORE else text.replace(*words, 1))

    touched = changed(edit)
    assert stages <= touched
    assert not touched & others if others else touched == stages


def test_a_declaration_of_params_is_the_business_of_no_stage(package, changed):
    def edit():
        for path in [*(package / "params").glob("*.py"), *(package / "config").glob("*.py")]:
            path.write_text(path.read_text() + "\nNEW = 1\n")

    assert changed(edit) == set()


@pytest.mark.parametrize(
    ("before_", "after_"),
    [
        ("ONE, TWO = 1, 2\n", "ONE, TWO = 1, 3\n"),
        ("if True:\n    TWO = 2\n", "if True:\n    TWO = 3\n"),
        ("TWO: int = 2\n", "TWO: int = 3\n"),
    ],
)
def test_a_constant_of_declarations_counts_however_it_is_bound(package, tmp_path, before_, after_):
    path = package / "config" / "sampling.py"
    text = path.read_text().replace(
        "return None if scale == 1 else scale", "return None if scale == 1 else scale * TWO"
    )
    found = []
    for constant in (before_, after_):
        path.write_text(f"{text}\n\n{constant}")
        found.append(digests(package, ["sample"]))
    assert found[0] != found[1]
