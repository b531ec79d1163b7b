"""The graph: from a params file to its jobs."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from adm.paper import JUDGED, TABLES, captions, table_cells
from adm.params import Params, UserError
from adm.params.claims import grouped
from adm.params.data import of_files
from adm.params.errors import accepted
from adm.params.excerpt import excerpt
from adm.params.figures import SchedulesFigureParams
from adm.params.judges import judged, parts
from adm.params.metrics import METRICS, AskedParams
from adm.params.needs import Needs, needs_of, needs_of_claims, needs_of_figure, needs_of_table
from adm.params.references import keys_in, keys_read
from adm.params.registry import rows_in
from adm.params.resources import JobResources, ProcessResources
from adm.params.runs import RunParams, UpsampledRunParams
from adm.params.schedules import SearchParams, VariationalParams
from adm.params.section import Section
from adm.params.studies import InterpolationParams, LikelihoodParams, NeighboursParams, VariationParams
from adm.params.tables import HyperparametersParams, OwnTableParams, ScalesParams
from adm.pipeline.jobs import RULES, SHARED, Job
from adm.report.page.parts import digest_of_parts

STUDIES = {
    InterpolationParams: ("interpolate", "interpolation"),
    NeighboursParams: ("neighbours", "neighbours"),
    VariationParams: ("vary", "variation"),
    LikelihoodParams: ("likelihood", "likelihood"),
    VariationalParams: ("schedule", "schedule"),
    SearchParams: ("schedule", "schedule"),
}
"""The rule of each kind of study, and what its section is called."""

FILES = {
    "metrics": "evaluate",
    "judged": "judge",
    "throughput": "throughput",
    "sizes": "sizes",
}
"""Rules that make what a table, a figure or claims need, by its kind, where there is but one for it."""


class Pipeline:
    """All jobs of a params file.

    Args:
        params: The written-out params file.
        shards: Number of shards of each run; None takes the number in the params file.
        root: The results folder; None takes the folder in the params file.
    """

    def __init__(self, params: Params, shards: int | None = None, root: Path | None = None) -> None:
        self.params = params
        self.root = root or Path(params.paths.results)
        self.shards = params.execution.shards if shards is None else shards

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """Every job by its name, each after the jobs that it waits for."""
        makers = self._makers
        named = {job.name: job for job in makers.values()}
        after = {name: [makers[path].name for path in job.inputs.values()] for name, job in named.items()}
        return {name: named[name] for name in TopologicalSorter(after).static_order()}

    @cached_property
    def _makers(self) -> dict[Path, Job]:
        """The job that makes each artifact."""
        made = [
            *(*self._data(), *self._training(), *self._scoring(), *self._judging()),
            *(*self._studies(), *self._report()),
        ]
        return {path: job for job in made for path in job.outputs.values()}

    def after(self, job: Job) -> list[str]:
        """The names of the jobs whose artifacts a job reads."""
        return list(dict.fromkeys(self.maker(path).name for path in job.inputs.values()))

    def maker(self, path: Path) -> Job:
        """The job that writes a file or folder."""
        return self._makers[path]

    @property
    def triggers(self) -> dict[str, dict[str, Any]]:
        """What has each job run again, by its name; of runs both whole, as DVC samples them, and in shards."""
        jobs = {**self.jobs, **Pipeline(self.params, 1, self.root).jobs}
        return {name: job.triggers for name, job in jobs.items() if job.rule != "resolve"}

    def of_rule(self, rule: str) -> list[Job]:
        """The jobs of a kind, in the order of the params file."""
        return [job for job in self.jobs.values() if job.rule == rule]

    def find(self, verb: str, argument: str, shard: str = "") -> Job:
        """The job of a command line.

        Raises:
            UserError: There is no such job; the message names those that exist.
        """
        found = {job.argument: job for job in self.jobs.values() if job.verb == verb and job.shard == shard}
        if verb == "sample" and (shard or argument not in found):
            # A whole run can be sampled even if the params file cuts it into shards, and the other way round.
            count = int(shard.rpartition("-")[2]) if shard else 1
            if count != self.shards:
                return Pipeline(self.params, count, self.root).find(verb, argument, shard)
        if verb == "prepare" and argument in self.params.datasets and argument not in found:
            of = self.params.datasets[argument].of
            raise UserError(f"prepare {argument!r}: is a view of {of!r}, which serves it; type: adm prepare {of}")
        if argument not in found:
            raise UserError(f"{verb} {argument!r}: is not in the params file; {accepted(list(found), argument)}")
        return found[argument]

    def path(self, rule: str, key: str) -> Path:
        """The path of the artifact of a rule and a key."""
        return Job(rule, key, self.root).outputs["out"]

    def resources(self, job: Job) -> JobResources | ProcessResources:
        """The resources of a job."""
        taken = getattr(self.params.resources, RULES[job.rule].resources)
        if job.rule == "throughput":
            return ProcessResources(**taken.model_dump(), device=job.sections["throughput"].device)
        if job.rule in SHARED or not isinstance(taken, ProcessResources):
            return taken  # type: ignore[no-any-return]
        # Studies are computed by a single process.
        return taken.model_copy(update={"nodes": 1, "processes": 1})

    @property
    def fingerprint(self) -> str:
        """A hash of what has any job run again."""
        triggers = {name: job.triggers for name, job in self.jobs.items()}
        return hashlib.sha256(json.dumps(triggers).encode()).hexdigest()

    @property
    def shown(self) -> dict[str, list[str]]:
        """The keys of what the page shows, by rule, in the order of the params file."""
        params = self.params
        return {"claims": list(grouped(params.claims)), "table": list(params.tables), "figure": list(params.figures)}

    def dataset(self, key: str) -> Path:
        """The path of a dataset's images; those of a view are of the dataset whose view it is."""
        return self.path("prepare", self.params.datasets[key].of or key)

    # Where what others make lies.

    def _checkpoint(self, key: str) -> Path:
        return self.path("train", key)

    def _graph(self, key: str) -> Path:
        return self.path("extractor", key)

    def _samples(self, key: str) -> Path:
        return self.path("sample", key)

    def _job(self, rule: str, key: str, inputs: Mapping[str, Path], shard: str = "", /, **sections: Any) -> Job:
        threads = next((section.threads for section in sections.values() if hasattr(section, "threads")), 1)
        return Job(rule, key, self.root, inputs, sections, threads, shard)

    # The jobs.

    def _data(self) -> Iterator[Job]:
        params = self.params
        yield self._job("resolve", "", {})
        for kind in ("checkpoints", "samples", "references", "graphs"):
            for key, published in getattr(params.published, kind).items():
                model = {"model": params.models[published.model]} if kind == "checkpoints" else {}
                yield self._job("fetch", f"{kind}/{key}", {}, published=published.file)
                source = {"source": self.path("fetch", f"{kind}/{key}")}
                yield self._job(f"adopt_{kind}", key, source, published=published, **model)
        for key, dataset in params.datasets.items():
            if dataset.of is None:
                yield self._job("prepare", key, {}, dataset=dataset.prepared)
        for key, extractor in params.extractors.items():
            data = {"data": self.dataset(extractor.dataset)}
            yield self._job("extractor", key, data, extractor=extractor, dataset=params.datasets[extractor.dataset])

    def _training(self) -> Iterator[Job]:
        params = self.params
        for key, model in params.models.items():
            yield self._job("init", key, {}, model=model)
        for key, segment in params.segments.items():
            inputs = {
                "data": self.dataset(segment.dataset),
                "previous": self._checkpoint(segment.previous),
            }
            model, dataset = params.models[segment.model], params.datasets[segment.dataset]
            start = params.iteration_of(segment.previous)
            job = self._job("train", key, inputs, segment=segment, model=model, dataset=dataset, start=start)
            yield _with_threads(job, model.training.threads)
        for key, gan in params.gans.items():
            data = {"data": self.dataset(gan.dataset)}
            yield self._job("train_gan", key, data, gan=gan, dataset=params.datasets[gan.dataset])
        if params.models:
            yield self._job("sizes", "", {}, models=params.models)
        for key, throughput in params.throughput.items():
            yield self._job("throughput", key, {}, throughput=throughput, model=params.models[throughput.model])

    def _scoring(self) -> Iterator[Job]:
        params = self.params
        runs: dict[str, RunParams | UpsampledRunParams] = {**params.runs, **params.upsampled_runs}
        for key, run in runs.items():
            if params.curve_of(key) is None:
                yield from self._sampling(key, run)
        for key, members in params.curves.items():
            yield self._curve(key, {run: params.runs[run] for run in members})
        for key, gan_run in params.gan_runs.items():
            inputs = {"gan": self.path("train_gan", gan_run.gan)}
            gan = params.gans[gan_run.gan]
            yield self._job("sample_gan", key, inputs, run=gan_run, gan=gan, dataset=params.datasets[gan.dataset])
        for key, reference in params.all_references.items():
            graph, batch = reference.extractor, self.path("reference", key)
            yield self._features("reference_features", key, batch, graph)
            if key in params.references:
                dataset = params.references[key].dataset
                data, size = self.dataset(dataset), of_files(params.datasets[dataset])
                yield self._features("dataset_features", key, data, graph, **size)
                inputs = {"features": self.path("dataset_features", key), "data": data}
                yield self._job("reference", key, inputs, reference=reference, **size)
        for key, scored in params.scored.items():
            if params.curve_of(key) is not None:
                continue
            yield self._features("features", key, self._samples(key), params.extractor_of(key))
            inputs = {
                "samples": self._samples(key),
                "features": self.path("features", key),
                "reference": self.path("reference", scored.reference),
                "reference_features": self.path("reference_features", scored.reference),
            }
            sections = {"run": scored, "reference": params.reference_of(key), **self._asked([key])}
            yield self._job("evaluate", key, inputs, **sections)

    def _judging(self) -> Iterator[Job]:
        """What judges make of the runs that tables and claims ask for, and of their references."""
        params = self.params
        needs = [needs_of_table(params, key) for key in params.tables]
        needs += [needs_of_claims(params, group) for group in grouped(params.claims)]
        keys = keys_in(key for each in needs for key in each.judged)
        for key in keys:
            run, judge = parts(key)
            reference = params.scored[run].reference
            shared = judged(reference, judge)
            yield self._features("features", key, self._samples(run), judge)
            inputs = {
                "samples": self._samples(run),
                "features": self.path("features", key),
                "reference": self.path("reference", reference),
                "reference_features": self.path("reference_features", shared),
            }
            size: dict[str, Section] = {}
            if reference in params.references:
                dataset = params.references[reference].dataset
                inputs |= {"dataset_features": self.path("dataset_features", shared), "data": self.dataset(dataset)}
                size |= of_files(params.datasets[dataset])
            sections = {"run": params.scored[run], "reference": params.reference_of(run), **self._asked([run])}
            yield self._job("judge", key, inputs, **sections, extractor=params.graphs[judge], **size)
        for reference, judge in dict.fromkeys((params.scored[run].reference, judge) for run, judge in map(parts, keys)):
            shared = judged(reference, judge)
            yield self._features("reference_features", shared, self.path("reference", reference), judge)
            if reference in params.references:
                dataset = params.references[reference].dataset
                size = {**of_files(params.datasets[dataset])}
                yield self._features("dataset_features", shared, self.dataset(dataset), judge, **size)

    def _features(self, rule: str, key: str, images: Path, graph: str, **size: Section) -> Job:
        inputs = {"images": images, "graph": self._graph(graph)}
        return self._job(rule, key, inputs, extractor=self.params.graphs[graph], **size)

    def _sampling(self, key: str, run: RunParams | UpsampledRunParams) -> Iterator[Job]:
        """A run's job, or the jobs of its shards and the one that gathers them."""
        networks, sections = self._networks(run.checkpoint, run.classifier if isinstance(run, RunParams) else None)
        if isinstance(run, RunParams) and run.guide is not None:
            networks["guide"] = self._checkpoint(run.guide.checkpoint)
            sections["guide_model"] = self.params.models[self.params.model_of(run.guide.checkpoint)]
        base = {"base": self._samples(run.base)} if isinstance(run, UpsampledRunParams) else {}
        inputs, sections = {**networks, **base, **self._schedule_of(run)}, {"run": run, **sections}
        if self.shards == 1:
            yield self._job("sample", key, inputs, **sections)
            return
        shards = [
            self._job("sample_shard", key, inputs, f"{number}-of-{self.shards}", **sections)
            for number in range(1, self.shards + 1)
        ]
        yield from shards
        parts = {f"shards/{shard.shard}": shard.outputs["out"] for shard in shards}
        yield Job("gather", key, self.root, {**inputs, **parts}, {"run": run})

    def _curve(self, key: str, runs: Mapping[str, RunParams]) -> Job:
        """The job that samples and scores the runs of a curve."""
        params, (any_run, *_) = self.params, runs.values()
        extractor = params.all_references[any_run.reference].extractor
        inputs = {
            "graph": self._graph(extractor),
            "reference": self.path("reference", any_run.reference),
            "reference_features": self.path("reference_features", any_run.reference),
        }
        networks = keys_in(name for run in runs.values() for name in run.networks.values())
        inputs |= {f"networks/{name}": self._checkpoint(name) for name in networks}
        schedules = keys_in(filter(None, (run.schedule for run in runs.values())))
        inputs |= {f"schedules/{name}": self.path("schedule", name) for name in schedules}
        sections = {
            "runs": runs,
            "models": {name: params.models[params.model_of(name)] for name in networks},
            "extractor": params.graphs[extractor],
            "reference": params.all_references[any_run.reference],
            **self._asked(runs),
        }
        return _with_threads(self._job("curve", key, inputs, **sections), max(run.threads for run in runs.values()))

    def _schedule_of(self, run: RunParams | UpsampledRunParams) -> dict[str, Path]:
        """The schedule that is found for a run, if it has one."""
        return {} if run.schedule is None else {"schedule": self.path("schedule", run.schedule)}

    def _networks(self, checkpoint: str, classifier: str | None) -> tuple[dict[str, Path], dict[str, Section]]:
        """The checkpoints of a diffusion model and, if there is one, of its classifier, and the sections of both."""
        named = {"checkpoint": checkpoint, **({} if classifier is None else {"classifier": classifier})}
        models = {"checkpoint": "model", "classifier": "classifier_model"}
        return (
            {name: self._checkpoint(key) for name, key in named.items()},
            {models[name]: self.params.models[self.params.model_of(key)] for name, key in named.items()},
        )

    def _studies(self) -> Iterator[Job]:
        params = self.params
        for key, study in params.studies.items():
            rule, name = STUDIES[type(study)]
            sections: dict[str, Section] = {name: study}
            inputs: dict[str, Path] = {}
            match study:
                case NeighboursParams():
                    reference = params.scored[study.run].reference
                    inputs = {
                        "samples": self._samples(study.run),
                        "features": self.path("features", study.run),
                        "data": self.dataset(params.references[reference].dataset),
                        "dataset_features": self.path("dataset_features", reference),
                    }
                case VariationParams():
                    run = params.runs[study.run]
                    inputs, models = self._networks(run.checkpoint, run.classifier)
                    inputs |= self._schedule_of(run)
                    sections |= {"run": run, **models}
                case SearchParams():
                    run, graph = params.runs[study.run], params.extractor_of(study.run)
                    inputs, models = self._networks(run.checkpoint, run.classifier)
                    inputs |= {"graph": self._graph(graph), "reference": self.path("reference", run.reference)}
                    sections |= {"run": run, **models, "extractor": params.graphs[graph]}
                case LikelihoodParams() | VariationalParams():
                    inputs, models = self._networks(study.checkpoint, None)
                    inputs |= {"data": self.dataset(study.dataset)}
                    sections |= models
                case InterpolationParams():
                    inputs, models = self._networks(study.checkpoint, study.classifier)
                    inputs |= {"data": self.dataset(study.dataset)}
                    sections |= models
            yield self._job(rule, key, inputs, **sections)

    def _asked(self, runs: Iterable[str]) -> dict[str, AskedParams]:
        """The section of the metrics that runs are scored by beside those of every run; nothing if there are none."""
        names = sorted({name for run in runs for name in self._asked_of.get(run, ())})
        return {"asked": AskedParams(metrics=names)} if names else {}

    @cached_property
    def _asked_of(self) -> dict[str, set[str]]:
        """By run, the metrics that tables, figures and claims ask for beside those of every run."""
        params, found = self.params, dict[str, set[str]]()
        needs: list[tuple[Any, Needs]] = [
            *((table, needs_of_table(params, key)) for key, table in params.tables.items()),
            *((figure, needs_of_figure(params, key)) for key, figure in params.figures.items()),
            *((claim, needs_of(params, claim)) for claim in params.claims.values()),
        ]
        for shown, need in needs:
            rows = (row.partition(".") for row in rows_in(shown))
            if asked := {name for what, _, name in rows if what == METRICS.what} - {*METRICS.always}:
                for run in (*need.metrics, *(parts(key)[0] for key in need.judged)):
                    found.setdefault(run, set()).update(asked)
        return found

    def _report(self) -> Iterator[Job]:
        params = self.params
        for key, table in params.tables.items():
            needs = needs_of_table(params, key)
            models = keys_read(table, "sizes") if isinstance(table, HyperparametersParams) else []
            read = excerpt(params, needs, models=models)
            if isinstance(table, ScalesParams):  # it prints values of the params file alone
                read = read.model_copy(
                    update={"runs": {run: params.runs[run] for run in keys_in([*table.ddpm, *table.ddim])}}
                )
            words = {"caption": _caption(key, table), "paper": _paper(key, table)}
            yield self._job("table", key, self._needed(needs), table=table, read=read, **words)
        for key, figure in params.figures.items():
            needs = needs_of_figure(params, key)
            runs = keys_in(figure.runs.values()) if isinstance(figure, SchedulesFigureParams) else []
            read, caption = excerpt(params, needs, runs), _caption(key, figure)
            yield self._job("figure", key, self._needed(needs), figure=figure, read=read, caption=caption)
        for group, claims in grouped(params.claims).items():
            needs, models = (
                needs_of_claims(params, group),
                [model for one in claims.values() for model in keys_read(one, "sizes")],
            )
            yield self._job(
                "claims", group, self._needed(needs), claims=claims, read=excerpt(params, needs, models=models)
            )
        if any(self.shown.values()):
            yield self._page()

    def _page(self) -> Job:
        """The job of the page, which shows all tables, figures and claims, the logs of training, and the params."""
        shown = [Job(rule, key, self.root) for rule, keys in self.shown.items() for key in keys]
        inputs = {f"{job.name}.{ending}": path for job in shown for ending, path in job.outputs.items()}
        inputs |= {f"training/{key}": self._artifact("training", key) for key in self.params.segments}
        inputs["params"] = Job("resolve", "", self.root).outputs["params"]
        return self._job("report", "", inputs, parts=digest_of_parts())

    def _needed(self, needs: Needs) -> dict[str, Path]:
        """The artifacts that a table, a figure or claims are made from."""
        return {f"{kind}/{key}": self._artifact(kind, key) for kind, keys in needs.items() for key in keys}

    def _artifact(self, kind: str, key: str) -> Path:
        match kind:
            case "metrics" if curve := self.params.curve_of(key):
                return self.path("curve", curve)
            case "samples":
                return self._samples(key)
            case "data":
                return self.dataset(key)
            case "training":
                return Job("train", key, self.root).outputs["log"]
            case "studies":
                return self.path(STUDIES[type(self.params.studies[key])][0], key)
        return self.path(FILES[kind], key)


def _with_threads(job: Job, threads: int) -> Job:
    return Job(job.rule, job.key, job.root, job.inputs, job.sections, threads, job.shard)


def _caption(key: str, shown: Any) -> str:
    """The caption of a table or figure: its own, or the paper's."""
    return getattr(shown, "caption", None) or captions()[key]


def _paper(table: str, shown: Any) -> str:
    """A hash of the published values that a table shows; "" if it shows none."""
    name = JUDGED if isinstance(shown, OwnTableParams) and shown.published is not None else table
    return hashlib.sha256(repr(table_cells(name)).encode()).hexdigest()[:16] if name in (*TABLES, JUDGED) else ""
