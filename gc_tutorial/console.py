"""Output and exit of the shell commands: encodings, Ctrl-C, and closed pipes."""

import codecs
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import NoReturn, TextIO

TIMEOUT = 3  # seconds to clean up after Ctrl-C
PLAIN = "gc_tutorial.plain"
REPLACEMENTS = {"×": "x", "·": "-", "–": "-", "…": "...", "‘": "'", "’": "'", "“": '"', "”": '"'}
INTERRUPTED, UNREAD = 130, 141  # exit codes: 128 and the number of the signal, as shells have it


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(REPLACEMENTS.get(one, "?") for one in error.object[error.start : error.end]), error.end


codecs.register_error(PLAIN, _plain)


def say(text: str) -> None:
    """Print text; characters that the output encoding lacks are replaced, × by x and others by a question mark.

    Args:
        text: str, one or more lines.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    with _told_as_output():
        print(text.encode(encoding, PLAIN).decode(encoding))


class OutputError(OSError):
    """The standard output cannot be written."""


@contextlib.contextmanager
def _told_as_output() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"The output cannot be written: {error.strerror}. Free some space.") from error


def run(main: Callable[[], int | None], stopped: str) -> NoReturn:
    """Run the main function of a command, and exit with its code.

    On Ctrl-C, print the sentence and exit within `TIMEOUT` seconds, with code 130. Python does not guarantee this:
    libraries catch `KeyboardInterrupt` and continue, or wait for their threads. If the reading end of a pipe is closed
    (`| head`), exit silently, with code 141. If the output cannot be written, as to a full disk, say so in a sentence.

    Args:
        main: function without arguments that returns the exit code.
        stopped: the sentence for Ctrl-C.
    """
    _open_streams()
    stopping = _end_on_interrupt(stopped)
    code: int | str | None = 0
    try:
        try:
            code = main()
        except SystemExit as end:
            code = end.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
            code = 1
        with _told_as_output():
            sys.stdout.flush()
    except BrokenPipeError:
        _silence(sys.stdout, sys.stderr)
        code = UNREAD
    except OutputError as error:
        _silence(sys.stdout)
        with contextlib.suppress(OSError):
            print(f"error: {error}", file=sys.stderr)
        code = 1
    except BaseException:
        if not stopping.is_set():
            raise
    if stopping.is_set():
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(INTERRUPTED)  # an ordinary exit would wait for threads
    sys.exit(code)


def _open_streams() -> None:
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # closed: libraries would write to the next file that is opened
            setattr(sys, name, open(os.devnull, "w" if number else "r"))  # noqa: SIM115
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors=PLAIN)  # standard error already escapes what it cannot encode


def _end_on_interrupt(stopped: str) -> threading.Event:
    """Install the handler for Ctrl-C. Returns an event that is set when Ctrl-C is pressed."""
    stopping = threading.Event()
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return stopping  # handled or ignored already, as under nohup
    terminal = os.dup(2)  # some imports redirect standard error for a while
    waiting, wake = os.pipe()  # Python writes a byte there on each signal, even while the main thread is blocked
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)

    telling = threading.Lock()  # both threads may print the sentence; the process must not exit before it is written
    sentences = [stopped]

    def tell() -> None:
        stopping.set()
        with telling, contextlib.suppress(OSError, IndexError):
            os.write(terminal, f"\n{sentences.pop()}\n".encode("ascii", PLAIN))

    def end_for_certain() -> None:
        while os.read(waiting, 1) != bytes([signal.SIGINT]):
            pass
        tell()
        time.sleep(TIMEOUT)
        os._exit(INTERRUPTED)

    threading.Thread(target=end_for_certain, daemon=True).start()

    def on_interrupt(number: int, frame: object) -> NoReturn:
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(INTERRUPTED))  # if it is pressed again
        tell()
        _silence(sys.stderr)
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, on_interrupt)
    return stopping


def _silence(*streams: TextIO) -> None:
    """Redirect the streams to the null device."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
