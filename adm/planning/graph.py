"""The jobs of a params file and what each waits for, as Snakemake plans them, without an engine."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter

from adm.params.data import ReferenceParams
from adm.params.needs import needs_of_claims, needs_of_figure, needs_of_table
from adm.params.published import PublishedReferenceParams
from adm.params.runs import RunParams, UpsampledRunParams
from adm.params.schema import Params
from adm.params.sources import Needs
from adm.params.studies import InterpolationParams, LikelihoodParams, NeighboursParams, VariationParams
from adm.sampling.blocks import Shard


@dataclass(frozen=True)
class Job:
    """One call of a verb.

    Attributes:
        rule: What Snakemake calls its kind, such as "train".
        key: The keys of the params file that it is for, joined by "@"; "" where there is but one such job.
        after: The names of the jobs whose artifacts it reads.
        shard: Which part of a run; None for all that is not cut into shards.
    """

    rule: str
    key: str
    after: tuple[str, ...] = ()
    shard: Shard | None = None

    @property
    def name(self) -> str:
        """As Snakemake's wildcards spell it: `train@adm-64-200k`, `sample_shard@scale-512-4@3-of-8`."""
        part = "" if self.shard is None else f"{self.shard.number}-of-{self.shard.count}"
        return "@".join(filter(None, (self.rule, self.key, part)))


def jobs_of(params: Params) -> dict[str, Job]:
    """All jobs of a params file by name; each stands behind those that it waits for."""
    jobs = [*_data(params), *_training(params), *_scoring(params), *_report(params)]
    named = {job.name: job for job in jobs}
    order = TopologicalSorter({name: job.after for name, job in named.items()}).static_order()
    return {name: named[name] for name in order}


def checkpoint_maker(params: Params, checkpoint: str) -> str:
    """The job that makes a checkpoint."""
    if checkpoint in params.segments:
        return f"train@{checkpoint}"
    if checkpoint in params.published.checkpoints:
        return f"adopt_checkpoints@{checkpoint}"
    return f"init@{checkpoint.removesuffix('-0')}"


def samples_maker(params: Params, run: str) -> str:
    """The job that makes a batch of samples."""
    rules: dict[str, Container[str]] = {
        "sample": params.runs,
        "upsample": params.upsampled_runs,
        "sample_gan": params.gan_runs,
        "adopt_samples": params.published.samples,
    }
    return next(f"{rule}@{run}" for rule, runs in rules.items() if run in runs)


def graph_maker(params: Params, graph: str) -> str:
    """The job that makes a graph of features."""
    return f"{'extractor' if graph in params.extractors else 'adopt_graphs'}@{graph}"


def batch_maker(params: Params, reference: str) -> str:
    """The job that makes a reference batch."""
    return f"{'reference' if reference in params.references else 'adopt_references'}@{reference}"


def study_maker(params: Params, study: str) -> str:
    """The job that makes a study."""
    rules = {
        InterpolationParams: "interpolate",
        NeighboursParams: "neighbours",
        VariationParams: "vary",
        LikelihoodParams: "likelihood",
    }
    return f"{rules[type(params.studies[study])]}@{study}"


def references_of(params: Params) -> dict[str, ReferenceParams | PublishedReferenceParams]:
    """Every reference by its key, fitted here or published."""
    return {**params.references, **params.published.references}


def _data(params: Params) -> Iterator[Job]:
    yield Job("check", "")
    for key in params.datasets:
        yield Job("prepare", key)
    for key, extractor in params.extractors.items():
        yield Job("extractor", key, (f"prepare@{extractor.dataset}",))
    for kind in ("checkpoints", "samples", "references", "graphs"):
        for key in getattr(params.published, kind):
            yield Job("fetch", f"{kind}@{key}")
            yield Job(f"adopt_{kind}", key, (f"fetch@{kind}@{key}",))


def _training(params: Params) -> Iterator[Job]:
    for key in params.models:
        yield Job("init", key)
    for key, segment in params.segments.items():
        yield Job("train", key, (f"prepare@{segment.dataset}", checkpoint_maker(params, segment.previous)))
    for key, gan in params.gans.items():
        yield Job("train_gan", key, (f"prepare@{gan.dataset}",))
    yield Job("sizes", "")
    for key in params.throughput:
        yield Job("throughput", key)


def _scoring(params: Params) -> Iterator[Job]:
    for key, run in params.runs.items():
        yield from _sampled(params, "sample", key, run, checkpoint_maker(params, run.classifier))
    for key, upsampled in params.upsampled_runs.items():
        yield from _sampled(params, "upsample", key, upsampled, samples_maker(params, upsampled.base))
    for key, of_gan in params.gan_runs.items():
        yield Job("sample_gan", key, (f"train_gan@{of_gan.gan}",))
    for key, reference in references_of(params).items():
        graph, batch = graph_maker(params, reference.extractor), batch_maker(params, key)
        yield Job("reference_features", key, (batch, graph))
        if key in params.references:
            data = f"prepare@{params.references[key].dataset}"
            yield Job("dataset_features", key, (data, graph))
            yield Job("reference", key, (f"dataset_features@{key}", data))
    for key, scored in params.scored.items():
        yield Job("features", key, (samples_maker(params, key), graph_maker(params, scored.extractor)))
        of_reference = (batch_maker(params, scored.reference), f"reference_features@{scored.reference}")
        yield Job("evaluate", key, (f"features@{key}", samples_maker(params, key), *of_reference))
    for key, study in params.studies.items():
        rule, _, _ = study_maker(params, key).partition("@")
        yield Job(rule, key, _inputs_of_study(params, study))


def _sampled(params: Params, rule: str, key: str, run: RunParams | UpsampledRunParams, source: str) -> Iterator[Job]:
    """A run's job, or the jobs of its shards and the one that gathers them."""
    inputs, count = (checkpoint_maker(params, run.checkpoint), source), params.execution.shards
    if count == 1:
        yield Job(rule, key, inputs)
        return
    shards = [Job(f"{rule}_shard", key, inputs, Shard(number, count)) for number in range(1, count + 1)]
    yield from shards
    yield Job(rule, key, tuple(shard.name for shard in shards))


def _inputs_of_study(
    params: Params, study: InterpolationParams | NeighboursParams | VariationParams | LikelihoodParams
) -> tuple[str, ...]:
    match study:
        case NeighboursParams():
            samples = samples_maker(params, study.run)
            return samples, f"features@{study.run}", f"prepare@{study.dataset}", f"dataset_features@{study.reference}"
        case VariationParams():
            return tuple(checkpoint_maker(params, key) for key in (study.checkpoint, study.classifier))
        case LikelihoodParams():
            return checkpoint_maker(params, study.checkpoint), f"prepare@{study.dataset}"
        case InterpolationParams():
            networks = (checkpoint_maker(params, key) for key in (study.checkpoint, study.classifier))
            return (*networks, f"prepare@{study.dataset}")


def _report(params: Params) -> Iterator[Job]:
    for table in params.tables:
        yield Job("table", table, _makers(params, needs_of_table(params, table)))
    for figure in params.figures:
        yield Job("figure", figure, _makers(params, needs_of_figure(params, figure)))
    yield Job("claims", "", _makers(params, needs_of_claims(params)))


def _makers(params: Params, needs: Needs) -> tuple[str, ...]:
    makers = {
        "metrics": lambda key: f"evaluate@{key}",
        "samples": lambda key: samples_maker(params, key),
        "data": lambda key: f"prepare@{key}",
        "training": lambda key: f"train@{key}",
        "studies": lambda key: study_maker(params, key),
        "throughput": lambda key: f"throughput@{key}",
    }
    found = [makers[kind](key) for kind, keys in needs.items() if kind != "sizes" for key in keys]
    return (*found, "sizes") if needs.sizes else tuple(found)
