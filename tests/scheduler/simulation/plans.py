"""Random jobs, and what they must give: digests of all that a partition is made of."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import NamedTuple

from minispark.ids import JobId, RddId, ShuffleId
from minispark.plan.spec import JobSpec, Point, RddPoint, ShufflePoint, StageSpec

#: A world has at least so many executors most of the time.
BARRIER_SLOTS = 2


class Value(NamedTuple):
    """A computed partition: a digest of all it was made of, and which random runs."""

    digest: int
    drawn: frozenset[tuple[ShuffleId | None, int, int]] = frozenset()
    #: Of a cached block: the run of its input (`LaunchTask.runs`) that its maker was told.
    run: int = 0

    @classmethod
    def of(cls, what: tuple[object, ...], inputs: Iterable[Value]) -> Value:
        """What is made of `inputs`, in this order."""
        values = tuple(inputs)
        drawn = frozenset().union(*(v.drawn for v in values))
        return cls(hash((what, tuple(v.digest for v in values))), drawn)


def stage_value(spec: StageSpec, partition: int, read: Callable[[Point], Value]) -> Value:
    """What a task computes of what it reads."""
    return Value.of((spec.shuffle_id or -1, partition), map(read, spec.reads))


class Plans:
    """Makes stages on top of earlier ones, and knows what they give undisturbed."""

    def __init__(self, rng: random.Random, seed: int, cores: int) -> None:
        self._rng = rng
        self._cores = cores
        self._ids = 0
        self._has_random = seed % 4 == 3
        #: Whether the scheduler is told which stages are random, or has to find out.
        self.is_told = seed % 8 == 3
        self.random: set[ShuffleId] = set()
        self._has_barrier = seed % 5 == 2
        #: What later jobs may build on.
        self.shuffles: dict[ShuffleId, StageSpec] = {}
        self._ever: dict[ShuffleId, StageSpec] = {}
        #: The blocks of all persisted RDDs.
        self.keys: set[tuple[RddId, int]] = set()
        self._truth: dict[object, Value] = {}
        self.jobs: dict[JobId, JobSpec] = {}

    def new_id(self) -> int:
        """An id that nothing has."""
        self._ids += 1
        return self._ids

    def _spec(self, shuffle: ShuffleId | None) -> StageSpec:
        rng = self._rng
        n = rng.randint(0 if rng.random() < 0.05 else 1, 5)
        known = list(self.shuffles)[-12:]
        reads: list[Point] = [
            ShufflePoint(s) for s in rng.sample(known, min(len(known), rng.choice([0, 1, 1, 2])))
        ]
        behind = {}
        blocks: tuple[tuple[tuple[RddId, int], ...], ...] = ()
        if rng.random() < (0.2 if self._has_random else 0.4) and n:
            rdd = RddPoint(RddId(self.new_id()), n)
            behind[rdd.rdd_id] = tuple(reads)
            reads = [rdd]
            blocks = tuple(((rdd.rdd_id, p),) for p in range(n))
            self.keys.update((rdd.rdd_id, p) for p in range(n))
        is_random = self._has_random and rng.random() < 0.4
        if is_random and shuffle is not None:
            self.random.add(shuffle)
        return StageSpec(
            shuffle,
            n,
            tuple(reads),
            behind,
            blocks,
            is_indeterminate=is_random and shuffle is not None and self.is_told,
            is_barrier=self._has_barrier and 0 < n <= BARRIER_SLOTS and rng.random() < 0.5,
            task_cpus=2 if self._cores == 2 and rng.random() < 0.1 else 1,
        )

    def new_job(self) -> JobSpec:
        """A job on new and on earlier shuffles; now and then the same RDD again."""
        rng = self._rng
        for _ in range(rng.choice([0, 1, 1, 2, 3])):
            shuffle = ShuffleId(self.new_id())
            self.shuffles[shuffle] = self._ever[shuffle] = self._spec(shuffle)
        final = self._spec(None)
        if self.jobs and rng.random() < 0.3:
            again = rng.choice(list(self.jobs.values()))
            if all(s.shuffle_id in self.shuffles for s in again.stages):
                final = again.final
        above: set[ShuffleId] = set()
        stack = [final]
        while stack:
            for shuffle in shuffles_of(stack.pop()) - above:
                above.add(shuffle)
                stack.append(self.shuffles[shuffle])
        partitions = tuple(p for p in range(final.num_partitions) if rng.random() < 0.9)
        stages = tuple(self.shuffles[s] for s in sorted(above))
        job = JobSpec(JobId(self.new_id()), final, partitions, stages, pool=rng.choice("ab"))
        self.jobs[job.job_id] = job
        return job

    def truth_of(self, spec: StageSpec, partition: int) -> Value:
        """What the task computes when nothing is ever lost."""

        def read(point: Point) -> Value:
            if isinstance(point, ShufflePoint):
                up = self._ever[point.shuffle_id]
                maps = [self.truth_of(up, m) for m in range(up.num_partitions)]
                return Value.of(("shuffle", point.shuffle_id), maps)
            return Value.of(("rdd", point.rdd_id), map(read, spec.behind[point.rdd_id]))

        key = (spec.shuffle_id or id(spec), partition)
        if key not in self._truth:
            self._truth[key] = stage_value(spec, partition, read)
        return self._truth[key]


def shuffles_of(spec: StageSpec) -> set[ShuffleId]:
    """All shuffles that a stage may have to read."""
    points = [p for ps in (spec.reads, *spec.behind.values()) for p in ps]
    return {p.shuffle_id for p in points if isinstance(p, ShufflePoint)}
