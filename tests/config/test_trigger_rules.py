"""The triggers of a function: what FC takes, and each mistake with its place and its fix."""

from textwrap import indent

import pytest

from fcplug.config import loader
from fcplug.config.model import OSSEntry, TimerEntry, TriggerEntry
from fcplug.errors import ConfigError


def with_triggers(triggers: str, **environ: str) -> loader.Config:
    text = (
        f"version: 1\nfunctions:\n  f:\n    handler: h\n    triggers:\n{indent(triggers, '      ')}"
    )
    return loader.parse(text, "f.yaml", environ)


def mistakes(triggers: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        with_triggers(triggers, **environ)
    return [line.removeprefix("f.yaml:") for line in str(error.value).splitlines()]


def timer(expression: str) -> str:
    return f"t: {{timer: {{cron_expression: {expression!r}}}}}"


def test_a_trigger_has_the_keys_of_function_compute() -> None:
    found = with_triggers(
        "nightly:\n"
        "  timer: {cron_expression: '0 0 4 * * *', payload: all, enable: false}\n"
        "uploads:\n"
        "  oss: {bucket: photos, events: ['oss:ObjectCreated:*'], prefix: a/, suffix: .jpg}\n"
    ).functions["f"]
    assert found.triggers == {
        "nightly": TriggerEntry(
            timer=TimerEntry(cron_expression="0 0 4 * * *", payload="all", enable=False)
        ),
        "uploads": TriggerEntry(
            oss=OSSEntry(
                bucket="photos", events=("oss:ObjectCreated:*",), prefix="a/", suffix=".jpg"
            )
        ),
    }


@pytest.mark.parametrize(
    "expression",
    [
        "0 30 4 * * *",
        "59 0/5 8-18,20 1,15 JAN-MAR ?",
        "0 */10 * ? * MON-FRI",
        "CRON_TZ=America/Argentina/Buenos_Aires 0 0 4 1 * *",
        "CRON_TZ=Etc/GMT+8 0 0 4 ? * sat,SUN",
        "0 0 4 ? * SUN-TUE",
        "@every 5m",
        "@every 1440m",
    ],
)
def test_a_time_expression_of_function_compute_is_accepted(expression: str) -> None:
    assert with_triggers(timer(expression)).functions["f"].triggers["t"].timer


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("0 4 * * *", "expected 6 fields, got 5: the first are the seconds"),
        ("", "expected 6 fields, got 0"),
        ("*/5 * * * * *", "seconds: FC takes one number from 0 to 59, got '*/5'"),
        ("60 * * * * *", "seconds: FC takes one number from 0 to 59, got '60'"),
        ("0 60 * * * *", "minutes: expected 0 to 59, got '60'"),
        ("0 0 24 * * *", "hours: expected 0 to 23, got '24'"),
        ("0 0 0 L * *", "day of the month: expected 1 to 31, got 'L'"),
        ("0 0 0 * JANUARY *", "month: expected 1 to 12, or JAN to DEC, got 'JANUARY'"),
        ("0 0 0 * * 0", "weekday: expected 1 to 7, or MON to SUN, got '0'"),
        ("0 0 0 * * MON#2", "weekday: 'MON#2' is not a number, a range, a list or a step"),
        ("0 ? 0 * * *", "minutes: '?' is not a number, a range, a list or a step"),
        ("0 0 18-8 * * *", "hours: the range '18-8' runs backwards"),
        ("0 */0 * * * *", "minutes: the step of '*/0' is 0"),
        ("0 1,,2 * * * *", "minutes: '' is not a number, a range, a list or a step"),
        (
            "@every 30s",
            "expected '@every' and whole minutes, such as '@every 5m', got '@every 30s'",
        ),
        ("@every 0m", "expected '@every' and whole minutes"),
        ("@daily", "expected '@every' and whole minutes"),
        ("TZ=UTC 0 0 4 * * *", "expected a time zone such as CRON_TZ=Asia/Shanghai, got 'TZ=UTC'"),
        ("CRON_TZ=../etc 0 0 4 * * *", "expected a time zone such as CRON_TZ=Asia/Shanghai"),
    ],
)
def test_a_wrong_time_expression_is_reported_at_its_place(expression: str, what: str) -> None:
    (found,) = mistakes(timer(expression))
    assert found.startswith(f"6:19: functions.f.triggers.t.timer.cron_expression: {what}")


def test_all_mistakes_of_a_time_expression_are_reported_at_once() -> None:
    assert len(mistakes(timer("CRON_TZ=! x 61 25 32 13 8"))) == 7


@pytest.mark.parametrize(
    ("trigger", "found"),
    [
        ("t:", "6:7: functions.f.triggers.t: give either timer or oss"),
        (
            "t: {timr: {cron_expression: 0 0 4 * * *}}",
            "6:11: functions.f.triggers.t: unknown key 'timr' (did you mean 'timer'?)",
        ),
        (
            "t: {timer: 0 0 4 * * *}",
            "6:11: functions.f.triggers.t.timer: expected a mapping, got '0 0 4 * * *': write "
            'timer: {cron_expression: "0 0 4 * * *"}',
        ),
        (
            "every day: {timer: {cron_expression: 0 0 4 * * *}}",
            "6:7: functions.f.triggers.every day: the name of a trigger has letters, digits, '_' "
            "and '-', at most 128, a letter or '_' first",
        ),
        (
            "t: {oss: {bucket: Photos, events: ['oss:ObjectCreated:*']}}",
            "6:17: functions.f.triggers.t.oss.bucket: a bucket's name has 3 to 63 lowercase "
            "letters, digits and '-', which is neither first nor last",
        ),
        (
            "t: {oss: {bucket: photos, events: []}}",
            "6:33: functions.f.triggers.t.oss.events: name at least one event, such as "
            "oss:ObjectCreated:*",
        ),
        (
            "t: {oss: {bucket: photos, events: ['oss:ObjectCreated:PutObjct']}}",
            "6:42: functions.f.triggers.t.oss.events[0]: OSS has no event "
            "'oss:ObjectCreated:PutObjct' "
            "(did you mean 'oss:ObjectCreated:PutObject'?)",
        ),
        (
            "t: {oss: {bucket: photos, events: ['ObjectCreated:*']}}",
            "6:42: functions.f.triggers.t.oss.events[0]: OSS has no event 'ObjectCreated:*' (did "
            "you mean 'oss:ObjectCreated:*'?)",
        ),
        (
            "t: {oss: {bucket: photos, events: [put]}}",
            "6:42: functions.f.triggers.t.oss.events[0]: expected an event such as "
            "oss:ObjectCreated:PutObject, got 'put'",
        ),
        (
            "t: {oss: {bucket: photos, events: ['oss:ObjectCreated:*'], prefix: /a}}",
            "6:66: functions.f.triggers.t.oss.prefix: no key begins with '/': take it away",
        ),
    ],
)
def test_a_wrong_trigger_is_reported_with_its_fix(trigger: str, found: str) -> None:
    assert mistakes(trigger) == [found]


def test_a_trigger_needs_something_that_answers_events() -> None:
    timers = "{t: {timer: {cron_expression: 0 0 4 * * *}}}"
    text = f"version: 1\nfunctions:\n  f:\n    wsgi: a:b\n    triggers: {timers}\n"
    with pytest.raises(ConfigError, match="they send events: give the function a handler"):
        loader.parse(text, "f.yaml", {})


def test_a_text_from_the_environment_is_not_shown() -> None:
    (found,) = mistakes("t: {oss: {bucket: photos, events: ['${EVENT}']}}", EVENT="s3cret")
    assert "got a text from the environment" in found


def test_what_is_sound_is_still_examined_beside_a_wrong_trigger() -> None:
    text = (
        "version: 1\nfunctions:\n"
        "  f: {handler: h, triggers: {t: {oss: {bucket: abc, events: [1]}}}}\n"
    )
    config, problems = loader.examine(text, "f.yaml", {})
    assert config
    assert config.functions["f"].triggers == {}
    assert len(problems) == 1


def test_an_edit_of_triggers_keeps_the_function() -> None:
    before = with_triggers(timer("0 0 4 * * *")).functions["f"]
    after = with_triggers(timer("0 0 5 * * *")).functions["f"]
    assert before != after
    assert before.without_limits() == after.without_limits()
