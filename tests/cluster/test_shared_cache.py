"""A DVC remote on a server that speaks S3: what one clone pushed, others pull; what comes of a remote that fails."""

import hashlib
import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from miniature import ROOT, Project, miniature_params

from adm.paper import FIGURES

README = (ROOT / "README.md").read_text().partition("## Sharing results")[2]

LOOPBACK = "127.0.0.1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "anyone", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}

SAMPLED = {"sample@scale-2", "features@scale-2", "evaluate@scale-2"}
SHOWN = {"table@table_14", "table@appendix_k", "table@further"}
"""What depends on the run scale-2, and what shows it."""

OF_METRICS = {f"table@table_{number}" for number in (6, 8, 9, 10, 15, 16)} | {"claims"}
"""What DVC makes again beside, since it depends on the folder of all metrics."""

ABSENT = "not in miniature"


DRAW = """
import sys
from contextlib import suppress
from adm.cli import main

for name in sys.argv[1:]:
    place = ["--paper", "workflow/paper", "--out", f"results/embedded/figures/{name}"]
    sys.argv = ["adm", "figure", "--params", "params.yaml", "--figure", name, *place]
    with suppress(SystemExit):
        main()
"""
"""The figures in one process instead of one each, as they would be made alone: it saves most of the time."""


def tiny_params():
    """A model, a classifier, three runs and a table of them."""
    params = miniature_params()
    params["execution"]["shards"] = 1
    for section in ("datasets", "references"):
        del params[section]["digits-64"]
    for model in ("adm-64", "adm-u"):
        del params["models"][model]
    for section in ("gans", "upsampled_runs", "gan_runs", "interpolations", "neighbours", "variations", "claims"):
        params[section] = {}
    # Accuracy is of no concern here.
    params["extractors"]["digits"].update(iterations=50, least_accuracy=0.1)
    params["segments"] = {key: params["segments"][key] for key in ("adm-128-2", "classifier-4")}
    guided = {**params["runs"]["through-2"], "num_samples": 10}
    params["runs"] = {
        "scale-0": {**guided, "classifier": "unguided-0", "gradient_scale": 0.0},
        "scale-1": guided,
        "scale-2": {**guided, "gradient_scale": 2.0},
    }
    # DVC knows no empty folder: one of each, where a table or the claims depend on the folder.
    params["likelihoods"]["bits"].update(checkpoint="adm-128-2")
    params["throughput"]["speed"].update(repetitions=1, optimised_batch=2)
    for table in params["tables"].values():
        table.update({field: [ABSENT] * len(value) for field, value in table.items() if isinstance(value, list)})
    params["tables"]["appendix_k"]["rows"][:3] = params["runs"]
    params["tables"]["further"]["rows"] = ["scale-0", "scale-2"]
    params["figures"] = {kind: {} for kind in params["figures"]}
    params["figures"]["absent"] = {name: {"reason": ABSENT} for name in FIGURES}
    return params


class Bucket:
    """A bucket on a server, under which DVC keeps files by their md5."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        # Tried again until the server listens.
        patient = Config(retries={"mode": "standard", "max_attempts": 10})
        self.client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
            config=patient,
        )
        self.client.create_bucket(Bucket="share")

    @contextmanager
    def read_only(self):
        """Nobody may write for a while."""
        denied = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::share/*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
        self.client.put_bucket_policy(Bucket="share", Policy=policy)
        try:
            yield
        finally:
            self.client.delete_bucket_policy(Bucket="share")

    @contextmanager
    def damaged(self, path, damage):
        """Other bytes, or none, for a file's for a while."""
        digest = hashlib.md5(path.read_bytes()).hexdigest()
        place = {"Bucket": "share", "Key": f"adm/files/md5/{digest[:2]}/{digest[2:]}"}
        content = self.client.get_object(**place)["Body"].read()
        assert content == path.read_bytes()
        damaged = damage(content)
        if damaged is None:
            self.client.delete_object(**place)
        else:
            self.client.put_object(**place, Body=damaged)
        try:
            yield
        finally:
            self.client.put_object(**place, Body=content)


class Clone(Project):
    """A git clone of a project, as on another machine."""

    def __init__(self, origin, folder):
        vars(self).update(vars(origin), folder=folder)
        origin.run("git", "clone", "--quiet", ".", str(folder))

    def pull_and_adopt(self):
        """Do what the README says of another clone."""
        (command,) = re.findall("In another clone `(.+?)`", README)
        assert command.count("make ") == 1
        # The environment is there already.
        self.run("bash", "-c", command.replace("make ", "make --assume-old=.venv/ready "))

    def change_the_scale(self):
        self.write_params(rescaled(self.read_params()))


def rescaled(params):
    params["runs"]["scale-2"]["gradient_scale"] = 3.0
    return params


@pytest.fixture(scope="module")
def bucket():
    """A bucket on a server that listens on loopback while the tests run."""
    with socket.create_server((LOOPBACK, 0)) as free:
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("moto_server")
    with subprocess.Popen([program, "-H", LOOPBACK, "-p", str(port)], stderr=subprocess.DEVNULL) as server:
        try:
            yield Bucket(f"http://{LOOPBACK}:{port}")
        finally:
            server.terminate()


def share(project, bucket):
    """Do what the README says, with this bucket."""
    block = README.split("```sh\n")[1].partition("```")[0]
    for here, there in (("s3://my-bucket/", "s3://share/"), ("https://s3.my-institute.org", bucket.endpoint)):
        assert block.count(here) == 1
        block = block.replace(here, there)
    installed, *commands = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert installed == ["make", "cluster"]
    for command in commands:
        project.run(*command)


@pytest.fixture(scope="module")
def shared(new_project, bucket):
    """A project that was cloned and run, and that DVC has pushed."""
    project = new_project("shared", tiny_params())
    # One attempt: a server that is down is not waited for.
    project.environment |= {**CREDENTIALS, "AWS_MAX_ATTEMPTS": "1"}
    project.environment |= {f"GIT_{who}_{what}": "one" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    shutil.copy(ROOT / "Makefile", project.folder)
    shutil.copytree(ROOT / "scales", project.folder / "scales")
    project.run("git", "add", ".")
    project.run("git", "commit", "--quiet", "--message=As it is cloned")
    project.snakemake("--omit-from", "figure")
    project.run("python", "-c", DRAW, *FIGURES)
    share(project, bucket)
    return project


@pytest.fixture(scope="module")
def clone(shared, projects):
    """Make a fresh clone of a name."""
    return lambda name: Clone(shared, projects / name)


@pytest.fixture(scope="module")
def clean(new_project):
    """What the changed run comes to where nothing is shared."""
    project = new_project("clean", rescaled(tiny_params()))
    project.snakemake("results/embedded/metrics/scale-2.json", "results/embedded/sizes.json")
    return project.artifacts()


@pytest.fixture(scope="module")
def second(clone):
    """A clone that pulled and told Snakemake so."""
    second = clone("second")
    second.pull_and_adopt()
    assert second.repro() == []
    return second


@pytest.fixture(scope="module")
def changed(clone):
    """A clone that changed one run and pulled the rest, and the stages that DVC ran there."""
    third = clone("third")
    third.change_the_scale()
    third.dvc("pull", "dvc.yaml")
    return third, set(third.repro())


def images_of(project):
    return project.folder / "results" / "embedded" / "data" / "digits" / "images-00000.npy"


def data_of(project):
    folder = project.folder / "results" / "embedded" / "data" / "digits"
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*")}


def test_a_fresh_clone_pulls_everything_and_runs_nothing(shared, second):
    assert second.needed() == []
    assert second.artifacts() == shared.artifacts()


def test_a_pull_of_everything_asks_for_scales_that_were_not_run(clone):
    printed = clone("everything").dvc("pull", succeeds=False)
    assert "results/fashion/" in printed


def test_a_fresh_clone_that_needs_nothing_made_pulls_nothing(clone):
    idle = clone("idle")
    assert idle.repro("--pull", "--allow-missing") == []
    assert not (idle.folder / "results" / "embedded" / "metrics").exists()


def test_the_run_cache_restores_what_no_lock_file_names(shared, clone):
    fresh = clone("unlocked")
    (fresh.folder / "dvc.lock").unlink()
    printed = fresh.dvc("repro", "--pull", "evaluate@scale-0")
    assert fresh.named(printed) == []
    assert "Stage 'evaluate@scale-0' is cached - skipping run, checking out outputs" in printed
    restored = fresh.artifacts()
    assert {"metrics/scale-0.json", "samples/scale-0/samples.npz"} <= restored.keys()
    assert restored.items() <= shared.artifacts().items()


def test_dvc_runs_what_was_changed_alone(changed, clean):
    third, ran = changed
    assert ran == {"check", *SAMPLED, *SHOWN, *OF_METRICS}
    made = third.artifacts()
    assert [name for name in clean if made.get(name) != clean[name]] == []


def test_snakemake_runs_what_was_changed_alone(second, changed, clean):
    second.change_the_scale()
    assert set(second.needed()) == SAMPLED | SHOWN
    second.snakemake()
    made = second.artifacts()
    assert [name for name in clean if made.get(name) != clean[name]] == []
    assert made == changed[0].artifacts()


def test_a_remote_that_cannot_be_reached_stops_who_asks_it_and_no_one_else(shared, clone):
    alone = clone("alone")
    with socket.socket() as deaf:
        deaf.bind((LOOPBACK, 0))
        endpoint = f"http://{LOOPBACK}:{deaf.getsockname()[1]}"
        alone.dvc("remote", "modify", "--local", "share", "endpointurl", endpoint)
        for asking in (["pull"], ["repro", "--pull"], ["push"]):
            printed = alone.dvc(*asking, "prepare@digits", succeeds=False)
            assert f'Could not connect to the endpoint URL: "{endpoint}/share/adm' in printed
            assert not (alone.folder / "results" / "embedded" / "data").exists()
        assert alone.repro("prepare@digits") == ["check", "prepare@digits"]
    assert data_of(alone) == data_of(shared)


def test_a_remote_that_is_read_only_refuses_a_push_and_serves_a_pull(changed, clone, bucket):
    third, _ = changed
    with bucket.read_only():
        printed = third.dvc("push", succeeds=False)
        reader = clone("reader")
        reader.dvc("pull", "sample@scale-0")
    assert "403" in printed
    assert "failed to push data to the cloud" in printed
    third.dvc("push", "sample@scale-2")
    assert len(list((reader.folder / "results" / "embedded" / "samples" / "scale-0").glob("samples.npz"))) == 1


DAMAGES = {
    "a bit flipped": lambda content: content[:50] + bytes([content[50] ^ 1]) + content[51:],
    "cut off": lambda content: content[: len(content) // 2],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_does_not_land_and_is_made_again(shared, clone, bucket, damage):
    fresh = clone(damage.replace(" ", "-"))
    with bucket.damaged(images_of(shared), DAMAGES[damage]):
        printed = fresh.dvc("pull", "prepare@digits", succeeds=False)
        assert "failed to pull data from the cloud" in printed
        assert data_of(fresh) == {}
        printed = fresh.dvc("repro", "--pull", "prepare@digits")
    assert "Unable to pull data for stage: 'prepare@digits'" in printed
    assert fresh.named(printed) == ["prepare@digits"]
    assert data_of(fresh) == data_of(shared)


def test_a_lost_file_stops_who_asks_for_it_and_no_one_else(shared, clone, bucket):
    fresh = clone("lost")
    with bucket.damaged(images_of(shared), lambda content: None):
        for asking in (["pull"], ["repro", "--pull"]):
            assert "NoSuchKey" in fresh.dvc(*asking, "prepare@digits", succeeds=False)
            assert data_of(fresh) == {}
        assert fresh.repro("prepare@digits") == ["prepare@digits"]
    assert data_of(fresh) == data_of(shared)


def test_what_a_remote_lets_in_unverified_stages_refuse(shared, clone, bucket):
    trusting = clone("trusting")
    trusting.dvc("remote", "modify", "--local", "share", "verify", "false")
    with bucket.damaged(images_of(shared), DAMAGES["a bit flipped"]):
        trusting.dvc("pull", "--with-deps", "extractor@digits")
    # DVC takes it for what it asked for: hence `verify true`.
    assert trusting.repro("extractor@digits") == []
    wrong = "images-00000.npy: is not the file that was written"
    assert wrong in trusting.run("python", "-m", "adm", "verify", "results/embedded", succeeds=False)
    assert wrong in trusting.dvc("repro", "--force", "--single-item", "extractor@digits", succeeds=False)


def test_snakemakes_own_cache_is_refused(shared):
    printed = shared.snakemake("--dry-run", "--cache", "sample", succeeds=False)
    assert "--cache: would take the shards of a run for one another" in printed
