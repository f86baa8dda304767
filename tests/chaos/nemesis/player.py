"""A thread that runs random programs and compares every answer with the model.

What it made it may keep, to look at it again much later, when files and
executors that held it are gone.
"""

from __future__ import annotations

import math
import os
import random
import shutil
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import drawing
import programs
import reference
from drawing import Dice, Size

from minispark.errors import JobCancelledError

#: RDDs that are kept for later looks.
_KEPT = 6
#: Larger than what travels with a task's report, so that results become files.
_LARGE = 200_000


def _records(table: reference.Table) -> list[Any]:
    return table.parts if table.exact else [table.flat]


def accumulated(player: Player, rdd: Any, table: reference.Table) -> tuple[Any, Any]:
    """An accumulator counts every record once, whatever ran twice."""
    seen = player.sc.accumulator(0)
    rdd.foreach(lambda record: seen.add(1))
    return seen.value, len(table.flat)


def broadcasted(player: Player, rdd: Any, table: reference.Table) -> tuple[Any, Any]:
    """A broadcast arrives whole in every task."""
    shared = player.sc.broadcast([repr(part) for part in table.parts])
    try:
        if not table.exact:
            return repr(rdd.map(lambda x: (len(shared.value), x)).collect()), repr(
                [(len(table.parts), x) for x in table.flat]
            )
        same = rdd.mapPartitionsWithIndex(lambda i, it: [repr(list(it)) == shared.value[i]])
        return same.collect(), [True] * table.size
    finally:
        shared.destroy()


def large(player: Player, rdd: Any, table: reference.Table) -> tuple[Any, Any]:
    """Results that are too large for a message."""
    padded = rdd.mapPartitions(lambda it: [repr(list(it)) + "x" * _LARGE]).collect()
    if not table.exact:
        return len(padded), table.size
    return padded, [repr(part) + "x" * _LARGE for part in table.parts]


def saved(player: Player, rdd: Any, table: reference.Table) -> tuple[Any, Any]:
    """A directory of text appears whole or not at all."""
    path = os.path.join(player.scratch, f"saved-{player.name}-{player.next_name()}")
    try:
        rdd.map(repr).saveAsTextFile(path)
        lines = []
        for name in sorted(n for n in os.listdir(path) if n.startswith("part-")):
            with open(os.path.join(path, name), encoding="utf-8") as file:
                lines += file.read().split("\n")[:-1]
        return lines, [repr(record) for record in table.flat]
    except JobCancelledError:
        if os.path.exists(path):
            return "a cancelled job left its output", "nothing"
        raise
    finally:
        shutil.rmtree(path, ignore_errors=True)


def checkpointed(player: Player, rdd: Any, table: reference.Table) -> tuple[Any, Any]:
    """A checkpoint has the records, and needs nothing else afterwards."""
    cut = rdd.map(programs.MAPS["same"])
    cut.checkpoint()
    shown = [repr(cut.collect()), repr(cut.collect())]
    return shown, [repr(table.flat)] * 2


EXTRAS: dict[str, Callable[[Player, Any, reference.Table], tuple[Any, Any]]] = {
    f.__name__: f for f in (accumulated, broadcasted, large, saved, checkpointed)
}


class Player:
    """One driver thread with its own job group."""

    def __init__(
        self, sc: Any, levels: Any, name: str, seed: int, size: Size, scratch: str
    ) -> None:
        self.sc = sc
        self.name = name
        self.scratch = scratch
        self._engine = programs.Engine(sc, levels)
        self._rng = random.Random(seed)
        self._size = size
        self._over = threading.Event()
        self._names = 0
        self._kept: list[tuple[Any, reference.Table]] = []
        #: Rises when this player's jobs are cancelled, before and after.
        self.cancels = 0
        self.is_cancelled_now = False
        self.jobs = self.cancelled = 0
        self.wrong: list[str] = []
        #: Since when (monotonic clock) it waits for an answer, and what for.
        self.since = time.monotonic()
        self.doing = "nothing"
        self.thread = threading.Thread(target=self._run, name=f"nemesis-{name}", daemon=True)

    def next_name(self) -> int:
        """A number not used before."""
        self._names += 1
        return self._names

    def finish(self) -> None:
        """Has the thread end after its current answer."""
        self._over.set()

    def _run(self) -> None:
        self.sc.setJobGroup(self.name, "a player of the nemesis")
        while not self._over.is_set():
            program, looks = drawing.program(Dice(self._rng), self._size)
            tables: list[reference.Table] = []
            for instruction in program:
                tables.append(reference.step(tables, instruction))
            rdds: list[Any] = []
            for i, (name, *arguments) in enumerate(program):
                parents = programs.PARENTS.get(name, 1)
                inputs, others = [rdds[i] for i in arguments[:parents]], tuple(arguments[parents:])
                made = self._ask(
                    f"{program[: i + 1]}",
                    lambda name=name, inputs=inputs, others=others: programs.MAKE[name](
                        self._engine, inputs, others
                    ),
                )
                if made is None:
                    break
                rdds.append(made)
            else:
                for look in looks:
                    self._look(program, look, rdds, tables)
                for _ in range(self._rng.randint(0, 2)):
                    i = self._rng.randrange(len(rdds))
                    self._extra(f"RDD {i} of {program}", rdds[i], tables[i])
                self._keep(rdds, tables)
            self._look_back()
        self._kept.clear()

    def _keep(self, rdds: list[Any], tables: list[reference.Table]) -> None:
        i = self._rng.randrange(len(rdds))
        if self._rng.random() < 0.5:
            rdds[i] = rdds[i].map(programs.MAPS["same"]).persist()
        self._kept.append((rdds[i], tables[i]))
        if len(self._kept) > _KEPT:
            del self._kept[self._rng.randrange(_KEPT)]

    def _look_back(self) -> None:
        for rdd, table in self._rng.sample(self._kept, min(2, len(self._kept))):
            if self._rng.random() < 0.3:
                self._extra("a kept RDD", rdd, table)
            else:
                expected = repr(table.parts if table.exact else table.flat)
                show = rdd.glom().collect if table.exact else rdd.collect
                self._compare("a kept RDD", lambda show=show: repr(show()), expected)

    def _look(
        self, program: Any, look: tuple[Any, ...], rdds: list[Any], tables: list[reference.Table]
    ) -> None:
        name, i, *arguments = look
        expected = reference.look(tables[i], name, tuple(arguments))
        self._compare(
            f"{look} of {program}",
            lambda: repr(programs.LOOK[name](rdds[i], tuple(arguments))),
            expected,
        )

    def _extra(self, what: str, rdd: Any, table: reference.Table) -> None:
        name = self._rng.choice(sorted(EXTRAS))
        answer = self._ask(f"{name} of {what}", lambda: EXTRAS[name](self, rdd, table))
        if answer is not None and answer[0] != answer[1]:
            self._blame(
                f"{name} of {what}", f"expected {answer[1]!r:.2000}\n     got {answer[0]!r:.2000}"
            )

    def _compare(self, what: str, action: Callable[[], str], expected: str) -> None:
        answer = self._ask(what, action)
        if answer is not None and answer != expected:
            self._blame(what, f"expected {expected:.2000}\n     got {answer:.2000}")

    def _ask(self, what: str, action: Callable[[], Any]) -> Any:
        """The answer; None when it was blamed. What was cancelled is asked again."""
        while True:
            cancels = self.cancels
            self.doing, self.since = what, time.monotonic()
            try:
                answer = action()
                self.jobs += 1
                return answer
            except JobCancelledError:
                self.cancelled += 1
                if self.cancels == cancels and not self.is_cancelled_now:
                    self._blame(what, "cancelled, but nobody asked for it")
                    return None
            except Exception:
                self._blame(what, traceback.format_exc())
                return None
            finally:
                # What follows is the model's work, which may take its time.
                self.since = math.inf

    def _blame(self, what: str, how: str) -> None:
        self.wrong.append(f"{self.name}, job {self.jobs}: {what:.4000}\n{how}")
