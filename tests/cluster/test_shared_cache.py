"""A DVC remote on a server that speaks S3: what one clone pushed, others pull; what comes of a remote that fails."""

import hashlib
import socket
import subprocess
import sys
from contextlib import contextmanager

import boto3
import pytest
import yaml
from botocore.config import Config
from miniature import Project, miniature_params, rerun

LOOPBACK = "127.0.0.1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "anyone", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


def tiny_params(scale=2.0):
    """A model, a classifier, two runs and a table of them; `scale` guides one of the runs."""
    whole = miniature_params()
    params = {key: whole[key] for key in ("paths", "extractors")}
    params["datasets"] = {"digits": whole["datasets"]["digits"]}
    params["references"] = {"digits": whole["references"]["digits"]}
    params["models"] = {key: {**whole["models"][key], "checkpoints": [2]} for key in ("adm-128", "classifier")}
    run = {key: value for key, value in whole["runs"]["scale"].items() if key != "sweep"}
    params["runs"] = {"weak": {**run, "gradient_scale": 1.0}, "strong": {**run, "gradient_scale": scale}}
    params["tables"] = {"own": {**whole["tables"]["own"], "rows": ["weak", "strong"]}}
    return params


SHOWN = "tables/own.csv"


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
    def damaged(self, path, damage):
        """Other bytes for a file's for a while."""
        digest = hashlib.md5(path.read_bytes()).hexdigest()
        place = {"Bucket": "share", "Key": f"adm/files/md5/{digest[:2]}/{digest[2:]}"}
        content = self.client.get_object(**place)["Body"].read()
        assert content == path.read_bytes()
        self.client.put_object(**place, Body=damage(content))
        try:
            yield
        finally:
            self.client.put_object(**place, Body=content)


class Clone(Project):
    """A git clone of a project, as on another machine."""

    def __init__(self, origin, folder):
        vars(self).update(vars(origin), folder=folder)
        origin.run("git", "clone", "--quiet", ".", str(folder))

    def change_the_scale(self):
        """Change a value of one run, and nothing else: dvc.yaml is of these params already."""
        (self.folder / "params.yaml").write_text(yaml.safe_dump(tiny_params(scale=3.0), sort_keys=False))


@pytest.fixture(scope="module")
def bucket():
    """A bucket on a server that listens on loopback while the tests run."""
    with socket.create_server((LOOPBACK, 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            yield Bucket(f"http://{LOOPBACK}:{port}")
        finally:
            server.terminate()


def share(project, bucket):
    """Have a project's results in a bucket, and what names them in git."""
    project.dvc("remote", "add", "--default", "share", "s3://share/adm")
    project.dvc("remote", "modify", "share", "endpointurl", bucket.endpoint)
    project.dvc("remote", "modify", "share", "verify", "true")
    project.dvc("commit", "--force", "dvc.yaml")
    project.run("git", "add", ".")
    project.run("git", "commit", "--quiet", "--message=Our remote, and our results")
    project.dvc("push", "--run-cache")


@pytest.fixture(scope="module")
def shared(new_project, bucket):
    """A project that Snakemake has run, and that DVC has pushed."""
    project = new_project("shared", tiny_params())
    # One attempt: a server that is down is not waited for.
    project.environment |= {**CREDENTIALS, "AWS_MAX_ATTEMPTS": "1"}
    project.environment |= {f"GIT_{who}_{what}": "one" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    project.snakemake("--quiet", "all")
    share(project, bucket)
    return project


@pytest.fixture(scope="module")
def clone(shared, projects):
    """Make a fresh clone of a name."""
    return lambda name: Clone(shared, projects / name)


@pytest.fixture(scope="module")
def second(clone):
    """A clone that pulled and told Snakemake so."""
    second = clone("second")
    second.dvc("pull", "dvc.yaml")
    second.make("sync")
    return second


@pytest.fixture(scope="module")
def changed(clone):
    """A clone that pulled and then changed one run, what the graph says is to run, and what DVC ran."""
    third = clone("third")
    third.dvc("pull", "dvc.yaml")
    before = third.pipeline()
    third.change_the_scale()
    return third, rerun(before, third.pipeline()), third.repro()


def images_of(project):
    return project.folder / "results" / "embedded" / "data" / "digits" / "images-00000.npy"


def data_of(project):
    folder = project.folder / "results" / "embedded" / "data" / "digits"
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*")}


def test_a_fresh_clone_pulls_everything_and_runs_nothing(shared, second):
    assert second.repro() == set()
    assert second.needed() == set()
    assert second.artifacts() == shared.artifacts()


def test_the_run_cache_restores_what_no_lock_file_names(shared, clone):
    fresh = clone("unlocked")
    (fresh.folder / "dvc.lock").unlink()
    assert fresh.repro("--pull", "evaluate-weak") == set()
    restored = fresh.artifacts()
    assert {"metrics/weak.json", "samples/weak/samples.npz"} <= restored.keys()
    assert restored.items() <= shared.artifacts().items()


def test_both_engines_run_what_was_changed_alone_and_make_the_same(shared, second, changed):
    third, expected, ran = changed
    assert ran == expected
    assert {"sample/strong", "table/own"} <= expected
    assert "sample/weak" not in expected
    second.change_the_scale()
    assert second.needed() == expected
    second.snakemake("--quiet", "all")
    made = second.artifacts()
    assert made == third.artifacts()
    assert made[SHOWN] != shared.artifacts()[SHOWN]


DAMAGES = {
    "a bit flipped": lambda content: content[:50] + bytes([content[50] ^ 1]) + content[51:],
    "cut off": lambda content: content[: len(content) // 2],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_does_not_land_and_is_made_again(shared, clone, bucket, damage):
    fresh = clone(damage.replace(" ", "-"))
    with bucket.damaged(images_of(shared), DAMAGES[damage]):
        printed = fresh.dvc("pull", "prepare-digits", succeeds=False)
        assert "failed to pull data from the cloud" in printed
        assert data_of(fresh) == {}
        printed = fresh.dvc("repro", "--pull", "prepare-digits")
    assert "Unable to pull data for stage: 'prepare-digits'" in printed
    assert fresh.named(printed) == {"prepare/digits"}
    assert data_of(fresh) == data_of(shared)


def test_snakemakes_own_cache_is_refused(shared):
    printed = shared.snakemake("--dry-run", "--cache", "sample", succeeds=False)
    assert "--cache: is not for these rules" in printed
