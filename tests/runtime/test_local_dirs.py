"""Application directories: private, removed at the end, found when their owner died."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from minispark.errors import PySparkRuntimeError
from minispark.runtime.local_dirs import MAX_SOCKET_PATH, create_app_dir, local_base_dir, occupy


def root_of(base: Path) -> Path:
    return base / f"minispark-{os.getuid()}"


def names(base: Path) -> list[str]:
    return sorted(os.listdir(root_of(base)))


def owner(base: Path, app_id: str) -> subprocess.Popen[str]:
    """Another process that holds an application directory until its input ends."""
    code = (
        "import sys\n"
        "from minispark.runtime.local_dirs import create_app_dir\n"
        f"made = create_app_dir({str(base)!r}, {app_id!r})\n"
        "open(made.path + '/data', 'w').close()\n"
        "print(made.path, flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip().endswith(app_id)
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_is_private_and_removed_with_its_files(tmp_path: Path) -> None:
    made = create_app_dir(str(tmp_path), "app-1")
    assert made.path == str(root_of(tmp_path) / "app-1")
    for path in (made.path, os.path.dirname(made.path)):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
    os.makedirs(f"{made.path}/shuffle/deep")
    made.close()
    made.close()
    assert names(tmp_path) == [".lock"]


def test_a_dead_owner_s_directory_goes_a_living_one_s_stays(tmp_path: Path) -> None:
    dead, living = owner(tmp_path, "dead"), owner(tmp_path, "living")
    end(dead)
    with create_app_dir(str(tmp_path), "mine"):
        assert names(tmp_path) == [".lock", "living", "mine"]
        assert (root_of(tmp_path) / "living" / "data").exists()
    end(living)
    with create_app_dir(str(tmp_path), "mine"):
        assert names(tmp_path) == [".lock", "mine"]


def test_a_directory_in_which_others_work_stays(tmp_path: Path) -> None:
    dead = owner(tmp_path, "dead")
    tenants = [occupy(str(root_of(tmp_path) / "dead")) for _ in range(2)]
    end(dead)
    for tenant in tenants:
        with create_app_dir(str(tmp_path), "mine"):
            assert names(tmp_path) == [".lock", "dead", "mine"]
        os.close(tenant)
    with create_app_dir(str(tmp_path), "mine"):
        assert names(tmp_path) == [".lock", "mine"]


def test_what_a_dead_remover_left_goes(tmp_path: Path) -> None:
    create_app_dir(str(tmp_path), "first").close()
    (root_of(tmp_path) / ".trash-abc" / "x").mkdir(parents=True)
    with create_app_dir(str(tmp_path), "mine"):
        assert names(tmp_path) == [".lock", "mine"]


def test_a_name_in_use_gets_a_suffix(tmp_path: Path) -> None:
    with (
        create_app_dir(str(tmp_path), "app") as first,
        create_app_dir(str(tmp_path), "app", reuse=True) as second,
    ):
        assert second.path.startswith(f"{first.path}-")


@pytest.mark.parametrize("reuse", [True, False])
def test_reuse_takes_over_the_files_of_a_dead_owner(tmp_path: Path, reuse: bool) -> None:
    end(owner(tmp_path, "node"))
    with create_app_dir(str(tmp_path), "node", reuse=reuse) as made:
        assert os.path.basename(made.path) == "node"
        assert os.path.exists(f"{made.path}/data") is reuse


def test_many_at_once_do_not_remove_each_other(tmp_path: Path) -> None:
    made = []

    def make(number: int) -> None:
        for turn in range(5):
            create_app_dir(str(tmp_path), f"gone-{number}-{turn}").close()
        made.append(create_app_dir(str(tmp_path), "same"))

    threads = [threading.Thread(target=make, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.path for one in made}) == 8
    assert all(os.path.isdir(one.path) for one in made)
    for one in made:
        one.close()
    assert names(tmp_path) == [".lock"]


def test_odd_names_stay_inside(tmp_path: Path) -> None:
    for app_id in ("../../x", "..", "", "a/b"):
        with create_app_dir(str(tmp_path), app_id) as made:
            assert os.path.dirname(made.path) == str(root_of(tmp_path))


def test_a_directory_of_the_name_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    root_of(tmp_path).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PySparkRuntimeError, match="not a directory of this user"):
        create_app_dir(str(tmp_path), "app")


def test_an_open_directory_of_ours_is_closed_to_others(tmp_path: Path) -> None:
    root_of(tmp_path).mkdir()
    root_of(tmp_path).chmod(0o777)
    with create_app_dir(str(tmp_path), "app"):
        assert stat.S_IMODE(root_of(tmp_path).stat().st_mode) == 0o700


def test_removed_behind_our_back(tmp_path: Path) -> None:
    made = create_app_dir(str(tmp_path), "app")
    os.rename(made.path, tmp_path / "moved")
    made.close()


def test_a_forked_child_removes_nothing(tmp_path: Path) -> None:
    made = create_app_dir(str(tmp_path), "app")
    child = os.fork()
    if not child:
        made.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert os.path.isdir(made.path)
    made.close()


def test_socket_paths_are_short_enough(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as near, create_app_dir(near, "app") as made:
        assert made.socket_path("s") == f"{made.path}/s"
    far = tmp_path / ("x" * 100)
    far.mkdir()
    with create_app_dir(str(far), "app") as made:
        short = made.socket_path("s")
        assert len(short) <= MAX_SOCKET_PATH
        assert stat.S_IMODE(os.stat(os.path.dirname(short)).st_mode) == 0o700
        assert os.path.dirname(made.socket_path("t")) == os.path.dirname(short)
    assert not os.path.exists(os.path.dirname(short))


def test_base_directory(tmp_path: Path) -> None:
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    assert local_base_dir({"spark.local.dir": one}, {}) == one
    assert local_base_dir({"spark.local.dir": one}, {"SPARK_LOCAL_DIRS": two}) == two
    assert local_base_dir({"spark.local.dir": f" {one} ,{two}"}, {}) == one
    assert os.path.isdir(local_base_dir({}, {}))
    blocker = tmp_path / "file"
    blocker.touch()
    assert local_base_dir({"spark.local.dir": f"{blocker}/x,{two}"}, {}) == two
    with pytest.raises(PySparkRuntimeError, match=r"spark\.local\.dir"):
        local_base_dir({"spark.local.dir": f"{blocker}/x"}, {})
