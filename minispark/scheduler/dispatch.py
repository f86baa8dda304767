"""Free cores meet pending tasks.

Owns: who gets which core, waiting for locality, prefetching, barrier starts,
speculative copies. Must not know: why a task is pending. After every event
`run` offers the free cores to the ready stages; nothing happens when there is
no core or no stage, and an event that frees one core costs one offer.
"""

from __future__ import annotations

from minispark.scheduler.commands import Failure
from minispark.scheduler.events import ProfileRefused
from minispark.scheduler.executors import Executor
from minispark.scheduler.lifecycle import Lifecycle
from minispark.scheduler.stage import Running, Stage
from minispark.scheduler.state import SchedulerState

#: Work that waits for the holders of cached blocks, per holder, from which on
#: idle executors take part.
_WORTH_MOVING_S = 0.5


class Dispatcher:
    """Assigns tasks to executors."""

    def __init__(self, state: SchedulerState, lifecycle: Lifecycle) -> None:
        self.state = state
        self.lifecycle = lifecycle
        self._speculating = False
        self._watching = False

    def run(self, now: float) -> None:
        """Launches what can be launched now."""
        state = self.state
        if state.is_doubtful:
            state.is_doubtful = False
            self.lifecycle.recheck(now)
        if not state.ready:
            state.touched.clear()
            self._watch_queues(now)
            return
        if state.asked:
            self._watch_profiles(now)
        if state.executors.free:
            if state.config.fair:
                self._run_fair(now)
            else:
                self._run_fifo(now)
        for executor in state.touched:
            if executor.used >= executor.cores:
                self._prefetch(executor, now)
        state.touched.clear()
        self._watch_queues(now)
        if state.config.speculation and not self._speculating:
            self._speculating = True
            state.at(now + state.config.speculation_interval_s, self._speculate)

    def _run_fifo(self, now: float) -> None:
        for stage in self.state.ready.in_order():
            if not self._offer(stage, None, now) or not self.state.executors.free:
                return

    def _run_fair(self, now: float) -> None:
        """One task at a time, to the pool that has least."""
        launched = True
        while launched and self.state.executors.free:
            launched = False
            for stage in self.state.ready.in_order():
                before = len(self.state.tasks)
                go_on = self._offer(stage, 1, now)
                launched = len(self.state.tasks) > before
                if launched or not go_on:
                    break

    def _offer(self, stage: Stage, limit: int | None, now: float) -> bool:
        """Launches tasks of one stage; False when later stages must wait for it."""
        state = self.state
        if stage.spec.is_barrier:
            return self._offer_barrier(stage, now)
        tasks = stage.tasks
        free = state.executors.free_of(stage.spec.profile_id)
        cpus = stage.spec.task_cpus
        if cpus > 1 and not self._has_room(stage, now):
            return True
        budget = limit if limit is not None else len(tasks.pending) + len(tasks.slow)
        launched = True
        while launched and tasks.pending and free and budget > 0:
            launched = False
            for executor in list(free.values()):
                if executor.cores - executor.used < cpus:
                    continue
                index = tasks.take(executor, has_choice=len(free) > 1)
                if index is None:
                    continue
                tasks.local_since_s = now
                state.launch(stage, index, executor, now)
                launched = True
                budget -= 1
                if budget <= 0 or not tasks.pending:
                    break
        if tasks.pending and free and budget > 0:
            budget = self._offer_remote(stage, budget, now)
        if tasks.slow and free and budget > 0:
            self._offer_copies(stage, now)
        state.update_ready(stage)
        return True

    def _offer_remote(self, stage: Stage, budget: int, now: float) -> int:
        """What is left prefers busy executors: wait a little, then run anywhere."""
        state = self.state
        tasks = stage.tasks
        # Shuffle input is fetched from files anyway: preferred, not waited for.
        wait = state.config.locality_wait_s if stage.spec.blocks else 0.0
        mean = tasks.mean_s
        if mean is not None:
            # A block can be brought from its holder: not for a moment's work, nor
            # where the holder is nearly done, but sooner than the wait is over.
            worth = min(wait, max(_WORTH_MOVING_S, 2 * mean))
            if mean * len(tasks.pending) > worth * tasks.num_places:
                wait = 0.0  # the preferred ones will not be free in time
        if now < tasks.local_since_s + wait:
            if tasks.wake_s <= now:
                tasks.wake_s = tasks.local_since_s + wait
                state.at(tasks.wake_s, _wake)
            return budget
        cpus = stage.spec.task_cpus
        for executor in list(state.executors.free_of(stage.spec.profile_id).values()):
            while budget > 0 and executor.cores - executor.used >= cpus:
                index = tasks.take(executor, has_choice=False)
                if index is None:
                    index = tasks.take_any()
                if index is None:
                    return budget
                state.launch(stage, index, executor, now)
                budget -= 1
        return budget

    def _prefetch(self, executor: Executor, now: float) -> None:
        """Sends short tasks ahead, where that leaves no core without work."""
        state = self.state
        if executor.is_doomed:
            return
        profile_id = executor.info.profile_id
        stage = next((s for s in state.ready.in_order() if s.spec.profile_id == profile_id), None)
        if stage is None or stage.spec.is_barrier or stage.spec.task_cpus != 1:
            return
        tasks = stage.tasks
        mean = tasks.mean_s
        if mean is None or state.executors.free_of(profile_id):
            return
        room = state.config.prefetch(mean, tasks.num_timed) - len(executor.queued)
        if room <= 0 or any(
            attempt.stage is not stage or attempt.is_cancelled
            for attempt in (*executor.running.values(), *executor.queued.values())
        ):
            return
        # The more an executor has waiting, the more must be left for the others.
        cores = state.executors.cores_of(profile_id)
        while room > 0 and len(tasks.pending) >= cores * (len(executor.queued) + 1):
            index = tasks.take(executor, has_choice=True)
            if index is None:
                break
            state.launch(stage, index, executor, now, queued=True)
            room -= 1
        state.update_ready(stage)

    def _watch_queues(self, now: float) -> None:
        """While a core is free and tasks wait at others, looks whether they wait long."""
        executors = self.state.executors
        if executors.free and executors.num_queued and not self._watching:
            self._watching = True
            self.state.at(now + self.state.config.prefetch_below_s, self._recall)

    def _recall(self, now: float) -> None:
        """Takes tasks back that were sent ahead behind one that turned out to be long."""
        self._watching = False
        state = self.state
        for executor in list(state.executors.by_id.values()):
            if not state.executors.free_of(executor.info.profile_id):
                continue
            if not executor.queued or any(
                now - attempt.started_s < state.config.prefetch_below_s
                for attempt in executor.running.values()
            ):
                continue
            for attempt in list(executor.queued.values()):
                stage = attempt.stage
                if not attempt.is_cancelled and attempt.index not in stage.tasks.copies:
                    state.cancel(attempt, "a free executor takes it", now)
                    state.put_back(stage, attempt.index, avoid=executor)

    # -- barrier --------------------------------------------------------------

    def _offer_barrier(self, stage: Stage, now: float) -> bool:
        """All tasks at once, or none; others wait while it could start soon."""
        state = self.state
        cpus = stage.spec.task_cpus
        needed = len(stage.tasks.pending)
        if not self._has_room(stage, now):
            return True
        places = [
            executor
            for executor in state.executors.free_of(stage.spec.profile_id).values()
            for _ in range((executor.cores - executor.used) // cpus)
        ]
        if len(places) < needed:
            return False
        for index, executor in zip(sorted(stage.tasks.pending), places, strict=False):
            stage.tasks.pending.discard(index)
            state.launch(stage, index, executor, now)
        state.update_ready(stage)
        return True

    def _room(self, stage: Stage) -> int:
        """How many tasks of the stage could run at once on idle executors."""
        cpus = stage.spec.task_cpus
        return sum(
            executor.cores // cpus
            for executor in self.state.executors.by_id.values()
            if executor.info.profile_id == stage.spec.profile_id
        )

    def _watch_profiles(self, now: float) -> None:
        """Stages whose executors have still to come do not wait for ever."""
        for stage in self.state.ready.in_order():
            self._has_room(stage, now)

    def _has_room(self, stage: Stage, now: float) -> bool:
        """Whether these executors can run the stage at all; else its time runs."""
        needed = len(stage.partitions) if stage.spec.is_barrier else 1
        if self._room(stage) >= needed:
            stage.room_deadline_s = None
            return True
        if stage.room_deadline_s is None:
            stage.room_deadline_s = now + self._patience_s(stage)
            self.state.at(stage.room_deadline_s, self._check_room)
        return False

    def profile_refused(self, event: ProfileRefused, now: float) -> None:
        """Fails what needs executors that cannot be had."""
        self.state.asked.pop(event.profile_id, None)
        for stage in list(self.state.stages.values()):
            spec = stage.spec
            if spec.profile_id == event.profile_id and self.state.stages.get(stage.id) is stage:
                text = (
                    f"stage {stage.id} ({spec.name}) needs executors of resource profile "
                    f"{spec.profile_id} ({spec.profile}): {event.reason}"
                )
                failure = Failure("executors", text, stage_id=stage.id, stage_name=spec.name)
                self.lifecycle.abort(stage, failure, now)

    def _patience_s(self, stage: Stage) -> float:
        """How long to wait for room."""
        config, profile_id = self.state.config, stage.spec.profile_id
        if self.state.executors.cores_of(profile_id):
            return config.barrier_wait_s
        return config.profile_wait_s if profile_id else config.executor_timeout_s

    def _check_room(self, now: float) -> None:
        state = self.state
        for stage in list(state.stages.values()):
            deadline = stage.room_deadline_s
            if deadline is None or now < deadline or state.stages.get(stage.id) is not stage:
                continue
            if not len(state.executors) or self._has_room(stage, now):
                continue
            name = f"stage {stage.id} ({stage.spec.name})"
            kind = "barrier"
            if not state.executors.cores_of(stage.spec.profile_id):
                kind = "executors"
                text = (
                    f"{name} needs executors of resource profile {stage.spec.profile_id} "
                    f"({stage.spec.profile or 'the default'}), and none could be started within "
                    f"{self._patience_s(stage):g} s; is there so much, and not in use?"
                )
                # Another job asks again: room may have been made.
                state.asked.pop(stage.spec.profile_id, None)
            elif stage.spec.is_barrier:
                text = (
                    f"barrier {name} needs to run its {len(stage.partitions)} tasks at the same "
                    f"time, but there is room for {self._room(stage)}; "
                    "use fewer partitions or more executors"
                )
            else:
                text = (
                    f"a task of {name} needs {stage.spec.task_cpus} cores, "
                    "but no executor has so many"
                )
            failure = Failure(kind, text, stage_id=stage.id, stage_name=stage.spec.name)
            self.lifecycle.abort(stage, failure, now)

    # -- speculation ----------------------------------------------------------

    def _speculate(self, now: float) -> None:
        """Looks for tasks that are much slower than their stage's others."""
        self._speculating = False
        state = self.state
        config = state.config
        running = [s for s in state.stages.values() if isinstance(s.state, Running)]
        for stage in running:
            tasks = stage.tasks
            durations = tasks.durations
            enough = config.speculation_quantile * len(stage.partitions)
            if stage.spec.is_barrier or not durations or len(durations) < enough:
                continue
            median = durations[len(durations) // 2]
            limit = max(config.speculation_multiplier * median, config.speculation_min_s)
            for index, attempt in tasks.running.items():
                if (
                    now - attempt.started_s > limit
                    and not attempt.is_queued
                    and index not in tasks.copies
                    and index not in tasks.slow
                ):
                    tasks.slow.append(index)
            state.update_ready(stage)
        if running:
            self._speculating = True
            state.at(now + config.speculation_interval_s, self._speculate)

    def _offer_copies(self, stage: Stage, now: float) -> None:
        tasks = stage.tasks
        if self.lifecycle.missing_shuffles(stage):
            tasks.slow.clear()  # a copy would find no input; the original has read it
            return
        for _ in range(len(tasks.slow)):
            index = tasks.slow.popleft()
            attempt = tasks.running.get(index)
            if attempt is None or index in tasks.copies:
                continue
            for executor in self.state.executors.free_of(stage.spec.profile_id).values():
                fits = executor.cores - executor.used >= stage.spec.task_cpus
                if executor is not attempt.executor and fits:
                    self.state.launch(stage, index, executor, now, copy=True)
                    break
            else:
                tasks.slow.append(index)


def _wake(now: float) -> None:
    """Nothing of its own: `Dispatcher.run` follows every event."""
