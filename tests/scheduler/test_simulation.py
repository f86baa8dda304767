"""A random driver plays jobs, faults and late messages together; answers are checked.

The model holds real "files" (what each map attempt computed of what it read)
and real blocks, so a task launched too early, a stale location or a result
accepted twice shows as a wrong answer. One seed makes one world;
MINISPARK_SIM_JOBS asks for longer runs.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest

from minispark.ids import ExecutorId, JobId, NodeId, RddId, ShuffleId
from minispark.plan.spec import JobSpec, Point, RddPoint, ShufflePoint, StageSpec
from minispark.scheduler import commands as cmd
from minispark.scheduler import events as ev
from minispark.scheduler.dag import DAGScheduler, SchedulerConfig
from minispark.scheduler.model import ExecutorInfo, MapStatus

JOBS_PER_WORLD = 25
WORLDS = max(1, int(os.environ.get("MINISPARK_SIM_JOBS", "2000")) // JOBS_PER_WORLD)
BARRIER_SLOTS = 2


@dataclass
class Out:
    """A task as an executor has it: with the locations it was sent."""

    launch: cmd.LaunchTask
    spec: StageSpec
    locations: dict[ShuffleId, list[tuple[int, int, NodeId]]]
    is_cancelled: bool = False


@dataclass
class Box:
    """A living executor."""

    node: NodeId
    tasks: list[Out] = field(default_factory=list)
    blocks: dict[tuple[RddId, int], Value] = field(default_factory=dict)


class Value(NamedTuple):
    """A computed partition: a digest of all it was made of, and which random runs."""

    digest: int
    drawn: frozenset[tuple[ShuffleId | None, int, int]] = frozenset()

    @classmethod
    def of(cls, what: tuple[object, ...], inputs: Iterable[Value]) -> Value:
        values = tuple(inputs)
        drawn = frozenset().union(*(v.drawn for v in values))
        return cls(hash((what, tuple(v.digest for v in values))), drawn)


class Missing(Exception):
    def __init__(self, shuffle: ShuffleId, attempts: tuple[tuple[int, int], ...]) -> None:
        super().__init__(shuffle)
        self.shuffle, self.attempts = shuffle, attempts


class World:
    """One cluster, one driver, one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.indeterminate = seed % 4 == 3
        self.barrier = seed % 5 == 2
        self.faulty = True
        self.now = 0.0
        self.config = SchedulerConfig(
            prefetch_below_s=rng.choice([0.0, 10.0]),
            fair=rng.random() < 0.3,
            speculation=rng.random() < 0.3,
            speculation_quantile=0.5,
            locality_wait_s=rng.choice([0.0, 0.05]),
            cancel_grace_s=0.2,
            max_stage_attempts=8,
        )
        self.cores = rng.choice([1, 1, 2])
        self.scheduler = DAGScheduler(self.config)
        self.timer: float | None = None
        self.boxes: dict[ExecutorId, Box] = {}
        self.late: list[ev.Event] = []
        self.files: dict[tuple[NodeId, ShuffleId, int, int], Value] = {}
        self.disk: dict[tuple[NodeId, RddId, int], Value] = {}
        self.names = 0
        self.shuffles: dict[ShuffleId, StageSpec] = {}
        self.shuffles_ever: dict[ShuffleId, StageSpec] = {}
        self.truth: dict[object, Value] = {}
        self.jobs: dict[JobId, JobSpec] = {}
        self.results: dict[JobId, dict[int, Value]] = {}
        self.ended: dict[JobId, str] = {}
        self.asked_to_end: set[JobId] = set()
        self.values: dict[int, Value] = {}
        self.answers: dict[int, int] = {}
        self.errors: dict[object, int] = {}
        self.to_kill: list[ExecutorId] = []
        self.runs = 0
        self.files_written: set[tuple[ShuffleId, int, int]] = set()
        for _ in range(rng.randint(BARRIER_SLOTS, 5)):
            self.add_executor()

    # -- the plan -------------------------------------------------------------

    def spec(self, shuffle: ShuffleId | None) -> StageSpec:
        rng = self.rng
        n = rng.randint(0 if rng.random() < 0.05 else 1, 5)
        known = list(self.shuffles)[-12:]
        reads: list[Point] = [
            ShufflePoint(s) for s in rng.sample(known, min(len(known), rng.choice([0, 1, 1, 2])))
        ]
        behind = {}
        blocks: tuple[tuple[tuple[RddId, int], ...], ...] = ()
        if rng.random() < 0.4 and not self.indeterminate and n:
            rdd = RddPoint(RddId(self.new_id()), n)
            behind[rdd.rdd_id] = tuple(reads)
            reads = [rdd]
            blocks = tuple(((rdd.rdd_id, p),) for p in range(n))
        return StageSpec(
            shuffle, n, tuple(reads), behind, blocks,
            is_indeterminate=self.indeterminate and shuffle is not None and rng.random() < 0.4,
            is_barrier=self.barrier and 0 < n <= BARRIER_SLOTS and rng.random() < 0.5,
        )  # fmt: skip

    def new_id(self) -> int:
        self.names += 1
        return self.names

    def submit(self) -> None:
        for _ in range(self.rng.choice([0, 1, 1, 2, 3])):
            shuffle = ShuffleId(self.new_id())
            self.shuffles[shuffle] = self.shuffles_ever[shuffle] = self.spec(shuffle)
        final = self.spec(None)
        if self.jobs and self.rng.random() < 0.3:  # the same RDD again
            again = self.rng.choice(list(self.jobs.values()))
            if all(s.shuffle_id in self.shuffles for s in again.stages):
                final = again.final
        above: set[ShuffleId] = set()
        stack = [final]
        while stack:
            spec = stack.pop()
            for shuffle in self.shuffles_of(spec) - above:
                above.add(shuffle)
                stack.append(self.shuffles[shuffle])
        partitions = [p for p in range(final.num_partitions) if self.rng.random() < 0.9]
        stages = tuple(self.shuffles[s] for s in sorted(above))
        job = JobSpec(JobId(self.new_id()), final, tuple(partitions), stages,
                      pool=self.rng.choice("ab"))  # fmt: skip
        self.jobs[job.job_id] = job
        self.results[job.job_id] = {}
        self.send(ev.JobSubmitted(job))

    @staticmethod
    def shuffles_of(spec: StageSpec) -> set[ShuffleId]:
        points = [p for ps in (spec.reads, *spec.behind.values()) for p in ps]
        return {p.shuffle_id for p in points if isinstance(p, ShufflePoint)}

    # -- the executors --------------------------------------------------------

    def add_executor(self, node: NodeId | None = None) -> None:
        name = ExecutorId(f"e{self.new_id()}")
        node = node or NodeId(f"n{self.rng.randint(0, 2)}-{self.names // 400}")
        self.boxes[name] = Box(node)
        self.send(ev.ExecutorAdded(ExecutorInfo(name, node, self.cores)))

    def compute(self, out: Out, box: Box) -> tuple[Value, list[ev.BlockUpdate]]:
        """What the task computes of what it finds; raises `Missing`."""
        updates: list[ev.BlockUpdate] = []
        partition = out.launch.partition
        spec = out.spec

        def read(point: Point) -> Value:
            if isinstance(point, ShufflePoint):
                return self.fetch(out, point.shuffle_id)
            key = (point.rdd_id, partition)
            if key in box.blocks:
                return box.blocks[key]
            if (box.node, *key) in self.disk:
                return self.disk[(box.node, *key)]
            value = Value.of(("rdd", point.rdd_id), map(read, spec.behind[point.rdd_id]))
            in_memory = self.rng.random() < 0.7
            if in_memory:
                box.blocks[key] = value
            else:
                self.disk[(box.node, *key)] = value
            updates.append(ev.BlockUpdate(key, in_memory, not in_memory))
            return value

        inputs = tuple(map(read, spec.reads))
        self.runs += 1
        value = Value.of((spec.shuffle_id or -1, partition), inputs)
        if spec.is_indeterminate:
            drawn = (spec.shuffle_id, partition, self.runs)
            value = Value(value.digest, value.drawn | {drawn})
        return value, updates

    def fetch(self, out: Out, shuffle: ShuffleId) -> Value:
        if shuffle not in out.locations:
            raise Missing(shuffle, ())
        keys = [(node, shuffle, m, a) for m, a, node in out.locations[shuffle]]
        gone = tuple((m, a) for node, s, m, a in keys if (node, s, m, a) not in self.files)
        if gone:
            raise Missing(shuffle, gone)
        return Value.of(("shuffle", shuffle), [self.files[key] for key in keys])

    def truth_of(self, spec: StageSpec, partition: int) -> Value:
        """What the task computes when nothing is ever lost."""

        def read(point: Point) -> Value:
            if isinstance(point, ShufflePoint):
                up = self.shuffles_ever[point.shuffle_id]
                maps = [self.truth_of(up, m) for m in range(up.num_partitions)]
                return Value.of(("shuffle", point.shuffle_id), maps)
            return Value.of(("rdd", point.rdd_id), map(read, spec.behind[point.rdd_id]))

        key = (spec.shuffle_id or id(spec), partition)
        if key not in self.truth:
            self.truth[key] = Value.of((spec.shuffle_id or -1, partition), map(read, spec.reads))
        return self.truth[key]

    # -- events ---------------------------------------------------------------

    def send(self, event: ev.Event) -> None:
        for command in self.scheduler.handle(event, self.now):
            self.obey(command, event)
        self.scheduler.validate()

    def obey(self, command: cmd.Command, event: ev.Event) -> None:
        match command:
            case cmd.LaunchTask():
                self.launch(command)
            case cmd.CancelTask(task_id, executor):
                for out in self.boxes[executor].tasks:
                    if out.launch.task_id == task_id:
                        out.is_cancelled = True
            case cmd.AcceptResult(task_id, job_id, index):
                self.answers[task_id] = self.answers.get(task_id, 0) + 1
                if index is not None:
                    assert job_id not in self.ended, "a result for an ended job"
                    assert index not in self.results[job_id], "a result was accepted twice"
                    self.results[job_id][index] = self.values[task_id]
            case cmd.DiscardResult(task_id):
                self.answers[task_id] = self.answers.get(task_id, 0) + 1
            case cmd.FinishJob(job_id):
                self.end(job_id, "finished")
                self.check(self.jobs[job_id])
            case cmd.FailJob(job_id, failure):
                self.end(job_id, failure.kind)
                self.check_failure(job_id, failure)
            case cmd.SetTimer(at_s):
                self.timer = at_s if self.timer is None else min(self.timer, at_s)
            case cmd.KillExecutor(executor):
                self.to_kill.append(executor)
            case cmd.DropShuffle(shuffle):
                for key in [k for k in self.files if k[1] == shuffle]:
                    del self.files[key]

    def end(self, job_id: JobId, how: str) -> None:
        assert job_id not in self.ended, "a job ended twice"
        self.ended[job_id] = how

    def launch(self, command: cmd.LaunchTask) -> None:
        job = self.jobs[command.job_id]
        assert command.job_id not in self.ended, "a task of an ended job"
        spec = job.final
        if command.shuffle_id is not None:
            spec = next(s for s in job.stages if s.shuffle_id == command.shuffle_id)
            name = (command.shuffle_id, command.partition, command.attempt)
            assert name not in self.files_written, "two attempts write one file"
            self.files_written.add(name)
        box = self.boxes[command.executor_id]
        assert len(box.tasks) <= self.cores + sum(o.is_cancelled for o in box.tasks), "too many"
        assert self.needed_now(spec) <= set(command.reads), "a task was launched too early"
        locations = {s: self.scheduler.map_outputs.locations(s) for s in command.reads}
        box.tasks.append(Out(command, spec, locations))

    def needed_now(self, spec: StageSpec) -> set[ShuffleId]:
        """What a task reads if every cached block the scheduler knows is there."""
        needed = set()
        stack = list(spec.reads)
        while stack:
            point = stack.pop()
            if isinstance(point, ShufflePoint):
                needed.add(point.shuffle_id)
            elif not self.scheduler.blocks.is_complete(point.rdd_id, point.num_partitions):
                stack.extend(spec.behind[point.rdd_id])
        return needed

    def check(self, job: JobSpec) -> None:
        """Every answer is what an undisturbed run gives; one run of what is random."""
        got = self.results[job.job_id]
        assert set(got) == set(range(len(job.partitions))), "results are missing"
        drawn: dict[object, int] = {}
        for index, partition in enumerate(job.partitions):
            truth = self.truth_of(job.final, partition)
            assert got[index].digest == truth.digest, "a wrong answer"
            for shuffle, map_id, run in got[index].drawn:
                assert drawn.setdefault((shuffle, map_id), run) == run, "two runs are mixed"

    def check_failure(self, job_id: JobId, failure: cmd.Failure) -> None:
        if failure.kind == "cancelled":
            assert job_id in self.asked_to_end, "cancelled, but nobody asked"
        elif failure.kind == "barrier":
            assert len(self.boxes) * self.cores < BARRIER_SLOTS, "there was room"
        elif failure.kind in ("task", "executors") and self.boxes:
            worst = max(self.errors.values(), default=0)
            assert worst >= self.config.max_task_failures, f"failed too early: {failure}"
        elif failure.kind == "fetch":  # so many losses in a row do not happen here
            assert "indeterminate" in failure.message, failure
        else:
            assert failure.kind == "executors", failure

    # -- what may happen ------------------------------------------------------

    def step(self) -> None:
        self.now += self.rng.random() * 0.02
        if self.timer is not None and self.timer <= self.now:
            self.timer = None
            self.send(ev.TimerFired())
        for executor in self.to_kill:
            if executor in self.boxes:
                self.kill(executor, intended=True)
                self.add_executor()
        self.to_kill.clear()
        if self.faulty and self.rng.random() < 0.15:
            self.rng.choice(self.faults())()
        else:
            self.progress()

    def progress(self) -> None:
        rng = self.rng
        busy = [(name, box) for name, box in self.boxes.items() if box.tasks]
        if not busy:
            if self.timer is not None:
                self.now = max(self.now, self.timer)
            return
        name, box = rng.choice(busy)
        out = box.tasks.pop(rng.randrange(min(self.cores, len(box.tasks))))
        task_id = out.launch.task_id
        if out.is_cancelled and rng.random() < 0.7:
            self.send(ev.TaskKilled(task_id))
            return
        if self.faulty and rng.random() < 0.04:
            self.count_error(out)
            self.send(ev.TaskFailed(task_id, "boom", counts=rng.random() < 0.9))
            return
        try:
            value, updates = self.compute(out, box)
        except Missing as lost:
            self.send(ev.FetchFailed(task_id, lost.shuffle, lost.attempts, None, "gone"))
            return
        if updates:
            self.send(ev.BlocksUpdated(name, tuple(updates)))
        self.send(self.success(out, name, box, value))
        assert self.answers.get(task_id, 0) <= 1, "a success was answered twice"

    def count_error(self, out: Out) -> None:
        launch = out.launch
        who = (launch.shuffle_id or launch.job_id, out.spec.is_barrier or launch.partition)
        self.errors[who] = self.errors.get(who, 0) + 1

    def success(self, out: Out, name: ExecutorId, box: Box, value: Value) -> ev.TaskSucceeded:
        launch = out.launch
        self.values[launch.task_id] = value
        self.answers.setdefault(launch.task_id, 0)
        status = None
        if launch.shuffle_id is not None:
            self.files[(box.node, launch.shuffle_id, launch.partition, launch.attempt)] = value
            status = MapStatus(box.node, name, launch.attempt, b"\x50" * 3, 100)
        return ev.TaskSucceeded(launch.task_id, status)

    def faults(self) -> list:
        return [
            self.kill_executor, self.kill_executor, self.kill_node, self.lose_file, self.lose_file,
            self.evict, self.cancel, self.talk_of_the_dead, self.talk_of_the_dead,
            self.forget_shuffle, self.unpersist,
        ]  # fmt: skip

    def kill(self, name: ExecutorId, intended: bool = False, node: bool = False) -> None:
        box = self.boxes.pop(name)
        for out in box.tasks:
            launch = out.launch
            self.count_error(out)
            if self.rng.random() < 0.5:  # it had just finished; its message is under way
                self.late.append(ev.TaskSucceeded(launch.task_id, None))
            elif launch.reads:
                self.late.append(ev.FetchFailed(launch.task_id, launch.reads[0], (), None, "late"))
        if box.blocks:
            update = ev.BlockUpdate(next(iter(box.blocks)), True, False)
            self.late.append(ev.BlocksUpdated(name, (update,)))
        if not node:
            self.send(ev.ExecutorLost(name, "killed", intended))

    def kill_executor(self) -> None:
        if self.boxes:
            self.kill(self.rng.choice(list(self.boxes)))
        if self.rng.random() < 0.9:
            while len(self.boxes) < BARRIER_SLOTS:
                self.add_executor()

    def kill_node(self) -> None:
        if self.rng.random() < 0.5:
            return
        node = self.rng.choice([box.node for box in self.boxes.values()] or [NodeId("?")])
        self.files = {k: v for k, v in self.files.items() if k[0] != node}
        self.disk = {k: v for k, v in self.disk.items() if k[0] != node}
        for name in [n for n, box in self.boxes.items() if box.node == node]:
            self.kill(name, node=True)
        self.send(ev.NodeLost(node, "gone"))
        known = {n for s in self.shuffles for _, _, n in self.scheduler.map_outputs.locations(s)}
        assert node not in known, "outputs of a dead node are still registered"
        while len(self.boxes) < BARRIER_SLOTS:
            self.add_executor()

    def lose_file(self) -> None:
        for key in self.rng.sample(list(self.files), min(len(self.files), 2)):
            del self.files[key]

    def evict(self) -> None:
        for name, box in self.boxes.items():
            if box.blocks and self.rng.random() < 0.5:
                key = self.rng.choice(list(box.blocks))
                del box.blocks[key]
                if self.rng.random() < 0.7:  # else the report is lost
                    on_disk = (box.node, *key) in self.disk
                    self.send(ev.BlocksUpdated(name, (ev.BlockUpdate(key, False, on_disk),)))

    def cancel(self) -> None:
        job_id = self.rng.choice(list(self.jobs) or [JobId(-1)])
        if self.rng.random() < 0.4:
            self.asked_to_end.add(job_id)
            self.send(ev.JobCancelled(job_id, "no longer wanted"))

    def talk_of_the_dead(self) -> None:
        if self.late:
            event = self.late.pop(self.rng.randrange(len(self.late)))
            before = len(self.scheduler.active_job_ids)
            self.send(event)
            assert len(self.scheduler.active_job_ids) == before, "the dead ended a job"

    def forget_shuffle(self) -> None:
        if self.shuffles and self.rng.random() < 0.3:
            shuffle = self.rng.choice(list(self.shuffles))
            below = [s for s, spec in self.shuffles.items() if shuffle in self.shuffles_of(spec)]
            if not below:
                del self.shuffles[shuffle]
                self.send(ev.ShuffleForgotten(shuffle))

    def unpersist(self) -> None:
        rdds = {r for box in self.boxes.values() for r, _ in box.blocks}
        if rdds:
            rdd = self.rng.choice(sorted(rdds))
            for box in self.boxes.values():
                box.blocks = {k: v for k, v in box.blocks.items() if k[0] != rdd}
            self.disk = {k: v for k, v in self.disk.items() if k[1] != rdd}
            self.send(ev.RddUnpersisted(rdd))

    def play(self) -> None:
        submitted = 0
        while submitted < JOBS_PER_WORLD:
            if len(self.scheduler.active_job_ids) < 4 and self.rng.random() < 0.2:
                self.submit()
                submitted += 1
            self.step()
        self.faulty = False
        while len(self.boxes) < BARRIER_SLOTS:
            self.add_executor()
        for _ in range(5000):
            if not self.scheduler.active_job_ids:
                break
            self.step()
        assert set(self.ended) == set(self.jobs), "a job hangs"
        while self.late:
            self.talk_of_the_dead()
        self.scheduler.assert_empty()
        assert all(n == 1 for n in self.answers.values()), "a success was not answered once"


@pytest.mark.parametrize("seed", range(WORLDS))
def test_random_world(seed: int) -> None:
    world = World(seed)
    try:
        world.play()
    except Exception as error:
        raise AssertionError(f"seed {seed}, at {world.now:.3f}: {error}") from error
