"""`claims`: verdicts on the claims of the paper's appendix and the user's own, from the measurements of a scale."""

from pathlib import Path

from adm.artifacts.manifest import MadeBy
from adm.errors import about
from adm.params.claims import AnyClaim
from adm.params.schema import Sections
from adm.report.claims import judge
from adm.report.evidence import read_evidence
from adm.report.metrics import Inputs
from adm.report.verdicts import write_verdicts


def run(claims: dict[str, AnyClaim], read: Sections, artifacts: Inputs, out: Path, made_by: MadeBy) -> None:
    """Judge claims and write the verdicts in order as `<out>.csv`, `.md`, `.tex`, `.html` and `.json`.

    Args:
        claims: Those of a group of `adm.params.claims.grouped`, by their keys.
        read: The sections that they rest on.
        artifacts: Those that `adm.params.needs.needs_of` names.
        out: The path without its ending.
        made_by: What the JSON records.

    Raises:
        UserError: An artifact that a claim needs is missing, malformed or not comparable.
    """
    evidence = read_evidence(read, list(claims.values()), artifacts)
    with about():
        verdicts = [judge(key, claim, evidence) for key, claim in claims.items()]
    facts = {"iterations": evidence.iterations, "models": evidence.costs, "spent": evidence.spent}
    write_verdicts(out, verdicts, {**made_by, "facts": facts})
