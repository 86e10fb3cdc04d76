# Generated from tests/runtime/aio/test_consumer.py by scripts/unasync.py: change that file instead.
from openmessaging.blocking import connect
from openmessaging.runtime.interceptor import ConsumerInterceptor


def test_binding_by_name_before_the_start(memory: str) -> None:
    with connect(memory, namespace="default") as access_point:
        consumer = access_point.create_pull_consumer(["a", "default://b"])
        assert consumer.get_bind_queues() == {"default://a", "default://b"}
        consumer.unbind_queue("a")
        consumer.bind_queue("c")
        assert (consumer.is_bind_queue("a"), consumer.is_bind_queue("c")) == (False, True)
        assert consumer.group == "default"
        interceptor = ConsumerInterceptor()
        consumer.add_interceptor(interceptor)
        consumer.remove_interceptor(interceptor)
        consumer.remove_interceptor(interceptor)
        with consumer:
            assert access_point.resource_manager().list_queues() == {"default://b", "default://c"}
