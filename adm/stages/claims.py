"""`claims`: verdicts on the claims of the paper's appendix and the user's own, from the measurements of a scale."""

from pathlib import Path

from adm.artifacts.manifest import provenance
from adm.params.claims import grouped
from adm.params.errors import UserError
from adm.params.needs import needs_of_claims
from adm.params.schema import Params
from adm.report.claims import judge
from adm.report.evidence import images_seen, read_evidence
from adm.report.metrics import Inputs
from adm.report.verdicts import write_verdicts


def run(params: Params, group: str, inputs: Inputs, out: Path) -> None:
    """Judge the claims of a group and write the verdicts in order as `<out>.csv`, `.md`, `.tex` and `.json`.

    Args:
        params: The params file.
        group: Of `adm.params.claims.grouped`.
        inputs: The artifacts that `adm.params.needs.needs_of_claims` names.
        out: The path without its ending.

    Raises:
        UserError: An artifact that a claim needs is missing, malformed, made with another section or not comparable.
    """
    claims, needs = grouped(params.claims)[group], needs_of_claims(params, group)
    evidence = read_evidence(params, list(claims.values()), inputs)
    try:
        verdicts = [judge(key, claim, evidence) for key, claim in claims.items()]
    except ValueError as error:
        raise UserError(str(error)) from error
    needed = {f"{kind}/{key}".rstrip("/"): inputs[kind][key] for kind, keys in needs.items() for key in keys}
    images = images_seen(params)
    facts = {"iterations": evidence.iterations, "images": {model: images[model] for model in evidence.costs}}
    made_by = provenance("claims", claims, needed, ["numpy", "pandas", "scipy"])
    write_verdicts(out, verdicts, {**made_by, "facts": facts})
