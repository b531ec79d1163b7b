"""`claims`: a verdict on each claim of the paper's appendix, from what a scale measured."""

from collections.abc import Mapping
from pathlib import Path

from adm.artifacts.manifest import provenance
from adm.params.claims import BeatsEarlyClaim, ClaimParams
from adm.params.errors import UserError
from adm.params.schema import Params
from adm.params.models import UniformModelParams
from adm.params.runs import SamplingParams
from adm.report.claims import judge
from adm.report.evidence import read_evidence
from adm.report.verdicts import write_verdicts


def run(params: Params, metrics: Path, studies: Path, throughput: Path, sizes: Path, out: Path) -> None:
    """Judge the claims of a params file; interpolations and neighbours are among the `studies`."""
    runs = [run for claim in params.claims.values() if isinstance(claim, BeatsEarlyClaim) for run in claim.runs]
    sampled = {run: params.scored[run] for run in runs}
    iterations = {
        run: params.iteration_of(section.checkpoint)
        for run, section in sampled.items()
        if isinstance(section, SamplingParams)
    }
    images: dict[str, int] = {}
    for checkpoint in (*params.segments, *params.published.checkpoints):
        name = params.model_of(checkpoint)
        model = params.models[name]
        if not isinstance(model, UniformModelParams):
            seen = params.iteration_of(checkpoint) * model.training.batch_size
            images[name] = max(seen, images.get(name, 0))
    judge_all(params, params.claims, iterations, images, metrics, studies, studies, throughput, sizes, out)


def judge_all(
    params: Params,
    claims: Mapping[str, ClaimParams],
    iterations: Mapping[str, int],
    images: Mapping[str, int],
    metrics: Path,
    interpolations: Path,
    neighbours: Path,
    throughput: Path,
    sizes: Path,
    out: Path,
) -> None:
    """Judge the claims, by their keys, and write the verdicts in order as `<out>.csv`, `.md`, `.tex` and `.json`.

    The other arguments are those of `adm.report.evidence.read_evidence`.

    Raises:
        UserError: Something that a claim needs is missing, malformed, of another section or not to be compared.
    """
    evidence, files = read_evidence(
        params, list(claims.values()), iterations, images, metrics, interpolations, neighbours, throughput, sizes
    )
    try:
        verdicts = [judge(key, claim, evidence) for key, claim in claims.items()]
    except ValueError as error:
        raise UserError(str(error)) from error
    inputs = {str(path.relative_to(path.parents[1])): path for path in files}
    made_by = provenance("claims", dict(claims), inputs, ["numpy", "pandas", "scipy"])
    facts = {"iterations": dict(iterations), "images": {model: images[model] for model in evidence.costs}}
    write_verdicts(out, verdicts, {**made_by, "facts": facts})
