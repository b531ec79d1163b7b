"""The command line: a verb takes a key, and mistakes end in one line."""

import re
import shutil
from importlib import import_module
from pathlib import Path

import pytest
import typer
import yaml
from making import verbs

from adm import cli
from adm.params import UserError, load
from adm.pipeline import Pipeline, kinds
from adm.pipeline.arguments import arguments

VERBS = {kind.verb for kind in kinds().values()}


@pytest.fixture(scope="module")
def pipeline(root):
    return Pipeline(load(root / "params.yaml"))


@pytest.fixture(scope="module")
def having(root, pipeline):
    released = "scales/released/params.yaml"
    of_released = Pipeline(load(root / released))
    is_of_released = {rule for rule in kinds() if rule == "fetch" or rule.startswith("adopt")}
    return lambda rule: (released, of_released) if rule in is_of_released else ("params.yaml", pipeline)


@pytest.fixture
def project(root, tmp_path, monkeypatch):
    """A folder with the embedded scale's params file alone, in which verbs run."""
    shutil.copy(root / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def everything_in(folder):
    """The files of a folder, but for journals, which tell the time."""
    paths = [path for path in folder.rglob("*") if "logs" not in path.parts and path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_every_stage_is_a_verb_and_every_verb_a_stage_or_a_tool(root):
    stages = VERBS
    assert {kind.stage for kind in kinds().values()} == {f"adm.stages.{name}" for name in verbs()}
    registered = {command.name or command.callback.__name__ for command in cli.app.registered_commands}
    # What `publish FOLDER` does, and what `report` and `make` end with.
    tools = {path.stem for path in (root / "adm" / "tools").glob("[a-z]*.py")} - {"hub", "reproduced"}
    assert registered >= tools | {verb.replace("_", "-") for verb in stages}
    assert not tools & stages


def test_every_verb_stands_in_the_help_uncut(adm):
    _, out, _ = adm("--help")
    listed = re.findall(r"^  ([a-z][a-z-]+)  ", out, flags=re.MULTILINE)
    assert sorted(listed) == sorted(typer.main.get_command(cli.app).commands)
    assert "..." not in out.partition("\n")[2]


@pytest.mark.parametrize("rule", [name for name in kinds() if name != "resolve"])
def test_a_verb_hands_its_stage_what_that_takes(rule, having):
    _, found = having(rule)
    job = found.of_kind(rule)[0]
    stage = import_module(job.kind.stage)
    given = arguments(stage.run, job, cli.environment(found, job))
    outputs = [value for value in given.values() if isinstance(value, Path)]
    assert job.out in outputs
    # No section that the stage asks for is missing, but what guides a run that is not guided, what a model begins with
    # that is not fine-tuned, and what tells at what size stored files are read where none are.
    missing = {name for name, value in given.items() if value is None}
    unread = {"dataset"} if job.kind.verb in ("features", "reference") else set()
    # Only a search samples like a run, and a reference's own extractor is no further one.
    unread |= {"schedule": {"run", "extractor"}, "evaluate": {"extractor"}}.get(job.kind.verb, set())
    assert missing <= {"classifier_model", "model", "guide_model", "start", "start_model", "asked", "made_by"} | unread


@pytest.mark.parametrize(
    ("verb", "key", "near"),
    [("train", "adm-128-251", "adm-128-250"), ("sample-gan", "no", "gan-1"), ("adopt", "a", "there are none")],
)
@pytest.mark.usefixtures("project")
def test_an_unknown_key_is_named_with_those_that_are_near(refused, verb, key, near):
    message = refused(verb, key)
    assert message.startswith(f"{verb.replace('-', '_')} {key!r}: is not in the params file; ")
    assert near in message
    assert not Path("results").exists()


@pytest.mark.parametrize(
    "rule", [rule for rule in kinds() if rule not in ("resolve", "fetch", "prepare", "init", "sizes", "throughput")]
)
def test_a_missing_input_is_one_line_and_nothing_is_written(refused, having, root, project, rule):
    file, found = having(rule)
    (project / "scales" / "released").mkdir(parents=True)
    for name in (file, "scales/shared.yaml"):
        shutil.copy(root / name, project / name)
    job = next(job for job in found.of_kind(rule) if job.inputs)
    message = refused(*job.command, "--params", file)
    assert any(str(path) in message for path in job.inputs.values())
    written = everything_in(project / job.root)
    assert [name for name in written if not name.endswith(".lock")] == []


MISTAKES = {
    "missing params file": ("prepare digits --params none.yaml", "none.yaml: cannot be read"),
    "nowhere to write": ("schema --out file/out.json", "file/out.json: cannot be made: "),
    "a schema that is no JSON": ("schema --out out.yaml", "out.yaml: ends in no .json"),
    "code accepted without a reason": ("accept train --reason=", "--reason: is empty"),
    "a place for a file of the params file": ("fetch graphs/inception --to a", "--to 'a': "),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_on_stderr_exit_code_2_and_no_output(refused, project, case):
    (project / "file").write_text("")
    before = everything_in(project)
    arguments, message = MISTAKES[case]
    assert message in refused(*arguments.split())
    assert everything_in(project) == before


def test_a_broken_params_file_is_a_mistake_too(refused, project):
    content = yaml.safe_load((project / "params.yaml").read_text())
    content["models"]["adm-128"]["network"] = {"channels": 34}
    (project / "broken.yaml").write_text(yaml.safe_dump(content))
    assert refused("check", "--params", "broken.yaml").startswith("broken.yaml: models.adm-128.network: ")


def test_an_old_dvc_yaml_is_a_note_unless_it_is_asked_for(adm, refused, project):
    code, out, err = adm("check")
    assert adm("check", "params.yaml") == (code, out, err)
    assert (code, err, "dvc" in out.lower()) == (0, "", False)
    assert "dvc.yaml" in refused("check", "--dvc")
    (project / "dvc.yaml").write_text("# Generated from params.yaml: do not edit.\nstages: {}\n")
    code, noted, err = adm("check")
    assert (code, err) == (0, "")
    (note,) = set(noted.splitlines()) - set(out.splitlines())
    assert "adm dvc" in note
    assert "adm dvc" in refused("check", "--dvc")
    assert adm("dvc")[0] == 0
    assert adm("check", "--dvc") == adm("check") == (0, out, "")


def test_stages_of_ones_own_are_never_written_over(refused, project):
    (project / "dvc.yaml").write_text("stages: {}\n")
    assert refused("dvc").startswith("dvc.yaml: ")
    assert (project / "dvc.yaml").read_text() == "stages: {}\n"


def test_debug_shows_the_traceback(adm, project):
    with pytest.raises(UserError, match="prepare 'cats'"):
        adm("--debug", "prepare", "cats")
