from benchmarks.workers import device


class CountingRunner:
    """A step takes a second on the device and two on the wall; memory grows until the third step, then shrinks."""

    def __init__(self):
        self.now = 0.0
        self.steps = 0
        self.calls = []
        self.timer = self

    def restart(self):
        self.calls.append("restart")

    def run(self, steps):
        self.now += steps
        self.steps += steps
        self.calls.append(steps)

    def mark(self):
        return self.now

    def seconds(self, start, end):
        return end - start

    def wall(self):
        return 2 * self.now

    def taken(self):
        return 1000 - abs(self.steps - 3)

    def computed(self):
        return [float(self.steps)]


def test_both_times_are_means_over_stretches_whose_first_step_is_not_counted():
    runner = CountingRunner()
    assert device.time_steps(runner, 600, clock=runner.wall) == {"device": 1.0, "wall": 2.0}
    assert runner.calls == ["restart", 30, "restart", 1, 500, "restart", 1, 100]


def test_memory_is_the_highest_after_any_step():
    assert device.memory(CountingRunner(), 5) == 1000


def test_what_a_layer_computed_is_told_after_its_steps():
    assert device.computed(CountingRunner(), 2) == [2.0]


def test_the_hosts_clock_serves_where_work_is_done_at_once():
    ticks = iter([3.0, 5.5])
    timer = device.HostTimer(lambda: next(ticks))
    assert timer.seconds(timer.mark(), timer.mark()) == 2.5
