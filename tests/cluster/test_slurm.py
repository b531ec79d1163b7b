"""The pipeline on a real Slurm of two nodes: the profile's groups, resources and retries, and jobs that are killed."""

import re
import subprocess
import time
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from miniature import TIMEOUT, Project, miniature_params

SCRIPT = Path(__file__).with_name("slurm.sh")
LOG = Path("/run/adm-slurm/slurmctld.log")
PROFILE = ("--workflow-profile", "workflow/profiles/slurm")
# There is no slurmdbd, and jobs of seconds are asked after more often.
HERE = ("--slurm-status-command", "squeue", "--slurm-no-account", "--slurm-init-seconds-before-status-checks", "2")
ON_SLURM = (*PROFILE, *HERE, "--seconds-between-status-checks", "2")

ROOT = "results/embedded"
SHOWN = (f"{ROOT}/tables/own.md", f"{ROOT}/figures/figure_6.png")
LONGEST = 45
LONG, HEAVY, WIDE = "long-300", "heavy-2", "wide-300"


def params():
    """The miniature with three more models: two to be stopped amid their training, and one to be too heavy."""
    changed = miniature_params()
    changed["execution"] = {"save_every": 10, "log_every": 5}
    changed["tables"]["own"]["rows"] = ["scale-0", "scale-2"]
    for name, stop in (("long", 300), ("heavy", 2), ("wide", 300)):
        changed["models"][name] = {**changed["models"]["adm-128"], "checkpoints": [stop]}
    return changed


def checkpoint(segment):
    return f"{ROOT}/checkpoints/{segment}"


@pytest.fixture(scope="module")
def slurm():
    """A Slurm on this machine."""
    up = subprocess.run([SCRIPT, "up"], stderr=subprocess.PIPE, text=True, check=False)
    if up.returncode == 77:
        pytest.skip(up.stderr.splitlines()[-1])
    try:
        assert up.returncode == 0, up.stderr
        yield
    finally:
        subprocess.run([SCRIPT, "down"], check=True)


@contextmanager
def told():
    """With whatever fails, what Slurm has queued and what it did last."""
    try:
        yield
    except (AssertionError, subprocess.SubprocessError) as error:
        queue = subprocess.run(["squeue"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        log = LOG.read_text().splitlines()[-40:] if LOG.exists() else []
        error.add_note("\n".join([queue.stdout, *log]))
        raise


class OnSlurm(Project):
    """A project whose jobs Slurm runs."""

    def run(self, *command, **options):
        with told():
            return super().run(*command, **options)


@pytest.fixture(scope="module")
def on_cluster(slurm, projects):
    """A project whose table and figure Slurm has made, where no job may have more than LONGEST minutes."""
    project = OnSlurm(projects / "on_cluster", params())
    profile = project.folder / PROFILE[1] / "config.yaml"
    old, new = "\nresources:\n", f"\nresources:\n  mem_mb: 500000\n  runtime: {LONGEST}\n"
    assert profile.read_text().count(old) == 1
    profile.write_text(profile.read_text().replace(old, new))
    project.snakemake(*ON_SLURM, *SHOWN)
    return project


@pytest.fixture(scope="module")
def local(new_project):
    """The same without Slurm, and the long segment trained without a stop."""
    project = new_project("local", params())
    project.snakemake("--quiet", "all", "--", *SHOWN, checkpoint(LONG))
    return project


def jobs(comment):
    """What Slurm knows of the jobs that have a comment, which names rule and wildcards; in the order they came in."""
    shown = subprocess.run(["scontrol", "--oneliner", "show", "job"], stdout=subprocess.PIPE, text=True, check=True)
    found = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in shown.stdout.splitlines()]
    return sorted((job for job in found if job.get("Comment") == comment), key=lambda job: int(job["JobId"]))


def saved(project, segment, steps=30):
    """The newest rolling state of a segment, once it is of a few saves."""
    found = (project.folder / ROOT / "work" / "train" / segment).glob("*/step-*")
    newest = max(found, key=step, default=None)
    return newest if newest and step(newest) >= steps else None


def step(folder):
    return int(folder.name.partition("-")[2])


def within(seconds, condition):
    """Wait until a condition holds; return what it gave."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"{condition.__name__}: not within {seconds} s"
        time.sleep(0.1)
    return found


@contextmanager
def started(project, *options):
    """Snakemake at work in a project, and what it has printed once it ends; it does not outlive the block."""
    log = project.folder / "snakemake.txt"
    with log.open("w") as file:
        process = subprocess.Popen(
            ["snakemake", *options], cwd=project.folder, env=project.environment, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        with told():
            yield process
            assert process.wait(timeout=TIMEOUT) == 0, log.read_text()
    finally:
        process.terminate()
        process.wait()


def test_table_and_figure_are_those_of_a_local_run(on_cluster, local):
    made, expected = on_cluster.artifacts(), local.artifacts()
    assert {f"tables/{Path(SHOWN[0]).name}", f"figures/{Path(SHOWN[1]).name}"} <= made.keys()
    assert [name for name in made if made[name] != expected.get(name)] == []


def test_no_job_is_given_more_time_than_any_may_have(on_cluster):
    # The profile gives an hour; of a group, the sum: two runs, each of whose features two extractors take.
    (figure,) = jobs("rule_figure_wildcards_figure_6")
    (score,) = jobs("rule_score_evaluate_features")
    assert (figure["TimeLimit"], score["TimeLimit"]) == ("00:45:00", "04:30:00")


def test_cancelled_training_goes_on_where_it_stood(on_cluster, local):
    comment = f"rule_train_wildcards_{LONG}"

    def rolling():
        return saved(on_cluster, LONG)

    def cancelled():
        return jobs(comment)[0]["JobState"] == "CANCELLED"

    with started(on_cluster, *ON_SLURM, checkpoint(LONG)):
        within(900, rolling)
        (job,) = jobs(comment)
        subprocess.run(["scancel", job["JobId"]], check=True)
        within(300, cancelled)
        state = rolling()
        before = (state.parent / "log.csv").read_text().splitlines()
    assert [job["JobState"] for job in jobs(comment)] == ["CANCELLED", "COMPLETED"]
    # Rows tell seconds measured: training that began anew would have written others.
    kept = [row for row in before[1:] if int(row.partition(",")[0]) <= step(state)]
    after = (on_cluster.folder / ROOT / "training" / f"{LONG}.csv").read_text().splitlines()
    assert len(kept) >= 5
    assert after[1 : 1 + len(kept)] == kept
    assert bytes_of(on_cluster, checkpoint(LONG)) == bytes_of(local, checkpoint(LONG))


def test_training_on_two_nodes_goes_on_after_one_of_them_died(on_cluster, local):
    comment = f"rule_train_wildcards_{WIDE}"
    changed = params()
    changed["resources"] = {"train": {"processes": 2}}
    local.write_params(changed)
    local.snakemake("--quiet", "all", "--", checkpoint(WIDE))
    changed["resources"] = {"train": {"nodes": 2}}
    on_cluster.write_params(changed)

    def rolling():
        return saved(on_cluster, WIDE)

    def failed():
        return jobs(comment)[0]["JobState"] == "FAILED"

    with started(on_cluster, *ON_SLURM, checkpoint(WIDE)):
        within(900, rolling)
        (job,) = jobs(comment)
        assert (job["NumNodes"], job["NodeList"]) == ("2", "node[1-2]")
        killed = [process for process in psutil.process_iter() if is_of(process, job["JobId"], "node2")]
        for process in killed:
            with suppress(psutil.NoSuchProcess):  # it ends with its launcher
                process.kill()
        assert len(killed) >= 2, "a launcher and its process"
        within(60, failed)
        assert not (on_cluster.folder / checkpoint(WIDE)).exists()
        first = Path(job["StdOut"]).read_text()
    assert [job["JobState"] for job in jobs(comment)] == ["FAILED", "COMPLETED"]
    assert re.search(r"^ *error: .*node2", first, flags=re.MULTILINE), first
    assert bytes_of(on_cluster, checkpoint(WIDE)) == bytes_of(local, checkpoint(WIDE))


def is_of(process, job, node):
    """Whether a job of Slurm runs a process on a node."""
    try:
        found = process.environ()
    except psutil.Error:
        return False
    return (found.get("SLURM_JOB_ID"), found.get("SLURMD_NODENAME")) == (job, node) and process.name() != "slurmstepd"


def bytes_of(project, folder):
    files = (path for path in (project.folder / folder).iterdir() if path.name != ".snakemake_timestamp")
    return {path.name: path.read_bytes() for path in files}


def test_job_over_its_memory_is_tried_again_with_more(on_cluster):
    changed = params()
    # Snakemake and torch alone take more.
    changed["resources"] = {"train": {"memory_mb": 300}}
    on_cluster.write_params(changed)
    on_cluster.snakemake(*ON_SLURM, checkpoint(HEAVY))
    first, *_, last = tried = jobs(f"rule_train_wildcards_{HEAVY}")
    assert [job["MinMemoryNode"] for job in tried] == ["300M", "600M", "1200M"][: len(tried)]
    assert (first["JobState"], last["JobState"]) == ("FAILED", "COMPLETED")
    assert "exceeded memory limit" in Path(first["StdOut"]).read_text()


@pytest.mark.parametrize(("run", "nodes"), [("base-2", 1), ("through-2", 2)])
def test_stage_on_gpus_asks_slurm_for_one_a_process(on_cluster, run, nodes):
    changed = params()
    changed["resources"] = {"sample": {"nodes": nodes, "device": "cuda"}}
    on_cluster.write_params(changed)
    # The GPU of this Slurm is none: how sampling ends depends on the machine's own.
    command = ["snakemake", *ON_SLURM, "--retries", "0", f"{ROOT}/samples/{run}"]
    with told():
        subprocess.run(command, cwd=on_cluster.folder, env=on_cluster.environment, timeout=TIMEOUT, check=False)
    (job,) = jobs(f"rule_sample_wildcards_{run}")
    assert (job["TresPerJob"], job["NumNodes"]) == (f"gres/gpu:{nodes}", str(nodes))
    assert list((on_cluster.folder / ROOT / "logs" / "sample").glob(f"{run}.*")), "the stage was not begun"


def test_table_of_fifty_runs_is_few_submissions(new_project):
    changed = params()
    changed["runs"]["many"] = {**changed["runs"]["scale"], "sweep": {"seed": list(range(50))}}
    changed["tables"]["own"] |= {"rows": [f"many-{seed}" for seed in range(50)], "judges": []}
    project = new_project("fifty", changed)
    submitted = submissions(project, f"{ROOT}/tables/own.md")
    assert (submitted["rule sample"], submitted["Group job score"], submitted["rule table"]) == (50, 10, 1)
    # The rest trains, and scores real images.
    assert submitted.total() <= 70


def submissions(project, target):
    """What would be submitted, counted by group or rule."""
    printed = project.run("snakemake", *PROFILE, "--dry-run", target)
    # A job of a group is indented below it.
    found = re.findall(r"^(?:\[.*\] )?(Group job \w+|rule \w+)", printed, flags=re.MULTILINE)
    return Counter(name for name in found if name not in ("rule resolve", "rule all"))
