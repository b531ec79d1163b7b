"""`claims`: verdicts on the claims of the paper's appendix and the user's own, from the measurements of a scale."""

from pathlib import Path

from adm.artifacts.manifest import provenance
from adm.errors import UserError
from adm.params.claims import AnyClaim
from adm.params.schema import Sections
from adm.report.claims import judge
from adm.report.evidence import images_seen, read_evidence
from adm.report.metrics import Inputs
from adm.report.verdicts import write_verdicts


def run(claims: dict[str, AnyClaim], read: Sections, artifacts: Inputs, out: Path) -> None:
    """Judge claims and write the verdicts in order as `<out>.csv`, `.md`, `.tex` and `.json`.

    Args:
        claims: Those of a group of `adm.params.claims.grouped`, by their keys.
        read: The sections that they rest on.
        artifacts: Those that `adm.params.needs.needs_of_claims` names.
        out: The path without its ending.

    Raises:
        UserError: An artifact that a claim needs is missing, malformed, made with another section or not comparable.
    """
    evidence = read_evidence(read, list(claims.values()), artifacts)
    try:
        verdicts = [judge(key, claim, evidence) for key, claim in claims.items()]
    except ValueError as error:
        raise UserError(str(error)) from error
    needed = {f"{kind}/{key}".rstrip("/"): path for kind, paths in artifacts.items() for key, path in paths.items()}
    images = images_seen(read)
    facts = {"iterations": evidence.iterations, "images": {model: images[model] for model in evidence.costs}}
    made_by = provenance("claims", claims, needed, ["numpy", "pandas", "scipy"], read)
    write_verdicts(out, verdicts, {**made_by, "facts": facts})
