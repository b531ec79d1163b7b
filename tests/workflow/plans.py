"""What each engine plans, as JSON on stdout: `python plans.py VERB`, in a project's folder.

`snakemake` and `dvc` give all stages, `snakemake FILE` those of another params file, `needed` the names of those that
Snakemake would run now, `images` the containers that its jobs name, `named NAME...` what DVC's stages are called in
Snakemake.

A stage is its name, command, inputs, outputs and params sections. Snakemake's shards of a run and what gathers them
count as one stage, since to DVC they are one; a command is given without the log that Snakemake sends its output to.
"""
# ruff: noqa: PLC0415

import json
import re
import sys
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

LOGGED = (" ) > ", "( ")


@contextmanager
def snakemake_dag(forceall, params_files=()):
    import snakemake.settings.types as settings
    from snakemake.api import SnakemakeApi

    with SnakemakeApi(settings.OutputSettings(quiet={settings.Quietness.ALL})) as api:
        workflow = api.workflow(
            settings.ResourceSettings(cores=2),
            config_settings=settings.ConfigSettings(configfiles=[Path(file) for file in params_files]),
            snakefile=Path("Snakefile"),
        )
        planner = workflow.dag(settings.DAGSettings(forceall=forceall, print_dag_as=str(settings.PrintDag.DOT)))
        with redirect_stdout(sys.stderr):
            planner.printdag()
        yield workflow._workflow.dag


def needed():
    with snakemake_dag(forceall=False) as dag:
        return sorted({stage_name(job) for job in dag.needrun_jobs() if job.rule.name != "all"})


def images():
    with snakemake_dag(forceall=True) as dag:
        return sorted({str(job.container_img_url) for job in dag.jobs if job.rule.name != "all"})


def snakemake_plan(*params_files):
    with snakemake_dag(True, params_files) as dag:
        jobs = [job for job in dag.jobs if job.rule.name != "all"]
        stages, edges = {}, set()
        for job in jobs:
            name = stage_name(job)
            edges |= {(name, stage_name(parent)) for parent in dag.dependencies[job]} - {(name, name)}
            if job.rule.name.endswith("_shard"):
                stages.setdefault(name, {})["shard_command"] = unlogged(job.shellcmd)
                continue
            triggers = job.params.triggers
            stages.setdefault(name, {}).update(
                command=unlogged(job.shellcmd),
                inputs=sorted(str(f) for f in job.input if "/shards/" not in f),
                outputs=sorted(map(str, job.output)),
                sections=sorted(set(triggers) - {"code"}) if "code" in triggers else [],
                code=triggers.get("code"),
            )
    return {"stages": stages, "edges": sorted(edges), "imported_torch": "torch" in sys.modules}


def stage_name(job):
    keys = {name: value for name, value in dict(job.wildcards).items() if name != "scatteritem"}
    return "@".join([job.rule.name.removesuffix("_shard"), *keys.values()])


def unlogged(command):
    end, start = LOGGED
    return command.partition(start)[2].partition(end)[0]


OF_ONE_RULE = {
    r"(features|evaluate|reference_features)_(upsampled|gan|published)": r"\1",
    r"fetch_(\w+)": r"fetch@\1",
    r"table_of_models": r"table",
    r"(table_\d+)": r"table@\1",
    r"table_further": r"table@further",
    r"figure_\w+": r"figure",
}
"""DVC takes several stages where a section, or a folder, differs: their names, and what stands for the rule's."""


def dvc_name(addressing):
    stage, at, key = addressing.partition("@")
    for pattern, name in OF_ONE_RULE.items():
        if re.fullmatch(pattern, stage):
            stage = re.sub(pattern, name, stage)
            break
    return stage + at + key


def dvc_plan():
    from dvc.repo import Repo

    repo = Repo()
    root = Path.cwd()

    def relative(path):
        return str(Path(path).relative_to(root))

    # Those of the other scales have a dvc.yaml of their own.
    ours = [stage for stage in repo.index.stages if Path(stage.path_in_repo) == Path("dvc.yaml")]
    stages = {}
    for stage in ours:
        files = [dep for dep in stage.deps if not hasattr(dep, "params") or not dep.params]
        sections = [key for dep in stage.deps if getattr(dep, "params", None) for key in dep.params]
        stages[dvc_name(stage.addressing)] = {
            "command": stage.cmd,
            "inputs": sorted(relative(dep.fs_path) for dep in files),
            "outputs": sorted(relative(out.fs_path) for out in stage.outs),
            "uncached": sorted(relative(out.fs_path) for out in stage.outs if not out.use_cache),
            "sections": sorted(sections),
        }
    pairs = [(a, b) for a, b in repo.index.graph.edges if a in ours]
    edges = sorted({(dvc_name(a.addressing), dvc_name(b.addressing)) for a, b in pairs})
    return {"stages": stages, "edges": edges}


if __name__ == "__main__":
    named = [dvc_name(addressing) for addressing in sys.argv[2:]]
    plans = {
        "snakemake": lambda: snakemake_plan(*sys.argv[2:]),
        "dvc": dvc_plan,
        "needed": needed,
        "images": images,
        "named": lambda: sorted(named),
    }
    plan = plans[sys.argv[1]]()
    print(json.dumps(plan))
