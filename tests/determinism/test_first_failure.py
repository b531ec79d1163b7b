"""Of all processes that failed, the one that gave the reason is named, whatever the launcher noted of the others."""

import json
import signal
from types import SimpleNamespace

import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from adm.launcher import SHUTDOWN, first_failure
from adm.parallel import LOST

NOW = 1_700_000_000
TERMINATED = 128 + signal.SIGTERM


@pytest.fixture
def named(tmp_path):
    """What is said of failures (rank, second, exit code, what the process told), in the order they were noted in."""

    def said(*noted):
        failures = {}
        for rank, second, exitcode, told in noted:
            path = tmp_path / f"{rank}.json"
            if told is not None:
                message = {"message": told, "extraInfo": {"timestamp": str(NOW + second)}}
                path.write_text(json.dumps({"message": message}))
            failures[rank] = ProcessFailure(local_rank=rank, pid=1, exitcode=exitcode, error_file=str(path))
            failures[rank].timestamp = NOW + second
        return first_failure(SimpleNamespace(failures=failures), 4)

    return said


KILLED = (1, 0, -signal.SIGKILL, None)
FAILED = (1, 0, 2, "the loss is nan")
SUSPENDED = (1, SHUTDOWN, -signal.SIGKILL, None)
LEFT = (0, 0, LOST, "had no answer")


@pytest.mark.parametrize(
    "other",
    [(0, 0, TERMINATED, None), (0, 0, -signal.SIGTERM, None), LEFT],
    ids=["ended by its handler", "ended before it had one", "lost"],
)
@pytest.mark.parametrize(
    ("first", "reason"), [(KILLED, "was killed by SIGKILL"), (FAILED, "the loss is nan")], ids=["killed", "failed"]
)
def test_who_was_ended_or_lost_another_is_not_named(named, first, reason, other):
    for noted in ([first, other], [other, first]):
        assert named(*noted) == f"rank 1 of 4: {reason}"


@pytest.mark.parametrize(
    ("noted", "words"),
    [
        # Who told of its loss before the other was noted, and who hung and was killed for it, are not named.
        ([LEFT, (1, 1, -signal.SIGKILL, None)], "rank 1 of 4: was killed by SIGKILL"),
        ([LEFT, SUSPENDED], "rank 0 of 4: had no answer"),
        ([(2, 0, LOST, "had none"), LEFT, SUSPENDED], "rank 2 of 4: had none"),
        # The earlier, and of equals what was noted first.
        ([(3, 1, 2, "later"), (2, 0, 2, "earlier")], "rank 2 of 4: earlier"),
        ([(3, 0, 2, "noted first"), (2, 0, 2, "noted next")], "rank 3 of 4: noted first"),
        ([(2, 0, TERMINATED, None), (1, 1, TERMINATED, None)], "rank 2 of 4: ended with exit code 143"),
    ],
)
def test_of_several_who_failed_the_first_is_named(named, noted, words):
    assert named(*noted) == words
