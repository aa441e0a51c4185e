import json
import logging


def handler(event, context):
    logger = logging.getLogger()
    evt = json.loads(event)
    names = []
    for record in evt["events"]:
        bucket = record["oss"]["bucket"]["name"]
        key = record["oss"]["object"]["key"]
        logger.info("%s: %s/%s", record["eventName"], bucket, key)
        names.append(bucket + "/" + key)
    creds = context.credentials
    signed = bool(creds.access_key_id and creds.access_key_secret and creds.security_token)
    return {"region": context.region, "objects": names, "signed": signed}
