from waitress.wasyncore import dispatcher

class trigger(dispatcher):
    trigger: int
