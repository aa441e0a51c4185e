import logging
import os
import sqlite3

connection = None


def initializer(context):
    global connection
    connection = sqlite3.connect(os.environ.get("DATABASE", ":memory:"))
    connection.execute("CREATE TABLE IF NOT EXISTS visits (request_id TEXT)")


def handler(event, context):
    with connection:
        connection.execute("INSERT INTO visits VALUES (?)", (context.request_id,))
    cursor = connection.execute("SELECT count(*) FROM visits")
    return str(cursor.fetchone()[0])


def pre_stop(context):
    connection.close()
    logging.getLogger().info("the connection is closed")
