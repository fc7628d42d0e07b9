"""Links to the plant, each optional: MQTT, OPC UA, Prometheus, webhook, files."""
