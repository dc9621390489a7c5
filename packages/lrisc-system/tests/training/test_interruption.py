import os
import signal
import threading

import pytest

from lrisc_system.training.interruption import SignalWatch, Stopped, raising_stopped


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    before = signal.getsignal(signal.SIGCHLD)
    yield
    signal.signal(signal.SIGCHLD, before)


def send(number):
    os.kill(os.getpid(), number)


def test_the_message_says_how_to_go_on():
    assert str(Stopped(signal.SIGINT)) == "stopped by SIGINT"
    assert str(Stopped(signal.SIGTERM, "saved")) == "stopped by SIGTERM: saved"
    assert (Stopped(signal.SIGINT).exit_code, Stopped(signal.SIGTERM).exit_code) == (130, 143)


def test_the_first_signal_is_remembered_and_the_handlers_come_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    watch = SignalWatch()
    with watch.watching():
        assert watch.number == 0
        send(signal.SIGTERM)
        send(signal.SIGTERM)  # schedulers send it to every process, and launchers pass it on
        assert watch.number == signal.SIGTERM
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_second_ctrl_c_ends_at_once(monkeypatch):
    watch = SignalWatch()
    with watch.watching():
        send(signal.SIGINT)
        with pytest.raises(Stopped, match="stopped by SIGINT: it came twice"):
            send(signal.SIGINT)
        monkeypatch.setenv("LOCAL_RANK", "0")
        send(signal.SIGINT)  # a launcher passes on what the terminal sends to all


def test_a_second_signal_does_not_disturb_the_end(monkeypatch):
    with raising_stopped():
        with pytest.raises(Stopped):
            send(signal.SIGTERM)
        send(signal.SIGTERM)
        with pytest.raises(Stopped):
            send(signal.SIGINT)
        monkeypatch.setenv("LOCAL_RANK", "0")
        send(signal.SIGINT)


def test_other_threads_set_no_handlers():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with raising_stopped():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
