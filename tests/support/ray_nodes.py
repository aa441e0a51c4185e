"""A Ray cluster of three nodes on this machine: ``python ray_nodes.py``, told by standard input.

It writes a line of JSON once the nodes are there. ``remove NAME`` ends a node as if its machine
were lost; the end of the input ends the cluster.
"""

import contextlib
import json
import socket
import sys

from ray.cluster_utils import Cluster

AGENTS = (
    "dashboard_agent_listen_port",
    "metrics_agent_port",
    "metrics_export_port",
    "runtime_env_agent_port",
)
NODES = ("east", "west")  # beside the head; each has a resource of its name


def _ports() -> dict[str, int]:
    """Return free ports for the agents of a node.

    If the agents chose them, the node would end itself unless they start in 15 seconds.
    """
    with contextlib.ExitStack() as taken:
        sockets = {
            name: taken.enter_context(socket.create_server(("127.0.0.1", 0))) for name in AGENTS
        }
        return {name: sock.getsockname()[1] for name, sock in sockets.items()}


def main() -> None:
    quiet = {"include_dashboard": False, "num_cpus": 2}
    cluster = Cluster(initialize_head=True, head_node_args={**quiet, **_ports()})
    nodes = {
        name: cluster.add_node(num_cpus=2, resources={name: 100}, **_ports()) for name in NODES
    }
    cluster.wait_for_nodes()
    logs = cluster.head_node.get_logs_dir_path()
    print(json.dumps({"address": cluster.address, "logs": logs}), flush=True)
    for line in sys.stdin:
        what, _, name = line.strip().partition(" ")
        assert what == "remove", line
        cluster.remove_node(nodes.pop(name), allow_graceful=False)
        print(json.dumps({"removed": name}), flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
