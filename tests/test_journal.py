"""Every job keeps a journal: what ran, how far it is and how it ended, whatever becomes of it."""

import logging
import os
import re
import shutil
import signal

import pytest
import yaml

from adm.artifacts.code import code_digest
from adm.params import UserError, load

TIMED = re.compile(
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (.+) "
    r"after \d+\.\d s, with \d+\.\d s of processor time and at most \d+ MiB of memory$"
)


class Project:
    def __init__(self, folder, adm):
        self.folder, self.run = folder, adm
        self.logs = folder / "results" / "embedded" / "logs"

    def prepare(self):
        return self.run("prepare", "digits")

    def journals(self):
        return {path.relative_to(self.logs).as_posix() for path in self.logs.rglob("*.txt")}

    def read(self, name="prepare/digits"):
        return (self.logs / f"{name}.txt").read_text()


@pytest.fixture
def project(root, tmp_path, adm, monkeypatch):
    shutil.copy(root / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, adm)


@pytest.fixture
def broken(monkeypatch):
    """Have `prepare` call a function where it writes the first images."""
    before = signal.getsignal(signal.SIGTERM)

    def prepare(function):
        monkeypatch.setattr("adm.stages.prepare.write_shard", lambda *_, **__: function())

    yield prepare
    signal.signal(signal.SIGTERM, before)


def tries(text):
    found = []
    for block in re.split(r"^=== .*\n", text, flags=re.MULTILINE)[1:]:
        lines = block.rstrip("\n").split("\n")
        end = next(i for i, line in enumerate(lines) if line.startswith("process: ")) + 1
        found.append((yaml.safe_load("\n".join(lines[:end])), lines[end:]))
    return found


def fail(error):
    def function():
        raise error

    return function


def test_a_journal_tells_what_ran_on_what_and_how_it_ended(project):
    assert project.run("init", "adm-128", "--params", "params.yaml")[0] == 0
    ((header, lines),) = tries(project.read("init/adm-128"))
    assert (header["command"], header["folder"]) == ("adm init adm-128 --params params.yaml", str(project.folder))
    assert header["code"] == code_digest("init")
    assert header["params"] == {"model": load("params.yaml").models["adm-128"].values()}
    assert header["process"] == os.getpid()
    (line,) = lines
    assert TIMED.match(line)[1] == "finished"


def test_a_job_that_runs_again_adds_to_its_journal_even_after_half_a_line(project):
    project.prepare()
    first = project.read() + "2026-01-01 00:00:00 half a li"
    (project.logs / "prepare" / "digits.txt").write_text(first)
    project.prepare()
    assert project.read().startswith(first)
    assert len(tries(project.read())) == 2


def test_a_mistake_stands_in_the_journal_as_on_stderr(project, broken):
    broken(fail(OSError(28, "No space left on device", "some/file")))
    assert project.prepare() == (2, "", "error: some/file: No space left on device\n")
    ((_, lines),) = tries(project.read())
    assert lines[0] == "error: some/file: No space left on device"
    assert TIMED.match(lines[1])[1] == "failed"


def test_a_fault_of_the_code_leaves_its_traceback(project, broken):
    broken(fail(ZeroDivisionError("of the code")))
    with pytest.raises(ZeroDivisionError):
        project.prepare()
    ((_, lines),) = tries(project.read())
    assert lines[0].startswith("Traceback")
    assert lines[-2] == "ZeroDivisionError: of the code"
    assert TIMED.match(lines[-1])[1] == "failed"


@pytest.fixture
def interruptible():
    """Ctrl-C as on a terminal: what a shell starts in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("number", "code", "told"), [(signal.SIGTERM, 143, "stopped by SIGTERM"), (signal.SIGINT, 130, "stopped by Ctrl-C")]
)
def test_who_is_stopped_says_so(project, broken, number, code, told):
    broken(lambda: signal.raise_signal(number))
    assert project.prepare()[0] == code
    ((_, lines),) = tries(project.read())
    assert [TIMED.match(line)[1] for line in lines] == [told]


def interrupted(number):
    """Raise what safetensors raises where a signal comes while it reads a file."""
    try:
        signal.raise_signal(number)
    except BaseException as error:
        raise UserError("cats.safetensors: is no readable safetensors file") from error


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_who_is_stopped_says_so_whatever_a_library_makes_of_the_interruption(project, broken, number, code):
    broken(lambda: interrupted(number))
    assert project.prepare() == (code, "", "")
    ((_, lines),) = tries(project.read())
    assert TIMED.match(lines[-1])[1] == f"stopped by {signal.Signals(number).name}"


def test_a_key_that_is_none_names_no_journal(project):
    assert project.run("prepare", "../../cats")[0] == 2
    assert not project.logs.exists()


def test_only_the_first_of_several_processes_writes(project, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    assert project.prepare() == (0, "", "")
    assert not project.logs.exists()
    monkeypatch.setenv("RANK", "0")
    assert project.prepare() == (0, "", "")
    assert project.journals() == {"prepare/digits.txt"}


def test_a_process_that_a_job_started_adds_lines_to_the_journal_of_that_job(project, broken, monkeypatch):
    inherited = []
    broken(lambda: inherited.append(os.environ["ADM_JOURNAL"]))
    assert project.prepare()[0] == 0
    assert "ADM_JOURNAL" not in os.environ
    before = project.read()

    monkeypatch.setenv("ADM_JOURNAL", inherited[0])
    broken(lambda: logging.getLogger("adm.worker").info("from within"))
    assert project.prepare()[0] == 0
    added = project.read().removeprefix(before).splitlines()
    assert {line.split(" ", 2)[2] for line in added} == {"from within"}

    # Of another job it is no part.
    assert project.run("init", "adm-128")[0] == 0
    assert len(tries(project.read("init/adm-128"))) == 1


def test_a_disk_that_takes_no_more_of_the_journal_fails_no_job(project):
    (project.logs / "prepare").mkdir(parents=True)
    (project.logs / "prepare" / "digits.txt").symlink_to("/dev/full")
    assert project.prepare() == (0, "", "")
    assert (project.folder / "results" / "embedded" / "data" / "digits" / "manifest.json").is_file()


def test_a_journal_that_cannot_be_opened_is_one_line(project):
    project.logs.parent.mkdir(parents=True)
    project.logs.write_text("a file")
    code, out, err = project.prepare()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: results/embedded/logs")
    assert not (project.folder / "results" / "embedded" / "data").exists()
