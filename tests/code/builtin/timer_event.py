import json


def handler(event, context):
    evt = json.loads(event)
    print("triggered at " + evt["triggerTime"] + " by " + evt["triggerName"])
    context.getLogger().info("payload: " + evt["payload"])
    return evt["payload"]
