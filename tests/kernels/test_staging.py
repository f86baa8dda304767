"""What dead drivers left of their output goes; what living ones write stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from minispark.kernels import staging
from minispark.kernels.staging import Claim, remove_abandoned

CHILD = """
import sys
from minispark.kernels.staging import Claim
claim = Claim(sys.argv[1])
print("claimed", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("_temporary-out-1", "_temporary-out-2", "_temporary-other-1", "out"):
        (tmp_path / name / "committed").mkdir(parents=True)
        (tmp_path / name / "committed" / "part-00000").write_text("x")
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_only_what_a_dead_owner_claimed_is_removed(folder: Path) -> None:
    everything = names(folder)
    target = folder / "_temporary-out-1"
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(target)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "claimed\n"
        assert remove_abandoned("_temporary-out-*", str(folder)) == []
        assert names(folder) == everything
        owner.kill()
    assert remove_abandoned("_temporary-out-*", str(folder)) == [str(target)]
    # Nobody ever claimed the others: they may be of an older version, or not ours.
    assert names(folder) == [n for n in everything if n != target.name]


def test_a_claim_is_good_within_the_process_too(folder: Path) -> None:
    """Two threads of one driver that write to one target."""
    with Claim(str(folder / "_temporary-out-1")):
        assert remove_abandoned("_temporary-out-*", str(folder)) == []
    assert len(remove_abandoned("_temporary-out-*", str(folder))) == 1


def test_what_another_machine_left_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lock may not be visible here: it may be at work."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(staging, "_this_boot", lambda: b"another machine's")
        Claim(str(folder / "_temporary-out-1")).release()
    assert remove_abandoned("_temporary-out-*", str(folder)) == []
    assert (folder / "_temporary-out-1").exists()


def test_a_folder_that_cannot_be_locked_is_an_error_and_leaks_nothing(folder: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        Claim(str(folder / "nowhere"))
    assert len(os.listdir("/proc/self/fd")) == before
