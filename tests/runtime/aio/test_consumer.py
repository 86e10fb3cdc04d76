from openmessaging import connect
from openmessaging.runtime.interceptor import ConsumerInterceptor


async def test_binding_by_name_before_the_start(memory: str) -> None:
    async with connect(memory, namespace="default") as access_point:
        consumer = access_point.create_pull_consumer(["a", "default://b"])
        assert consumer.get_bind_queues() == {"default://a", "default://b"}
        await consumer.unbind_queue("a")
        await consumer.bind_queue("c")
        assert (consumer.is_bind_queue("a"), consumer.is_bind_queue("c")) == (False, True)
        assert consumer.group == "default"
        interceptor = ConsumerInterceptor()
        consumer.add_interceptor(interceptor)
        consumer.remove_interceptor(interceptor)
        consumer.remove_interceptor(interceptor)
        async with consumer:
            assert await access_point.resource_manager().list_queues() == {"default://b", "default://c"}
