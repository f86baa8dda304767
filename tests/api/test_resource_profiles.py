"""Stages with a resource profile run on executors that have what it asks for."""

from __future__ import annotations

import os

import pytest

pytestmark = [pytest.mark.own_context, pytest.mark.minispark_only]

MASTERS = ["local-process[2]", pytest.param("local[2]", marks=pytest.mark.ray)]


def profile(engine, *requests):
    builder = engine.ResourceProfileBuilder()
    for request in requests:
        builder.require(request)
    return builder.build


def seen(_x):
    from minispark import TaskContext

    task = TaskContext.get()
    units = {name: found.addresses for name, found in task.resources().items()}
    return os.getpid(), task.cpus(), units


@pytest.mark.parametrize("master", MASTERS)
def test_tasks_have_their_gpus(engine, open_context, master):
    with open_context(master, spark_driver_resource_gpu_amount="2") as sc:
        default = {pid for pid, _, _ in sc.parallelize(range(20), 20).map(seen).collect()}
        asked = profile(engine, engine.TaskResourceRequests().cpus(1).resource("gpu", 1))
        rdd = sc.parallelize(range(20), 20).map(seen).withResources(asked)
        assert rdd.getResourceProfile() is asked
        found = rdd.collect()
        assert not default & {pid for pid, _, _ in found}
        assert {cpus for _, cpus, _ in found} == {1}
        by_pid = {pid: units["gpu"] for pid, _, units in found}
        assert {len(units) for units in by_pid.values()} == {1}
        # Each process has a GPU of its own.
        assert len({units[0] for units in by_pid.values()}) == len(by_pid)
        # What follows behind a shuffle is as before.
        after = rdd.map(lambda x: (x[0], 1)).reduceByKey(lambda a, b: a + b).map(seen)
        assert not {pid for pid, _, _ in after.collect()} & by_pid.keys()
        # More than there is: an error at once, and the context is as good as before.
        many = profile(engine, engine.TaskResourceRequests().resource("gpu", 3))
        with pytest.raises(RuntimeError, match="3 gpu where there are 2"):
            sc.parallelize([1], 1).map(seen).withResources(many).collect()
        assert rdd.count() == 20


@pytest.mark.parametrize("master", ["local-process[2]"])
def test_a_task_with_all_cores(engine, open_context, master):
    with open_context(master) as sc:
        asked = profile(engine, engine.TaskResourceRequests().cpus(2))
        found = sc.parallelize(range(4), 4).map(seen).withResources(asked).collect()
        assert {cpus for _, cpus, _ in found} == {2}
        assert len({pid for pid, _, _ in found}) == 1


def test_spark_task_cpus(open_context):
    with open_context("local-process[4]", spark_task_cpus="2") as sc:
        found = sc.parallelize(range(40), 40).map(seen).collect()
        assert {cpus for _, cpus, _ in found} == {2}
        assert len({pid for pid, _, _ in found}) <= 2
    with pytest.raises(ValueError, match=r"spark\.task\.cpus=2"):
        open_context("local-process[1]", spark_task_cpus="2")


def test_executors_of_a_profile_are_replaced(engine, open_context, tmp_path):
    marker = str(tmp_path / "died")

    def die_once(x):
        if not os.path.exists(marker):
            open(marker, "w").close()
            os._exit(9)
        return seen(x)

    with open_context("local-process[2]", spark_driver_resource_gpu_amount="1") as sc:
        asked = profile(engine, engine.TaskResourceRequests().resource("gpu", 1))
        found = sc.parallelize(range(3), 3).map(die_once).withResources(asked).collect()
        assert {tuple(units["gpu"]) for _, _, units in found} == {("0",)}


def test_profiles_do_not_share_what_is_there(engine, open_context):
    with open_context("local-process[2]", spark_driver_resource_gpu_amount="1") as sc:
        one = profile(engine, engine.TaskResourceRequests().resource("gpu", 1))
        other = profile(engine, engine.TaskResourceRequests().resource("gpu", 1))
        assert sc.parallelize([1], 1).withResources(one).count() == 1
        with pytest.raises(RuntimeError, match="other resource profiles have what there is"):
            sc.parallelize([1], 1).withResources(other).count()


def test_master_local_has_what_it_has(engine, open_context):
    with open_context("local", spark_driver_resource_gpu_amount="1") as sc:
        asked = profile(engine, engine.TaskResourceRequests().cpus(1).resource("gpu", 1))
        rdd = sc.parallelize([1], 1).map(seen).withResources(asked)
        ((pid, cpus, units),) = rdd.collect()
        assert (pid, cpus, units) == (os.getpid(), 1, {"gpu": ["0"]})
        many = profile(engine, engine.TaskResourceRequests().cpus(2))
        with pytest.raises(ValueError, match="2 cpus where there are 1"):
            sc.parallelize([1], 1).withResources(many)


def test_two_profiles_in_one_stage(engine, open_context):
    with open_context("local-process[2]", spark_driver_resource_gpu_amount="2") as sc:
        profiles = [
            profile(engine, engine.TaskResourceRequests().resource("gpu", n)) for n in (1, 2)
        ]
        rdd = sc.parallelize([1], 1).map(seen).withResources(profiles[0])
        both = rdd.map(lambda x: x).withResources(profiles[1])
        with pytest.raises(ValueError, match="resource profiles"):
            both.collect()
        with pytest.raises(TypeError, match="`profile`"):
            rdd.withResources({"gpu": 1})


@pytest.mark.ray
def test_a_profile_that_is_never_placed_fails_in_time(engine, open_context):
    # Ray has the GPU, and another profile's executor keeps it. The limit is for starting, too:
    # the first one has to make it on a loaded machine.
    with open_context(
        "local[2]",
        spark_driver_resource_gpu_amount="1",
        minispark_resourceProfile_timeout="20s",
    ) as sc:
        one = profile(engine, engine.TaskResourceRequests().resource("gpu", 1))
        other = profile(engine, engine.TaskResourceRequests().resource("gpu", 1))
        assert sc.parallelize([1], 1).withResources(one).count() == 1
        with pytest.raises(RuntimeError, match=r"none could be started within 20 s"):
            sc.parallelize([1], 1).withResources(other).count()
        assert sc.parallelize([1], 1).withResources(one).count() == 1
