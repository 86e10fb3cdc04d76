"""A stream: walk through a partition both ways, leaving consumer groups alone."""

import openmessaging.blocking as oms


def main() -> None:
    """Write three readings, read two forward and one back."""
    with oms.connect("oms:embedded://./store") as access_point:
        with access_point.create_producer() as producer:
            producer.send([producer.create_message("readings", body) for body in (b"20.1", b"20.4", b"20.2")])
        with access_point.create_streaming_consumer() as consumer:
            stream = consumer.list_streams("readings")[0]
            walk = consumer.seek_to_beginning(stream)
            print("forward", walk.next().data.decode(), walk.next().data.decode())
            print("back", walk.previous().data.decode())
            print("from the end", consumer.seek_to_end(stream).previous().data.decode())


main()
