import asyncio

from openmessaging.system.loops import runs_here


def test_a_loop_runs_where_its_callbacks_are_called() -> None:
    async def ask(other: asyncio.AbstractEventLoop) -> tuple[bool, bool, bool]:
        loop = asyncio.get_running_loop()
        return runs_here(loop), runs_here(other), await asyncio.to_thread(runs_here, loop)

    other = asyncio.new_event_loop()
    assert asyncio.run(ask(other)) == (True, False, False)
    other.close()
