"""What a terminal, a log file and a quiet process see of a run."""

import io

import rich.console

from trainers.summaries.progress import Progress


class Clock:
    """Time that moves when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(console: rich.console.Console, seconds_per_step: float) -> None:
    """Resumes at step 10 of 20 and goes on to the end."""
    clock = Clock()
    with Progress(console, 10, 20, clock, interval_seconds=5.0) as progress:
        for step in range(11, 21):
            clock.now += seconds_per_step
            progress.update(step, loss=1 / step, examples_per_second=1234.5)
        progress.message("saved [step 20]")


def shown(**options: bool) -> rich.console.Console:
    return rich.console.Console(file=io.StringIO(), width=60, **options)


def text(console: rich.console.Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_log_file_gets_few_whole_lines() -> None:
    console = shown()
    run(console, seconds_per_step=2.0)
    lines = text(console).splitlines()
    assert lines[0] == "step 11/20  loss 0.0909  1,234 examples/s  0:00:18 left"
    assert [line.split()[1] for line in lines[:-1]] == [
        "11/20",
        "14/20",
        "17/20",
        "20/20",
    ]
    assert lines[-1] == "saved [step 20]"


def test_time_left_counts_only_the_steps_of_this_process() -> None:
    console = shown()
    run(console, seconds_per_step=1000.0)
    assert "2:30:00 left" in text(console).splitlines()[0]
    assert "0:00:00 left" in text(console).splitlines()[-2]


def test_a_terminal_gets_a_bar_that_ends_full() -> None:
    console = shown(force_terminal=True)
    run(console, seconds_per_step=2.0)
    output = text(console)
    assert "\x1b[" in output
    assert "step 20/20  loss 0.0500" in output
    assert "saved [step 20]" in output


def test_other_workers_show_nothing() -> None:
    for console in (shown(quiet=True), shown(quiet=True, force_terminal=True)):
        run(console, seconds_per_step=2.0)
        assert text(console) == ""
