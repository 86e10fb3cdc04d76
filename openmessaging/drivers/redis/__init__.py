"""Redis Streams: queues as streams, consumer groups as theirs, over redis-py. See `spec/mappings/redis.md`."""
