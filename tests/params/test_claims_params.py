"""Each kind of claim says what it is tested on, and each way to write one wrongly is refused in one line."""

import pytest
from pydantic import TypeAdapter, ValidationError

from adm.paper import claims as claims_of_paper
from adm.params import load
from adm.params.claims import ClaimParams, completed, grouped, not_tested
from adm.params.references import keys_read, references

CLAIM = TypeAdapter(ClaimParams)
COMMON = {"statement": "A is better than B.", "source": "Table 6"}

# A claim of each kind; then what it reads of the keys that it names.
CLAIMS = [
    ({"kind": "lower", "metric": "fid", "run": "a", "than": "b"}, "metrics", ["a", "b"]),
    ({"kind": "higher", "metric": "recall", "run": "a", "than": "b", "by": 0.1}, "metrics", ["a", "b"]),
    ({"kind": "falls", "metric": "fid", "runs": ["a", "b", "c"]}, "metrics", ["a", "b", "c"]),
    ({"kind": "rises", "metric": "recall", "runs": ["a", "b", "c"]}, "metrics", ["a", "b", "c"]),
    (
        {"kind": "bridges", "metric": "fid", "run": "a", "from_run": "b", "to_run": "c", "share": 0.5},
        "metrics",
        [*"abc"],
    ),
    ({"kind": "similar", "metric": "fid", "runs_a": ["a"], "runs_b": ["c"], "within": 0.5}, "metrics", ["a", "c"]),
    ({"kind": "not_better", "metric": "precision", "runs": ["a"], "base": "c", "by": 0.01}, "metrics", ["a", "c"]),
    ({"kind": "beats_early", "metric": "fid", "runs": ["a", "b"], "than": "c", "by_share": 0.1}, "metrics", [*"abc"]),
    ({"kind": "reconstruction", "interpolation": "i", "better": "all_but_last"}, "studies", ["i"]),
    ({"kind": "reconstruction_order", "interpolations": ["i", "j"]}, "studies", ["i", "j"]),
    ({"kind": "no_copies", "neighbours": ["n", "m"], "ratio": 0.5, "copies": 0.01}, "studies", ["n", "m"]),
    ({"kind": "faster", "throughput": "t"}, "throughput", ["t"]),
    ({"kind": "lighter", "model": "classifier", "than": "adm"}, "sizes", ["classifier", "adm"]),
    ({"kind": "none", "none": "a classifier of 256 pixels"}, "metrics", []),
]


@pytest.mark.parametrize(("claim", "read", "keys"), CLAIMS, ids=[claim["kind"] for claim, *_ in CLAIMS])
def test_a_claim_names_all_that_it_is_tested_on(claim, read, keys):
    parsed = CLAIM.validate_python(COMMON | claim)
    named = {one: keys_read(parsed, one) for one in ("metrics", "studies", "throughput", "sizes")}
    assert {one: found for one, found in named.items() if found or one == read} == {read: keys}


LOWER, TREND, SIMILAR = (COMMON | CLAIMS[number][0] for number in (0, 2, 5))


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        (LOWER | {"kind": "lowest"}, "'lowest'.*expected tags"),
        (CLAIMS[0][0] | {"statement": "A is better."}, "source"),
        (LOWER | {"statement": "two\nlines"}, "statement"),
        (LOWER | {"metric": "nearer"}, "'nearer' has no intervals.*fid, sfid, inception_score, precision, recall"),
        (LOWER | {"metric": "fids"}, "'fids' is no metric; there are fid, sfid"),
        (LOWER | {"than": "no key"}, "than"),
        (LOWER | {"by": -0.1}, "greater than or equal to 0"),
        (LOWER | {"share": 0.5}, "unknown key 'share'"),
        (TREND | {"runs": ["a", "b"]}, "at least 3"),
        (SIMILAR | {"runs_b": ["c", "d"]}, "runs_a has 1 runs, but runs_b has 2"),
        (COMMON | {"kind": "none"}, "none"),
    ],
)
def test_a_claim_written_wrongly_is_refused(claim, message):
    with pytest.raises(ValidationError, match=message):
        CLAIM.validate_python(claim)


SECTION = TypeAdapter(dict[str, ClaimParams])


def checked(given):
    return SECTION.validate_python(completed(given))


def test_a_scale_gives_the_runs_of_the_papers_claims_alone():
    found = checked({"early-128": {"runs": ["a", "b"], "than": "c"}})["early-128"]
    paper = claims_of_paper()["early-128"]
    assert found.model_dump() == paper | {"runs": ["a", "b"], "than": "c"}


def test_where_the_papers_claims_are_tested_those_that_none_can_test_stand_in_its_order():
    own = COMMON | CLAIMS[0][0]
    found = checked({"own": own, "ddim-worse": {"run": "a", "than": "b"}, "adagn": {"none": "no time"}})
    untestable = [key for key, claim in claims_of_paper().items() if "none" in claim]
    assert list(found) == ["adagn", *untestable, "ddim-worse", "own"]
    assert (found["adagn"].kind, found["adagn"].none) == ("none", "no time")
    assert list(checked({"own": own})) == ["own"]
    assert checked({}) == {}
    assert checked({"adagn": None}) == {}  # left out, as a base's only claim may be


@pytest.mark.parametrize(
    ("claims", "place", "message"),
    [
        ({"adagn": {"run": "a"}}, ("adagn", "lower", "than"), "required"),
        ({"adagn": {"none": "x", "run": "a"}}, ("adagn", "none"), "unknown key 'run'"),
        ({"own": {"run": "a", "than": "b"}}, ("own",), "kind"),
    ],
)
def test_a_claim_of_a_scale_is_refused_at_its_key(claims, place, message):
    with pytest.raises(ValidationError, match=message) as refused:
        checked(claims)
    assert refused.value.errors()[0]["loc"] == place


def test_claims_of_later_papers_have_their_words_and_stand_apart():
    given = {"solver-2m": {"run": "a", "than": "b"}, "solver-heun": {"none": "no time"}, "own": COMMON | CLAIMS[0][0]}
    found = checked(given)
    known = {name: value for name, value in claims_of_paper()["solver-2m"].items() if name != "group"}
    assert found["solver-2m"].model_dump() == known | {"run": "a", "than": "b", "by": 0.0}
    groups = grouped(found)
    assert list(groups["later"]) == ["solver-2m", "solver-heun"]
    assert list(groups["own"]) == ["own"]


def test_what_a_scale_tests_is_known_before_any_result(root):
    claims = load(root / "params.yaml").claims
    untested = not_tested(claims)
    assert untested
    for key, claim in claims.items():
        assert (key in untested) == (not [named for named in references(type(claim), claim) if named.ref.reads])
