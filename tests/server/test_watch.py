import asyncio

from openmessaging.broker.totals import QueueTotals
from openmessaging.server import watch as module
from openmessaging.server.metrics import Metrics
from openmessaging.server.watch import Watch


class Growing:
    """A node that has ten messages more each time one looks."""

    def __init__(self):
        self.stored = 0
        self.driver = self.server = self
        self.connections = 3
        self.metrics = Metrics()

    def totals(self):
        self.stored += 10
        self.metrics.sends.observe(0.0001)
        return [QueueTotals("a", self.stored, self.stored, 0, 0, self.stored, 0)]


def test_samples_come_by_themselves_until_it_is_stopped(monkeypatch):
    monkeypatch.setattr(module, "EVERY", 0.001)

    async def work():
        clock = iter(range(0, 1_000_000, 1_000))
        watch = Watch(Growing(), lambda: next(clock))
        watch.start()
        await watch.next()
        await watch.next()
        series = watch.rates.series()
        assert series.stored[:3] == [0, 10, 10]
        assert series.connections[0] == 3
        assert series.send_p50_ms[0] == 0.05
        waiting = asyncio.ensure_future(watch.next())
        await asyncio.sleep(0)
        watch.stop()
        assert await waiting is False
        assert await watch.next() is False

    asyncio.run(asyncio.wait_for(work(), 10))
