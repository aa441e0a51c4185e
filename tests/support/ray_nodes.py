"""A Ray cluster of three nodes on this machine: ``python ray_nodes.py``, told by standard input.

It writes a line of JSON once the nodes are there. ``remove NAME`` ends a node as if its machine
were lost; the end of the input ends the cluster.
"""

import json
import sys

from ray.cluster_utils import Cluster

NODES = ("east", "west")  # beside the head; each has a resource of its name


def main() -> None:
    quiet = {"include_dashboard": False, "num_cpus": 2}
    cluster = Cluster(initialize_head=True, head_node_args=quiet)
    nodes = {name: cluster.add_node(num_cpus=2, resources={name: 100}) for name in NODES}
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
