"""Rounds of play: a context, players, and the nemesis among them, until time is up."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cloudpickle
import programs
import reference
from drawing import Size

import minispark
from tests.chaos.nemesis import executor_setup, stacks
from tests.chaos.nemesis import player as player_module
from tests.chaos.nemesis.faults import Faults
from tests.chaos.nemesis.leftovers import Leftovers
from tests.chaos.nemesis.player import Player

#: An answer that takes longer is taken for a hang.
HANG_S = 90.0
#: After this long without a sign an executor counts as lost.
SILENCE_S = 4.0
PLAYERS = 3


#: The master for which a cluster is made.
CLUSTER = "cluster"


@dataclass(frozen=True)
class Stage:
    """Where is played: a master, and the cluster behind it."""

    master: str
    cluster: Any = None

    def faults(self, sc: Any, rng: random.Random) -> Faults:
        """Who breaks it."""
        if self.cluster is None:
            return Faults(sc, rng, SILENCE_S)
        from tests.chaos.nemesis.cluster_faults import ClusterFaults

        return ClusterFaults(sc, rng, SILENCE_S, self.cluster)

    def leftovers(self, local_dir: str) -> Leftovers:
        """What is there before a round."""
        if self.cluster is None:
            # Ray's own directory, too, must be where leftovers are looked for.
            tempfile.tempdir = local_dir
            return Leftovers(local_dir)
        return Leftovers(local_dir, ("ExecutorActor", "NodeAgent"))

    def allow(self, left: Leftovers, rounds: int, local_dir: str) -> None:
        """After a round: what others than the application keep open, or leave."""
        if self.cluster is not None:
            left.allow(left.more_descriptors())  # the cluster's
            # What a lost node had, the next start on its machine removes.
            conf = minispark.SparkConf().setMaster("local").set("spark.local.dir", local_dir)
            minispark.SparkContext(conf=conf.setAppName("next")).stop()
        elif self.master.startswith("local["):
            # `ray.init` and `ray.shutdown` alone keep these: some for good the first
            # time, and a socket each time.
            sockets = Counter({"socket:[#]": 1})
            left.allow(left.more_descriptors() if rounds == 1 else sockets)


@dataclass
class Report:
    """What a session did and found."""

    seed: int
    rounds: int = 0
    seconds: float = 0.0
    jobs: int = 0
    cancelled: int = 0
    injected: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every promise held."""
        return not (self.wrong or self.hangs or self.leftovers)

    def __str__(self) -> str:
        found = [*self.wrong, *self.hangs, *(f"left behind: {name}" for name in self.leftovers)]
        lines = [
            *found,
            f"seed {self.seed}: {self.rounds} rounds, {self.seconds:.0f} s",
            f"answers compared   {self.jobs}",
            f"jobs cancelled     {self.cancelled}",
            f"faults injected    {self.injected.total()}",
            *(f"  {kind:<28} {count}" for kind, count in sorted(self.injected.items())),
            f"wrong answers      {len(self.wrong)}",
            f"hangs              {len(self.hangs)}",
            f"leftovers          {len(self.leftovers)}",
        ]
        return "\n".join(lines)


def play(
    master: str,
    seed: int,
    seconds: float,
    round_s: float = 60.0,
    pause_s: float = 0.2,
    say: Callable[[str], None] = lambda text: None,
) -> Report:
    """Plays rounds, each in a fresh context, until the time is over or one hangs.

    Master `cluster` is a Ray cluster of three nodes on this machine, made for the play.
    """
    if master == CLUSTER:
        from tests.cluster.nodes import three_nodes

        with three_nodes() as cluster:
            return _play(Stage(cluster.address, cluster), seed, seconds, round_s, pause_s, say)
    return _play(Stage(master), seed, seconds, round_s, pause_s, say)


def _play(
    stage: Stage,
    seed: int,
    seconds: float,
    round_s: float,
    pause_s: float,
    say: Callable[[str], None],
) -> Report:
    report = Report(seed)
    begin = time.monotonic()
    modules = (programs, player_module)
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        reference.seeded_hashes()
        while (left := seconds - (time.monotonic() - begin)) > 1 and not report.hangs:
            _round(report, stage, random.Random(f"{seed}/{report.rounds}"), min(left, round_s),
                   pause_s, say)  # fmt: skip
            report.seconds = time.monotonic() - begin
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
    return report


def _round(
    report: Report,
    stage: Stage,
    rng: random.Random,
    seconds: float,
    pause_s: float,
    say: Callable[[str], None],
) -> None:
    memory = rng.choice(["1g", "128k", "1m"])
    steps = rng.choice(["", "tiny"])
    os.environ[executor_setup.STEPS] = steps
    executor_setup.use_steps()
    settings = {
        "spark.executor.memory": memory,
        "spark.speculation": rng.choice(["false", "false", "true"]),
        "spark.scheduler.mode": rng.choice(["FIFO", "FAIR"]),
        "spark.locality.wait": rng.choice(["0s", "100ms", "3s"]),
        # So many losses in a row of one task or stage are what a user may expect
        # to survive: with the usual four, this many faults end a job now and then.
        "spark.task.maxFailures": "12",
        "spark.stage.maxConsecutiveAttempts": "12",
        "spark.network.timeout": f"{SILENCE_S:g}s",
        "spark.executor.heartbeatInterval": "500ms",
        "minispark.executor.setup": executor_setup.SETUP,
        f"spark.executorEnv.{executor_setup.STEPS}": steps,
        "minispark.node.heartbeatInterval": "2s",
    }
    if stage.cluster is None:
        # Inherited: on our own Ray this setting would cost a second for each executor.
        del settings[f"spark.executorEnv.{executor_setup.STEPS}"]
    say(
        f"round {report.rounds}: {memory}, speculation {settings['spark.speculation']}, "
        f"steps {steps or 'usual'}"
    )
    small = Size(source=25) if memory == "1g" else Size(source=150, records=1500)
    local_dir = tempfile.mkdtemp(prefix="nem-", dir="/tmp")
    scratch = tempfile.mkdtemp(prefix="nemesis-scratch-")
    stacks.announce(scratch)
    if stage.cluster is not None:
        # Nodes that are added inherit what was announced for an earlier round.
        settings[f"spark.executorEnv.{stacks.VARIABLE}"] = scratch
    left = stage.leftovers(local_dir)
    conf = minispark.SparkConf().setMaster(stage.master).setAppName("nemesis")
    conf.set("spark.local.dir", local_dir)
    conf.setAll(settings.items())
    sc = minispark.SparkContext(conf=conf)
    try:
        sc.setCheckpointDir(f"{scratch}/checkpoints")
        players = [
            Player(sc, minispark.StorageLevel, f"player-{n}", rng.getrandbits(32), small, scratch)
            for n in range(PLAYERS)
        ]
        faults = stage.faults(sc, random.Random(rng.getrandbits(32)))
        faults.groups = [player.name for player in players]

        def cancels(group: str | None, begins: bool) -> None:
            for player in players:
                if group in (None, player.name):
                    player.cancels += 1
                    player.is_cancelled_now = begins

        faults.on_cancel = cancels
        sc.parallelize(range(4), 2).count()  # the executors are up
        for player in players:
            player.thread.start()
        patience = threading.Event()
        end = time.monotonic() + seconds
        pauses = random.Random(rng.getrandbits(32))
        while (left_s := end - time.monotonic()) > 0 and not report.hangs:
            patience.wait(min(left_s, pauses.expovariate(1 / pause_s)))
            faults.strike()
            left.watch()
            _look_for_hangs(report, players, faults, scratch)
        faults.relent()
        for player in players:
            player.finish()
        while any(p.thread.is_alive() for p in players) and not report.hangs:
            patience.wait(0.05)
            _look_for_hangs(report, players, faults, scratch)
        for player in players:
            report.jobs += player.jobs
            report.cancelled += player.cancelled
            report.wrong += [
                f"seed {report.seed}, round {report.rounds}, {w}" for w in player.wrong
            ]
        report.injected += faults.injected
        report.rounds += 1
    finally:
        sc.stop()
        tempfile.tempdir = None
        del os.environ[executor_setup.STEPS]
        executor_setup.use_steps()
        if report.hangs:
            # Where they wait they get an error now; let them go before looking.
            for player in players:
                player.thread.join(10)
        stage.allow(left, report.rounds, local_dir)
        report.leftovers += left.found()
        shutil.rmtree(local_dir, ignore_errors=True)
        shutil.rmtree(scratch, ignore_errors=True)


def _look_for_hangs(report: Report, players: list[Player], faults: Faults, folder: str) -> None:
    now = time.monotonic()
    late = [p for p in players if p.thread.is_alive() and now - p.since > HANG_S]
    if late:
        faults.relent()
        text = "\n".join(f"{p.name} waits for {p.doing:.2000}" for p in late)
        report.hangs.append(
            f"no answer in {HANG_S:g} s\n{text}\n{stacks.dump(folder, faults.pids())}"
        )
