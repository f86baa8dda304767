"""One scheduler among executors, jobs and faults that a seed determines.

A task launched too early, a stale location or a result accepted twice shows as
a wrong answer; what is decided wrongly without harm shows in the checks here.
"""

from __future__ import annotations

import random
from collections import Counter

from minispark.ids import ExecutorId, JobId, NodeId, RddId, ShuffleId
from minispark.plan.spec import BlockUpdate
from minispark.scheduler import commands as cmd
from minispark.scheduler import events as ev
from minispark.scheduler.dag import DAGScheduler, SchedulerConfig
from minispark.scheduler.model import ExecutorInfo, MapStatus
from tests.scheduler.simulation.checks import Checks
from tests.scheduler.simulation.cluster import Box, Cluster, Missing, Out
from tests.scheduler.simulation.plans import BARRIER_SLOTS, Plans, Value, shuffles_of

JOBS_PER_WORLD = 25


class World(Checks):
    """One cluster, one driver, one seed."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.rng = rng = random.Random(seed)
        self.cores = rng.choice([1, 1, 2])
        self.plans = Plans(rng, seed, self.cores)
        self.cluster = Cluster(rng, self.plans.random)
        self.boxes = self.cluster.boxes
        self.dead_nodes: set[NodeId] = set()
        self.faulty = True
        self.error_rate = rng.choice([0.02, 0.04, 0.2])
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
        self.scheduler = DAGScheduler(self.config)
        self.timer: float | None = None
        self.late: list[ev.Event] = []
        #: Errors of one task that count, since it last succeeded.
        self.raised: Counter[tuple[int, int]] = Counter()
        self.blocks_heard_of: set[tuple[RddId, int]] = set()
        self.to_kill: list[ExecutorId] = []
        self.files_written: set[tuple[ShuffleId, int, int]] = set()
        self.is_stopped = False
        for _ in range(rng.randint(BARRIER_SLOTS, 5)):
            self.add_executor()

    def add_executor(self) -> None:
        """A new executor, on one of three nodes or on a new one."""
        number = self.plans.new_id()
        name = ExecutorId(f"e{number}")
        node = NodeId(f"n{self.rng.randint(0, 2)}-{number // 400}")
        self.boxes[name] = Box(node)
        self.dead_nodes.discard(node)
        self.send(ev.ExecutorAdded(ExecutorInfo(name, node, self.cores)))

    def submit(self) -> None:
        """A driver thread starts a job."""
        job = self.plans.new_job()
        self.results[job.job_id] = {}
        self.send(ev.JobSubmitted(job))

    # -- events and commands ----------------------------------------------------

    def send(self, event: ev.Event) -> None:
        """Tells the scheduler, obeys it, checks its state."""
        self.seen[type(event).__name__] += 1
        commands = self.scheduler.handle(event, self.now)
        for command in commands:
            self.obey(command)
        self.check_barriers(commands)
        self.scheduler.validate()
        if isinstance(event, ev.BlocksUpdated):
            self.blocks_heard_of |= {update.block for update in event.updates}
        elif isinstance(event, ev.ExecutorLost | ev.NodeLost):
            for block in self.blocks_heard_of:
                holders = self.scheduler.blocks.holders(block)
                assert self.boxes.keys() >= set(holders.executors), "the dead hold a block"
                if isinstance(event, ev.NodeLost):
                    assert event.node_id not in holders.nodes, "a dead node holds a block"

    def obey(self, command: cmd.Command) -> None:
        """Does what the runtime would do."""
        match command:
            case cmd.LaunchTask():
                self.launch(command)
            case cmd.CancelTask(task_id, executor):
                self.seen["cancelled tasks"] += 1
                for out in self.boxes[executor].tasks:
                    if out.launch.task_id == task_id:
                        out.is_cancelled = True
                        # Some are deep in C code and hear of it much later.
                        out.ready_s = self.now + 2.0 * (self.rng.random() < 0.2)
            case cmd.AcceptResult():
                self.accept(command)
            case cmd.DiscardResult(task_id):
                self.seen["discarded results"] += 1
                self.answers[task_id] = self.answers.get(task_id, 0) + 1
            case cmd.FinishJob(job_id):
                self.end(job_id, "finished")
                self.check(self.plans.jobs[job_id])
            case cmd.FailJob(job_id, failure):
                self.end(job_id, f"failed: {failure.kind}")
                self.check_failure(job_id, failure)
            case cmd.SetTimer(at_s):
                self.timer = at_s if self.timer is None else min(self.timer, at_s)
            case cmd.KillExecutor(executor):
                self.seen["executors to kill"] += 1
                self.to_kill.append(executor)
            case cmd.DropShuffle(shuffle):
                self.cluster.drop_shuffle(shuffle)

    def launch(self, command: cmd.LaunchTask) -> None:
        """An executor gets a task, and the locations of its inputs."""
        assert command.job_id not in self.ended, "a task of an ended job"
        spec = self.spec_of(command)
        if command.shuffle_id is not None:
            name = (command.shuffle_id, command.partition, command.attempt)
            assert name not in self.files_written, "two attempts write one file"
            self.files_written.add(name)
        box = self.boxes[command.executor_id]
        room = self.cores + self.config.max_prefetch + sum(o.is_cancelled for o in box.tasks)
        assert len(box.tasks) < room, "an executor has too many tasks"
        assert self.needed_now(spec) <= set(command.reads), "a task was launched too early"
        for shuffle in command.reads:
            box.inputs[shuffle] = self.scheduler.map_outputs.locations(shuffle)
        self.launches[command.task_id] = command
        self.seen["launches"] += 1
        self.seen["speculative copies"] += command.is_speculative
        self.seen["barrier tasks"] += spec.is_barrier
        self.seen["later stage attempts"] += command.stage_attempt > 1
        is_slow = self.config.speculation and self.rng.random() < 0.1
        keys = spec.blocks[command.partition] if spec.blocks else ()
        holders = {key: self.scheduler.blocks.holders(key) for key in keys}
        ready_s = self.now + is_slow * self.rng.uniform(0.3, 3.0)
        box.tasks.append(Out(command, spec, ready_s, holders))

    # -- time -------------------------------------------------------------------

    def step(self) -> None:
        """A moment passes; something happens."""
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
        """Some executor gets on with a task; where none can, time passes."""
        rng = self.rng
        able = [
            (name, box, i)
            for name, box in self.boxes.items()
            for i, out in enumerate(box.tasks[: self.cores])
            if out.ready_s <= self.now
        ]
        if not able:
            times = [out.ready_s for box in self.boxes.values() for out in box.tasks[: self.cores]]
            times += [] if self.timer is None else [self.timer]
            self.now = max(self.now, min(times, default=self.now))
            return
        name, box, i = rng.choice(able)
        out = box.tasks.pop(i)
        task_id = out.launch.task_id
        if out.is_cancelled and rng.random() < 0.7:
            self.send(ev.TaskKilled(task_id))
            return
        if self.faulty and rng.random() < self.error_rate:
            self.fail(out)
            return
        if self.faulty and rng.random() < 0.01:
            self.send(ev.TaskKilled(task_id))  # by somebody else than us: it runs again
            return
        try:
            value, updates = self.cluster.compute(out, box)
        except Missing as lost:
            self.send(ev.FetchFailed(task_id, lost.shuffle, lost.attempts, None, "gone"))
            return
        if updates:
            self.send(ev.BlocksUpdated(name, tuple(updates), task_id))
        self.send(self.success(out, name, box, value))
        assert self.answers.get(task_id, 0) <= 1, "a success was answered twice"

    def fail(self, out: Out) -> None:
        """A task raises; the fourth time of one that counts is the last."""
        launch = out.launch
        counts = self.rng.random() < 0.9
        self.count_error(out)
        self.send(ev.TaskFailed(launch.task_id, "boom", counts=counts))
        if counts and not out.is_cancelled:
            key = (launch.stage_id, launch.partition)
            self.raised[key] += 1
            limit = self.config.max_task_failures
            assert self.raised[key] <= limit, "a task that failed so often runs again"

    def count_error(self, out: Out) -> None:
        """Notes what may count against a task."""
        launch = out.launch
        who = (launch.shuffle_id or launch.job_id, out.spec.is_barrier or launch.partition)
        self.errors[who] = self.errors.get(who, 0) + 1

    def success(self, out: Out, name: ExecutorId, box: Box, value: Value) -> ev.TaskSucceeded:
        """A task's file is in place; the report says where."""
        launch = out.launch
        self.values[launch.task_id] = value
        self.answers.setdefault(launch.task_id, 0)
        if not out.is_cancelled:
            self.raised.pop((launch.stage_id, launch.partition), None)
        status = None
        if launch.shuffle_id is not None:
            key = (box.node, launch.shuffle_id, launch.partition, launch.attempt)
            self.cluster.files[key] = value
            is_random = launch.shuffle_id in self.plans.random and not self.plans.is_told
            number = self.cluster.runs if is_random else launch.partition
            status = MapStatus(box.node, name, launch.attempt, b"\x50" * 3, 100, False, number)
        return ev.TaskSucceeded(launch.task_id, status)

    # -- faults -----------------------------------------------------------------

    def faults(self) -> list:
        """What may happen at any time; doubled what finds most."""
        return [
            self.kill_executor, self.kill_executor, self.kill_node, self.lose_file, self.lose_file,
            self.evict, self.cancel, self.talk_of_the_dead, self.talk_of_the_dead,
            self.forget_shuffle, self.unpersist, self.kill_silently, self.exhaust,
        ]  # fmt: skip

    def kill(self, name: ExecutorId, intended: bool = False, node: bool = False) -> None:
        """An executor is gone; what it was saying comes later or never."""
        box = self.boxes.pop(name)
        for out in box.tasks:
            launch = out.launch
            self.count_error(out)
            roll = self.rng.random()
            if roll < 0.5:  # it had just finished; its message is under way
                self.late.append(ev.TaskSucceeded(launch.task_id, None))
            elif roll < 0.6:
                self.late.append(ev.TaskFailed(launch.task_id, "late"))
            elif launch.reads:
                self.late.append(ev.FetchFailed(launch.task_id, launch.reads[0], (), None, "late"))
        if box.blocks:
            update = BlockUpdate(next(iter(box.blocks)), True, False)
            self.late.append(ev.BlocksUpdated(name, (update,)))
        if not node:
            self.send(ev.ExecutorLost(name, "killed", intended))

    def kill_executor(self) -> None:
        """One executor; mostly it is replaced."""
        if self.boxes:
            self.kill(self.rng.choice(list(self.boxes)))
        if self.rng.random() < 0.9:
            self.replace()

    def replace(self) -> None:
        """As many executors as a barrier stage may need."""
        while len(self.boxes) < BARRIER_SLOTS:
            self.add_executor()

    def kill_silently(self) -> None:
        """A task ends with its process just when its output is in place."""
        able = [(n, b) for n, b in self.boxes.items() if b.tasks and b.tasks[0].ready_s <= self.now]
        if not able:
            return
        name, box = self.rng.choice(able)
        out = box.tasks[0]
        try:
            value, _ = self.cluster.compute(out, box)
        except Missing:
            return
        if out.launch.shuffle_id is not None:
            launch = out.launch
            key = (box.node, launch.shuffle_id, launch.partition, launch.attempt)
            self.cluster.files[key] = value  # a file that nobody ever hears of
        self.kill(name)
        self.replace()

    def exhaust(self) -> None:
        """The launcher gives up, which matters only when no executor is left."""
        if self.rng.random() < 0.1:
            self.send(ev.ExecutorsExhausted("no more executors"))

    def kill_node(self) -> None:
        """A node with its executors, files and blocks."""
        if self.rng.random() < 0.5:
            return
        node = self.rng.choice([box.node for box in self.boxes.values()] or [NodeId("?")])
        for name in self.cluster.lose_node(node):
            self.kill(name, node=True)
        self.send(ev.NodeLost(node, "gone"))
        outputs = self.scheduler.map_outputs
        known = {n for s in self.plans.shuffles for _, _, n in outputs.locations(s)}
        assert node not in known, "outputs of a dead node are still registered"
        self.dead_nodes.add(node)
        if self.boxes and self.plans.keys:
            # Somebody had just put a copy there, and is alive to say so.
            copy = BlockUpdate(self.rng.choice(sorted(self.plans.keys)), False, True, node)
            self.late.append(ev.BlocksUpdated(self.rng.choice(list(self.boxes)), (copy,)))
        self.check_blocks()
        self.replace()

    def check_blocks(self) -> None:
        """No block is looked for on a node that is gone."""
        holders = self.scheduler.blocks.holders
        known = {node for key in self.plans.keys for node in holders(key).nodes}
        assert not known & self.dead_nodes, "a block on a dead node counts"

    def lose_file(self) -> None:
        """Two map outputs are gone; nobody says so."""
        files = self.cluster.files
        for key in self.rng.sample(list(files), min(len(files), 2)):
            del files[key]

    def evict(self) -> None:
        """Blocks go from heaps; mostly that is reported."""
        for name, box in self.boxes.items():
            if box.blocks and self.rng.random() < 0.5:
                key = self.rng.choice(list(box.blocks))
                del box.blocks[key]
                if self.rng.random() < 0.7:
                    on_disk = (box.node, *key) in self.cluster.disk
                    self.send(ev.BlocksUpdated(name, (BlockUpdate(key, False, on_disk),)))

    def cancel(self) -> None:
        """A job is no longer wanted, whether it runs or not."""
        job_id = self.rng.choice(list(self.plans.jobs) or [JobId(-1)])
        if self.rng.random() < 0.4:
            self.asked_to_end.add(job_id)
            self.send(ev.JobCancelled(job_id, "no longer wanted"))

    def talk_of_the_dead(self) -> None:
        """A message of an executor that counts as lost; it changes nothing."""
        if self.late:
            event = self.late.pop(self.rng.randrange(len(self.late)))
            before = len(self.scheduler.active_job_ids)
            self.send(event)
            self.seen["late messages"] += 1
            assert len(self.scheduler.active_job_ids) == before, "the dead ended a job"
            self.check_blocks()

    def forget_shuffle(self) -> None:
        """Nobody holds a shuffle any more."""
        shuffles = self.plans.shuffles
        if shuffles and self.rng.random() < 0.3:
            shuffle = self.rng.choice(list(shuffles))
            if not any(shuffle in shuffles_of(spec) for spec in shuffles.values()):
                del shuffles[shuffle]
                self.send(ev.ShuffleForgotten(shuffle))

    def unpersist(self) -> None:
        """The user drops the blocks of an RDD."""
        rdds = {r for box in self.boxes.values() for r, _ in box.blocks}
        if rdds:
            rdd = self.rng.choice(sorted(rdds))
            self.cluster.drop_rdd(rdd)
            self.send(ev.RddUnpersisted(rdd))

    def play(self) -> None:
        """Jobs and faults; then only jobs, which must all end; then nothing is left."""
        submitted = 0
        while submitted < JOBS_PER_WORLD:
            if len(self.scheduler.active_job_ids) < 4 and self.rng.random() < 0.2:
                self.submit()
                submitted += 1
            self.step()
        if self.rng.random() < 0.1:
            self.is_stopped = True
            self.send(ev.Stopped("the context stops"))
        self.faulty = False
        self.replace()
        for _ in range(5000):
            if not self.scheduler.active_job_ids:
                break
            self.step()
        assert set(self.ended) == set(self.plans.jobs), "a job hangs"
        while self.late:
            self.talk_of_the_dead()
        self.scheduler.assert_empty()
        self.seen["blocks from elsewhere"] += self.cluster.num_brought
        self.seen["blocks of an earlier run"] += self.cluster.num_stale
        assert all(n == 1 for n in self.answers.values()), "a success was not answered once"
