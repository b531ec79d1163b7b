"""What each engine plans, as JSON on stdout: `python plans.py VERB`, in a project's folder.

`snakemake [FILE]` gives the jobs of a params file, `dvc` the stages of each dvc.yaml, `needed FILE ...` the names of
the jobs that Snakemake would run now, if params.yaml were each of these files. Snakemake's jobs are called as
`adm.pipeline` calls them.
"""
# ruff: noqa: PLC0415

import json
import sys
from contextlib import contextmanager, redirect_stdout
from pathlib import Path


@contextmanager
def snakemake_dag(params_files, forceall):
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


def name_of(job):
    return "/".join([job.rule.name, *dict(job.wildcards).values()])


def needed(*files):
    texts, params, found = [Path(file).read_text() for file in files], Path("params.yaml"), []
    before = params.read_text()
    try:
        for text in texts:
            params.write_text(text)
            with snakemake_dag([params], forceall=False) as dag:
                found.append(sorted({name_of(job) for job in dag.needrun_jobs() if job.rule.name != "all"}))
    finally:
        params.write_text(before)
    return found


def snakemake_plan(*params_files):
    with snakemake_dag(params_files, forceall=True) as dag:
        jobs = {
            name_of(job): {
                "command": job.shellcmd,
                "inputs": sorted(map(str, job.input)),
                "outputs": sorted(map(str, job.output)),
                "after": sorted(map(name_of, dag.dependencies[job])),
                "triggers": job.params.triggers,
                "image": str(job.container_img_url),
                "limits": [job.resources.get(name) for name in ("mem_mb", "runtime")],
            }
            for job in dag.jobs
            if job.rule.name != "all"
        }
    return {"jobs": jobs, "imported_torch": "torch" in sys.modules}


def dvc_plan():
    from dvc.repo import Repo

    repo = Repo()
    plan = {}
    for stage in repo.index.stages:
        plan.setdefault(stage.path_in_repo, {})[stage.name] = {
            "command": stage.cmd,
            "inputs": sorted(relative(dep) for dep in stage.deps),
            "outputs": sorted(relative(out) for out in stage.outs),
            "uncached": sorted(relative(out) for out in stage.outs if not out.use_cache),
            "after": [],
        }
    for one, other in repo.index.graph.edges:
        plan[one.path_in_repo][one.name]["after"].append(other.name)
    return plan


def relative(output):
    return str(Path(output.fs_path).relative_to(Path.cwd()))


if __name__ == "__main__":
    plans = {"snakemake": snakemake_plan, "dvc": dvc_plan, "needed": needed}
    print(json.dumps(plans[sys.argv[1]](*sys.argv[2:])))
