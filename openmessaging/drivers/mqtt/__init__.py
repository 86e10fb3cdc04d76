"""MQTT 5: queues as topics, groups as shared subscriptions, over paho-mqtt. See `spec/mappings/mqtt.md`."""
