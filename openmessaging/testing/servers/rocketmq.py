"""RocketMQ 5: a name server, and a broker with its proxy in one process, every message synced before it is answered."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import ClassVar

from openmessaging.testing.servers.java import JavaServer
from openmessaging.testing.servers.server import free_port, listens

VERSION = "5.3.3"
BROKER = """
brokerClusterName=DefaultCluster
brokerName=broker-a
brokerId=0
brokerRole=ASYNC_MASTER
namesrvAddr=127.0.0.1:{names_port}
brokerIP1=127.0.0.1
bindAddress=127.0.0.1
listenPort={broker_port}
storePathRootDir={folder}/store
storePathCommitLog={folder}/store/commitlog
flushDiskType=SYNC_FLUSH
mappedFileSizeCommitLog=67108864
maxHashSlotNum=20000
maxIndexNum=80000
diskMaxUsedSpaceRatio=95
enablePropertyFilter=true
timerWheelEnable=true
"""
PROXY = """{{
  "rocketMQClusterName": "DefaultCluster",
  "grpcServerPort": {port},
  "remotingListenPort": {remoting_port},
  "localServeAddr": "127.0.0.1"
}}
"""
LOGGING = """<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d %p %c{0} %m%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="out"/></root>
</configuration>
"""
TOOLS = "org.apache.rocketmq.tools.command.MQAdminStartup"


class Rocketmq(JavaServer):
    """One broker of the cluster `DefaultCluster`; clients speak gRPC with its proxy, which knows types of topics."""

    name: ClassVar[str] = "rocketmq"
    artifacts: ClassVar[tuple[str, ...]] = (
        f"org.apache.rocketmq:rocketmq-namesrv:{VERSION}",
        f"org.apache.rocketmq:rocketmq-proxy:{VERSION}",
    )
    memory: ClassVar[tuple[str, ...]] = ("-Xms128m", "-Xmx400m", "-XX:MaxDirectMemorySize=256m")

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(folder)
        self.names_port = free_port()
        self.broker_port = free_ports_around()
        self.remoting_port = free_port()

    def launch(self) -> None:
        """Start both."""
        (self.folder / "logback.xml").write_text(LOGGING)
        names, broker, proxy = (self.folder / name for name in ("names.properties", "broker.conf", "rmq-proxy.json"))
        names.write_text(f"listenPort={self.names_port}\nbindAddress=127.0.0.1\n")
        broker.write_text(BROKER.format(**vars(self)))
        proxy.write_text(PROXY.format(**vars(self)))
        self.spawn(self._command("org.apache.rocketmq.namesrv.NamesrvStartup", "-c", str(names)))
        serving = ["-pm", "local", "-n", f"127.0.0.1:{self.names_port}", "-bc", str(broker), "-pc", str(proxy)]
        self.spawn(self._command("org.apache.rocketmq.proxy.ProxyStartup", *serving))

    def _command(self, main: str, *arguments: str) -> list[str]:
        options = [
            f"-Duser.home={self.folder}",
            f"-Drocketmq.home.dir={self.folder}",
            f"-Drmq.logback.configurationFile={self.folder}/logback.xml",
        ]
        return self.java(main, *arguments, options=options)

    def answers(self) -> bool:
        """Whether the proxy listens and the name server knows the broker."""
        if not (listens(self.port) and listens(self.names_port)):
            return False
        return b"broker-a" in ask_cluster(self.names_port)

    def admin(self, command: str, *arguments: str) -> str:
        """Run a command of its administration (`updateTopic`, `updateSubGroup`…), and say what it wrote."""
        line = self._command(TOOLS, command, "-n", f"127.0.0.1:{self.names_port}", *arguments)
        return subprocess.run(line, capture_output=True, text=True, timeout=60, check=True).stdout  # noqa: S603 - ours

    def create_topic(self, topic: str, kind: str = "NORMAL", queues: int = 1) -> None:
        """Create a topic of a type: NORMAL, FIFO, DELAY or TRANSACTION."""
        numbers = ["-r", str(queues), "-w", str(queues)]
        self.admin("updateTopic", "-c", "DefaultCluster", "-t", topic, *numbers, "-a", f"+message.type={kind}")


def free_ports_around() -> int:
    """A port whose neighbours, two below and one above, are free too: a broker takes all of them."""
    while True:
        port = free_port()
        if not any(map(listens, (port - 2, port, port + 1))):
            return port


def ask_cluster(port: int) -> bytes:
    """The name server's answer to "which brokers are there" (GET_BROKER_CLUSTER_INFO, 106)."""
    header = b'{"code":106,"language":"JAVA","version":0,"opaque":1,"flag":0}'
    with socket.create_connection(("127.0.0.1", port), 2) as connection:
        connection.sendall((len(header) + 4).to_bytes(4, "big") + len(header).to_bytes(4, "big") + header)
        return connection.recv(65536)
