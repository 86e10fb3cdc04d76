"""Three workers share a queue; a job that keeps failing ends in the dead-letter queue, all others are done once."""

import threading

import openmessaging.blocking as oms

URL = "oms:embedded://./store"
BACKOFF = oms.Backoff(max_delivery=2)


def work(access_point: oms.AccessPoint, done: list[int]) -> None:
    """Handle jobs until none has come for a second."""
    with access_point.create_pull_consumer("jobs", group="workers", backoff=BACKOFF) as consumer:
        while message := consumer.receive(timeout=1):
            number = int(message.data)
            if number == 13:
                message.nack(delay=0, reason="unlucky")
            else:
                done.append(number)
                message.ack()


def main() -> None:
    """Send 50 jobs, work them off with three threads, show what came of them."""
    done: list[int] = []
    with oms.connect(URL) as access_point:
        with access_point.create_producer() as producer:
            producer.send([producer.create_message("jobs", b"%d" % number) for number in range(50)])
        workers = [threading.Thread(target=work, args=(access_point, done)) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        print(f"{len(done)} jobs done, {len(set(done))} different ones")
        with access_point.create_pull_consumer("jobs.workers.dead-letter", group="operator") as consumer:
            while letter := consumer.receive(timeout=0.2):
                print(f"job {letter.data.decode()} failed: {letter.properties['dead-letter.reason']!s}")
                letter.ack()


main()
