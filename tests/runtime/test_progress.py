"""The progress line: what it says, and that nobody sees it who did not ask."""

from __future__ import annotations

import io
import threading

from minispark.ids import StageId
from minispark.runtime.progress import ProgressLine, is_watched, render
from minispark.scheduler.stage import StageInfo


def stage(stage_id: int, completed: int, active: int, tasks: int) -> StageInfo:
    return StageInfo(
        StageId(stage_id), 0, "s", "running", tasks, active, completed, 0, None, (), 0.0
    )


def test_one_stage() -> None:
    line = render([stage(3, 5, 2, 10)], 60)
    assert line.startswith("[Stage 3:====")
    assert line.endswith("(5 + 2) / 10] ")
    assert len(line) == 60


def test_nothing_runs() -> None:
    assert render([], 80) == ""


def test_several_stages_share_the_line() -> None:
    line = render([stage(i, i, 1, 10) for i in range(5)], 120)
    assert line.count("[Stage") == 3
    assert len(line) <= 120


def test_narrow_terminals() -> None:
    for width in range(40):
        assert len(render([stage(1, 5, 2, 10)], width)) <= max(width, 0) + 1


def test_all_done_fits() -> None:
    assert len(render([stage(1, 10, 0, 10)], 50)) == 50


def test_a_pipe_is_not_watched() -> None:
    assert not is_watched(io.StringIO())


def test_line_appears_and_is_wiped() -> None:
    asked = threading.Semaphore(0)

    def stages() -> list[StageInfo]:
        asked.release()
        return [stage(1, 1, 1, 4)]

    out = io.StringIO()
    line = ProgressLine(stages, out)
    for _ in range(6):
        assert asked.acquire(timeout=30)
    line.close()
    text = out.getvalue()
    assert "[Stage 1:" in text
    assert text.endswith(" \r")
