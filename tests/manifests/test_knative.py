"""What runs on Knative, as its operator reads it."""

import pytest

from fcplug.config import loader
from fcplug.manifests import applications, knative
from fcplug.manifests.pod import Order
from fcplug.manifests.scaling import Pods


@pytest.mark.parametrize(
    ("timeout", "runtime", "why"),
    [
        ("59.5", "{}", "61 # functions.yaml: 59.5, and a second more"),
        ("null", "{}", "300 # Knative's usual: functions.yaml gives no limit"),
        ("1", "{}", "40 # drain_timeout, pre_stop hooks, and some to spare"),
        ("null", "{drain_timeout: 400}", "410 # drain_timeout, pre_stop hooks"),
        ("699", "{}", "700 # functions.yaml: 699, and a second more. Above 600: raise max-rev"),
    ],
)
def test_the_limit_of_a_call_says_where_it_comes_from(timeout: str, runtime: str, why: str) -> None:
    text = f"version: 1\nruntime: {runtime}\nfunctions: {{f: {{handler: h, timeout: {timeout}}}}}\n"
    config = loader.parse(text, "functions.yaml", {})
    application = applications.of_all(config, text, "shop")
    made = knative.text(config, application, Order("shop", "shop:1", "", Pods(), ()))
    assert f"timeoutSeconds: {why}" in made
