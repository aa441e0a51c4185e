def check(order):
    if "id" not in order:
        raise Exception("something is wrong")


def handler(event, context):
    check({})
    return "OK"
