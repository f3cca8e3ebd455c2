"""Unlucky situations of the shell commands and the first cell: each ends soon, and in one sentence."""

import io
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from gc_tutorial import console, lesson
from gc_tutorial.__main__ import main
from gc_tutorial.study.runs import Run
from gc_tutorial.study.store import write_run
from gc_tutorial.study.tables import write_tables

ROOT = Path(__file__).parent.parent
PATIENT = 240  # seconds; on a machine at work the imports alone may take a minute
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and descriptors of POSIX")


def one_sentence(capsys, start="error: "):
    said = capsys.readouterr().err
    assert said.startswith(start)
    assert said.count("\n") == 1
    return said


# ----- Ctrl-C

PREPARE = """
import signal, sys, threading, time
from gc_tutorial import console
def begun():
    print("begun", flush=True)
    time.sleep(600)
"""
WAYS_ON = {
    "nothing special": "begun",
    "a library catches it and goes on": """
def wrong():
    try:
        begun()
    except KeyboardInterrupt:
        time.sleep(600)
""",
    "a library catches it and ends as if nothing were": """
def wrong():
    try:
        begun()
    except BaseException:
        return 0
""",
    "an import turns it into an error of its own": """
def wrong():
    try:
        begun()
    except KeyboardInterrupt as error:
        raise ImportError("this library is broken") from error
""",
    "a thread goes on": """
def wrong():
    threading.Thread(target=time.sleep, args=[600]).start()
    begun()
""",
    "cleaning up waits forever": """
def wrong():
    try:
        begun()
    finally:
        threading.Event().wait()
""",
    "cleaning up writes lines": """
def wrong():
    try:
        begun()
    finally:
        print("a warning", file=sys.stderr)
""",
    "it comes in a destructor, where Python drops it": """
class Slow:
    def __del__(self):
        begun()
def wrong():
    Slow()
    time.sleep(600)
""",
}


def interrupted(process):
    """What a process says after Ctrl-C, apart from its progress bars."""
    try:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, said = process.communicate(timeout=300)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    return [line for line in re.split(r"[\r\n]+", said) if line.strip() and "epoch" not in line]


def start(*command, **options):
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A test that runs in the background may itself ignore Ctrl-C, which a process inherits.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        **options,
    )


def until(condition, process):
    ends = time.monotonic() + PATIENT
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ends, "nothing happened"
        time.sleep(0.02)


@POSIX
@pytest.mark.parametrize("way", WAYS_ON)
def test_ctrl_c_ends_a_command_whatever_libraries_do_with_it(way):
    code = WAYS_ON[way]
    code = PREPARE + (code + "console.run(wrong, 'stopped')" if "def" in code else f"console.run({code}, 'stopped')")
    process = start("-c", code)
    assert process.stdout.readline() == "begun\n"
    assert interrupted(process) == ["stopped"]


@POSIX
def test_the_sentence_is_out_before_the_process_ends():
    slow = """
import os
write = os.write
def slowly(*arguments):
    if threading.current_thread() is not threading.main_thread():
        time.sleep(1)
    return write(*arguments)
os.write = slowly
def late(number, frame):
    time.sleep(0.3)  # until the thread has begun to write
    handler(number, frame)
def wrong():
    global handler
    handler = signal.signal(signal.SIGINT, late)
    begun()
"""
    process = start("-c", PREPARE + slow + "console.run(wrong, 'stopped')")
    assert process.stdout.readline() == "begun\n"
    assert interrupted(process) == ["stopped"]


@POSIX
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks into /proc")
@pytest.mark.parametrize(
    ("moment", "sign"),
    [("importing TensorFlow", "libtensorflow"), ("importing Keras", "h5py"), ("training", ".lock")],
)
def test_ctrl_c_ends_compare(tmp_path, moment, sign):
    arguments = ["--data", "synthetic_small", "--image-size", "94", "--epochs", "1000", "--arms", "none"]
    process = start("-m", "gc_tutorial", "compare", tmp_path / "runs", *arguments, cwd=ROOT)

    def reached():
        if sign == ".lock":
            return (tmp_path / "runs" / sign).exists()
        return sign in Path(f"/proc/{process.pid}/maps").read_text()

    until(reached, process)
    assert interrupted(process) == ["stopped; run the same command again to continue"]


@POSIX
def test_ctrl_c_ends_the_reading_of_a_folder_of_thousands_of_files(tmp_path):
    picture = tmp_path / "photos" / "cats" / "0.png"
    for label in ("cats", "dogs"):
        (tmp_path / "photos" / label).mkdir(parents=True)
    Image.linear_gradient("L").resize((1500, 1500)).save(picture)
    for number in range(1, 3000):
        os.link(picture, tmp_path / "photos" / ("cats", "dogs")[number % 2] / f"{number}.png")
    arguments = ["--data", tmp_path / "photos", "--image-size", "94"]
    process = start("-m", "gc_tutorial", "compare", tmp_path / "runs", *arguments, cwd=ROOT)
    said = ""
    while "Reading images" not in said:  # the bar, which comes after a second of reading
        said += process.stdout.read(1)
        assert process.poll() is None, said
    assert interrupted(process) == ["stopped; run the same command again to continue"]
    assert not (tmp_path / "runs").exists()


@POSIX
@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
@pytest.mark.parametrize(
    ("does", "code", "said"),
    [
        ("time.sleep(600)", -signal.SIGINT, ["stopped"]),
        ("return 3", 2, ["make: *** [Makefile:LINE: tutorial] Error 3"]),
        ("return 0", 0, []),
    ],
)
def test_make_tutorial_adds_no_line_of_its_own_after_ctrl_c(tmp_path, does, code, said):
    (tmp_path / "bin").mkdir()
    (tmp_path / "installed").touch()
    (tmp_path / "run.py").write_text(
        "import time\nfrom gc_tutorial import console\n"
        f"def main():\n    print('begun', flush=True)\n    {does}\nconsole.run(main, 'stopped')\n"
    )
    python = tmp_path / "bin" / "python"
    python.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{tmp_path / 'run.py'}'\n")
    python.chmod(0o755)
    command = ["make", "tutorial", f"BIN={tmp_path / 'bin'}", f"INSTALLED={tmp_path / 'installed'}"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        cwd=ROOT,
        # `make test` tells a make within it to name its folder
        env={name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout.readline() == "begun\n"
    if "sleep" in does:
        os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == code
    assert [re.sub(r":\d+:", ":LINE:", line) for line in errors.splitlines() if line] == said


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
@pytest.mark.parametrize("way", ["on the command line", "in the environment"])
@pytest.mark.parametrize("profile", ["$(shell touch run)", "$(info run)", "`touch run`"])
def test_make_does_not_run_what_stands_in_a_profile(tmp_path, profile, way):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    shutil.copy(ROOT / "Makefile", tmp_path)
    command = ["make", "profile"]
    if way == "on the command line":
        command.append(f"PROFILE={profile}")
    else:
        environment["PROFILE"] = profile
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stderr.startswith(f"PROFILE={profile} is not a profile.")
    assert not done.stdout
    assert not (tmp_path / "run").exists()


@pytest.fixture
def slow_notebook(tmp_path):
    """A copy of the runner with a notebook of its own that does not end, and one after it."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "gc_tutorial").mkdir()
    for name in ("tools/run_notebooks.py", "tools/digests.py", "tools/translations.py", "gc_tutorial/__init__.pyi"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "notebooks" / "01_slow.py").write_text(
        "# %%\n1\n\n# %%\nimport pathlib, time\npathlib.Path('begun').touch()\ntime.sleep(600)\n"
    )
    (tmp_path / "notebooks" / "02_next.py").write_text("# %%\n1\n")
    (tmp_path / "bin").mkdir()
    pandoc = tmp_path / "bin" / "pandoc"  # jupytext, when imported, asks it for its version
    pandoc.write_text("#!/bin/sh\nsleep 2\necho pandoc 3.1\n")
    pandoc.chmod(0o755)
    return tmp_path


@POSIX
@pytest.mark.parametrize("moment", ["importing jupytext", "importing", "starting a kernel", "running a cell"])
def test_ctrl_c_ends_the_notebooks_and_their_kernel(slow_notebook, moment):
    import psutil

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if moment == "importing jupytext":  # which then asks a slow pandoc for its version
        environment["PATH"] = f"{slow_notebook / 'bin'}{os.pathsep}{os.environ['PATH']}"
    process = start(slow_notebook / "tools" / "run_notebooks.py", env=environment)
    children = psutil.Process(process.pid).children
    imported = (slow_notebook / "build" / "notebooks").exists  # made after jupytext, before all other slow imports
    reached = {
        "importing jupytext": children,
        "importing": imported,
        "starting a kernel": lambda: imported() and children(),
        "running a cell": (slow_notebook / "build" / "begun").exists,
    }
    until(reached[moment], process)
    kernels = children(recursive=True)
    assert interrupted(process) == ["stopped; the notebooks that have ended are in build/"]
    assert not psutil.wait_procs(kernels, timeout=300)[1]


def test_a_cell_that_fails_ends_the_run_with_the_kernel_of_the_next_notebook(slow_notebook):
    (slow_notebook / "notebooks" / "00_wrong.py").write_text("# %%\n1\n\n# %%\nraise ValueError('no images')\n")
    runner = slow_notebook / "tools" / "run_notebooks.py"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, runner], env=environment, capture_output=True, text=True, timeout=300)
    assert done.stderr.strip() == "A cell of 00_wrong.py failed:\nValueError: no images"
    assert done.returncode == 1


# ----- consoles


@pytest.fixture
def stdout_in(monkeypatch):
    """Replace the standard output by one of an encoding; returns a function that gives back what was printed."""

    def replace_it(encoding):
        written = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding, write_through=True))
        return lambda: written.getvalue().decode(encoding)

    kept = signal.getsignal(signal.SIGINT)
    yield replace_it
    signal.signal(signal.SIGINT, kept)
    signal.set_wakeup_fd(-1)


ENCODINGS = {"ascii": "94x94", "cp437": "94x94", "cp1251": "94x94", "latin-1": "94×94", "utf-8": "94×94"}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_data_are_described_on_any_console(stdout_in, encoding):
    from gc_tutorial import load_data

    printed = stdout_in(encoding)
    load_data("synthetic_small", 94)
    assert printed().strip().endswith(f"{ENCODINGS[encoding]} pixels.")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_first_cell_speaks_on_any_console(stdout_in, encoding, monkeypatch):
    monkeypatch.setenv("GC_TUTORIAL_PROFILE", "quick")
    printed = stdout_in(encoding)
    lesson.start()
    assert f"{ENCODINGS[encoding]} pixels" in printed()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_study_is_listed_on_any_console(stdout_in, tmp_path, encoding):
    printed = stdout_in(encoding)
    with pytest.raises(SystemExit) as end:
        console.run(lambda: main(["study", "A", str(tmp_path / "данные"), "--dry-run"]), "stopped")
    assert end.value.code == 0
    assert f" {ENCODINGS[encoding][2]} data" in printed()


def test_what_has_no_replacement_becomes_a_question_mark(stdout_in):
    printed = stdout_in("ascii")
    console.say("馬, \udcff and “horse”…")
    assert printed().strip() == '?, ? and "horse"...'


COMMANDS = {
    "help": ["-m", "gc_tutorial", "--help"],
    "a mistake": ["-m", "gc_tutorial", "tables", "no such plan", "folder", "target"],
    "wrong usage": ["-m", "gc_tutorial", "compare"],
    "help of the notebooks": ["tools/run_notebooks.py", "--help"],
    "a notebook that is not there": ["tools/run_notebooks.py", "99_nothing"],
}


@POSIX
@pytest.mark.parametrize("closed", [(1,), (2,), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("command", COMMANDS)
def test_closed_outputs_are_no_obstacle(command, closed):
    def close():
        for number in closed:
            os.close(number)

    done = subprocess.run(
        [sys.executable, *COMMANDS[command]],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=close,
    )
    assert done.returncode == {"help": 0, "help of the notebooks": 0, "wrong usage": 2}.get(command, 1)
    assert "Traceback" not in done.stdout + done.stderr
    assert "Exception" not in done.stdout + done.stderr


@POSIX
@pytest.mark.parametrize("command", ["help", "help of the notebooks", "running notebooks"])
def test_where_nobody_reads_the_output_a_command_ends_without_a_word(command, slow_notebook):
    reading, writing = os.pipe()
    os.close(reading)
    arguments = COMMANDS.get(command, [str(slow_notebook / "tools" / "run_notebooks.py")])
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 141 or "help" in command  # which argparse prints, and sees no harm


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("command", "unbuffered"),
    [
        ("help", ""),  # without a buffer argparse prints it, and sees no harm
        ("help of the notebooks", ""),
        ("a listed study", ""),
        ("a listed study", "1"),
        ("much at once", ""),
        ("much at once", "1"),
    ],
)
def test_a_full_disk_under_the_output_is_told(command, unbuffered, tmp_path):
    arguments = {
        "a listed study": ["-m", "gc_tutorial", "study", "A", str(tmp_path / "runs"), "--dry-run"],
        "much at once": ["-c", "from gc_tutorial import console; console.run(lambda: console.say('x' * 10**6), '')"],
    }
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, *arguments.get(command, COMMANDS.get(command))],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered},
        )
    assert done.stderr == "error: The output cannot be written: No space left on device. Free some space.\n"
    assert done.returncode == 1


def test_an_error_of_another_file_is_not_taken_for_one_of_the_output(stdout_in):
    stdout_in("utf-8")

    def fail():
        raise OSError(28, "No space left on device", "elsewhere")

    with pytest.raises(OSError, match="elsewhere"):
        console.run(fail, "stopped")


# ----- the environment


@pytest.mark.parametrize(
    ("backend", "installed", "told"),
    [
        ("nonsense", True, "Choose one of: tensorflow, jax, torch."),
        ("TensorFlow", True, "Choose one of: tensorflow, jax, torch."),
        ("numpy", True, "Choose one of: tensorflow, jax, torch."),  # which Keras knows, and cannot train with
        ("../torch", True, "Choose one of: tensorflow, jax, torch."),
        ("jax", False, "not installed. Install it: pip install jax"),
        ("torch", False, "not installed. Install it: pip install torch"),
    ],
)
@pytest.mark.parametrize("way", ["the first cell", "compare", "study"])
def test_a_backend_that_cannot_be_used_is_told(monkeypatch, tmp_path, capsys, backend, installed, told, way):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setattr(lesson.importlib.util, "find_spec", lambda name: object() if installed else None)
    if way == "the first cell":
        with pytest.raises(lesson.SettingsError) as error:
            lesson.start()
        said = str(error.value)
    else:
        first = ["compare"] if way == "compare" else ["study", "A"]
        assert main([*first, str(tmp_path)]) == 1
        said = one_sentence(capsys)
    assert f"KERAS_BACKEND={backend!r}" in said
    assert told in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"backend": "torch"}', "names the backend 'torch'"),
        ('{"backend": "theano"}', "names the backend 'theano'"),  # as old Kerases left behind
        ('{"backend": 3}', "names the backend 3"),
        ('{"backend": ["torch"]}', "names the backend ['torch']"),
        ('{"backend": "tensorflow", "image_data_format": "channels_first"}', None),
        ("{}", None),
        ("[]", None),
        ("damaged", None),
    ],
)
@pytest.mark.parametrize("home", ["KERAS_HOME", "HOME"])
def test_the_settings_of_keras_are_looked_at(monkeypatch, tmp_path, content, told, home):
    path = tmp_path / {"KERAS_HOME": "", "HOME": ".keras"}[home] / "keras.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    for name in ("KERAS_BACKEND", "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(home, str(tmp_path))
    monkeypatch.setattr(lesson.importlib.util, "find_spec", lambda name: None if name == "torch" else object())
    if told is None:
        lesson._check_configured(lesson._keras_json())
        return
    with pytest.raises(lesson.SettingsError) as error:
        lesson._check_configured(lesson._keras_json())
    assert str(error.value).startswith(f"{path} {told}")
    assert "set KERAS_BACKEND=tensorflow" in str(error.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"backend": "theano"}', "SettingsError: .*keras.json names the backend 'theano'.*"),
        ('{"backend": "tensorflow", "image_data_format": "channels_first"}', "tensorflow channels_last"),
    ],
)
def test_the_settings_of_keras_are_no_obstacle(tmp_path, content, told):
    (tmp_path / "keras.json").write_text(content)
    code = """
from gc_tutorial import errors, lesson
try:
    lesson.import_quietly()
    import keras
    print(keras.backend.backend(), keras.config.image_data_format())
except errors.SettingsError as error:
    print(f"SettingsError: {error}")
"""
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    environment |= {"KERAS_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert re.fullmatch(told, done.stdout.strip()), done.stderr


@pytest.mark.parametrize("backend", ["", "tensorflow"])
def test_the_usual_backends_are_taken(monkeypatch, backend):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    lesson.import_quietly()


@pytest.mark.parametrize(
    "arguments",
    [
        ["compare", "~/runs"],
        ["compare", "runs", "--csv", "~/table.csv"],
        ["compare", "runs", "--data", "~/photos"],
        ["study", "~/plan.toml", "runs"],
        ["study", "A", "~/runs"],
        ["study", "A", "~/runs", "--dry-run"],
        ["study", "A", "runs", "--images", "~/images"],
        ["tables", "A", "~/runs", "tables"],
        ["restore", "A", "~/tables", "runs"],
    ],
    ids=" ".join,
)
def test_without_a_home_folder_a_tilde_is_told(monkeypatch, tmp_path, capsys, arguments):
    """A container may run under a user whom its system does not know."""

    def unknown(number):
        raise KeyError(number)

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert main(arguments) == 1
    said = one_sentence(capsys)
    assert "there is no home folder" in said or "There is no data source '~/photos'" in said


@pytest.mark.parametrize(
    ("seeds", "told"),
    [
        (100_000_000_000_000, "100000000000000 seeds are too many"),
        (10_001, "at most 10000"),
        (range(10**6), "1000000 seeds are too many"),
        ([2**32], "from 0 to 4294967295"),
        ([-1], "from 0 to 4294967295"),
    ],
)
def test_seeds_that_cannot_be_used_are_told_before_they_are_counted_out(seeds, told, tmp_path, capsys):
    from gc_tutorial import compare

    with pytest.raises(ValueError, match=told):
        compare("synthetic_small", seeds=seeds)
    if isinstance(seeds, int):
        assert main(["compare", str(tmp_path), "--seeds", str(seeds)]) == 1
        assert told in one_sentence(capsys)


# ----- warnings of TensorFlow


def test_trainings_one_after_the_other_do_not_warn_of_retracing():
    import tensorflow as tf

    def train_often():
        shown = []
        handler = logging.Handler()
        handler.emit = lambda record: shown.append(record.getMessage())
        logger = logging.getLogger("tensorflow")
        logger.addHandler(handler)
        try:
            for _ in range(6):
                model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
                model.compile("sgd", "mse")
                model.fit(tf.zeros((1, 2)), tf.zeros((1, 1)), verbose=0)
                model.predict(tf.zeros((1, 2)), verbose=0)
            logger.warning("This one is about something else.")
        finally:
            logger.removeHandler(handler)
        return shown

    lesson.import_quietly()
    assert train_often() == ["This one is about something else."]


# ----- the tables of a study


@pytest.fixture
def tables(tmp_path):
    """A plan, and the tables of its two runs."""
    (tmp_path / "digits.toml").write_text(
        '[seeds]\ntuning = [100, 101]\n[[runs]]\ndata = "digits"\nnetwork = "small_cnn"\naugmentation = "none"\n'
        "learning_rate = 0.001\nepochs = 2\n"
    )
    first = Run(data="digits", network="small_cnn", augmentation="none", learning_rate=0.001, epochs=2, seed=100)
    common = {"train_loss": 0.5, "seconds": 1.0, "status": "finished", "ended": "today", "machine": "here"}
    stored = {
        "rows": [{"epoch": 1, **common}, {"epoch": 2, **common}],
        "kernels": ["dense"],
        "chance": [0.1],
        "classes": 10,
        "figures": {"a": 0.5},
    }
    runs = [first, replace(first, seed=101)]
    write_tables(dict.fromkeys(runs, stored), {run: {"keras": "3"} for run in runs}, tmp_path / "old")
    return tmp_path


def restore(tables, source="old"):
    return main(["restore", str(tables / "digits.toml"), str(tables / source), str(tables / "runs")])


def changed(name, change):
    def do(folder):
        path = folder / name
        path.write_text(change(path.read_text()))

    return do


def without(column):
    def change(text):
        rows = [line.split(",") for line in text.splitlines()]
        place = rows[0].index(column)
        return "\n".join(",".join(row[:place] + row[place + 1 :]) for row in rows) + "\n"

    return change


WRONG_TABLES = {
    "no folder": (shutil.rmtree, "has no tables of a study"),
    "one of two": (lambda folder: (folder / "epochs.csv").unlink(), "has no tables of a study"),
    "a folder in its place": (
        lambda folder: ((folder / "runs.csv").unlink(), (folder / "runs.csv").mkdir()),
        "has no tables of a study",
    ),
    "empty": (changed("epochs.csv", lambda text: ""), "No columns to parse"),
    "runs cut in a line": (changed("runs.csv", lambda text: text[:-20]), "damaged"),
    "epochs cut in a line": (changed("epochs.csv", lambda text: text[:-3]), "its last line is not complete"),
    "runs cut between lines": (
        changed("runs.csv", lambda text: "".join(text.splitlines(True)[:-1])),
        "do not hold the same runs",
    ),
    "epochs cut between lines": (
        changed("epochs.csv", lambda text: "".join(text.splitlines(True)[:-1])),
        "epochs are missing",
    ),
    "all but the header": (changed("epochs.csv", lambda text: text.splitlines(True)[0]), "do not hold the same runs"),
    "a run twice": (
        changed("runs.csv", lambda text: text + text.splitlines(True)[-1]),
        "do not hold the same runs",
    ),
    "no column run": (changed("runs.csv", without("run")), "it has no column run"),
    "no column machine": (changed("runs.csv", without("machine")), "it has no column machine"),
    "no column epoch": (changed("epochs.csv", without("epoch")), "it has no column epoch"),
    "no column train_loss": (changed("epochs.csv", without("train_loss")), "it has no column train_loss"),
    "too many fields": (changed("runs.csv", lambda text: text + "a,b" + ",c" * 50 + "\n"), "Expected"),
    "a field of another kind": (changed("runs.csv", lambda text: text.replace(",a:0.5", ",a:b")), "could not convert"),
    "no text": (lambda folder: (folder / "runs.csv").write_bytes(b"\xff\xfe\x00"), "can't decode"),
    "a name that is a path": (
        lambda folder: [
            changed(name, lambda text: text.replace("digits-small_cnn", "../digits-small_cnn"))(folder)
            for name in ("runs.csv", "epochs.csv")
        ],
        "is not the name of a run",
    ),
}


def test_whole_tables_are_restored(tables, capsys):
    assert restore(tables) == 0
    assert "2 runs were put back" in capsys.readouterr().out
    assert len(list((tables / "runs").glob("*.json"))) == 2


@pytest.mark.parametrize("wrong", WRONG_TABLES)
def test_wrong_tables_are_told_and_nothing_is_restored(tables, capsys, wrong):
    break_it, told = WRONG_TABLES[wrong]
    break_it(tables / "old")
    assert restore(tables) == 1
    assert told in one_sentence(capsys)
    assert not list((tables / "runs").glob("*.json"))


def test_tables_of_another_plan_are_told(tables, capsys):
    plan = (tables / "digits.toml").read_text().replace("0.001", "0.002")
    (tables / "digits.toml").write_text(plan)
    assert restore(tables) == 1
    assert "hold no runs of the plan 'digits'" in one_sentence(capsys)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["tables", "PLAN", "nowhere", "new"], "has no finished runs"),
        (["tables", "PLAN", "", "new"], "has no name"),
        (["tables", "PLAN", "runs", ""], "has no name"),
        (["tables", "PLAN", "runs", "digits.toml"], "Tables cannot be written to"),
        (["tables", "PLAN", "runs", "digits.toml/new"], "Tables cannot be written to"),
        (["tables", "no plan", "runs", "new"], "There is no plan 'no plan'"),
        (["restore", "PLAN", "old", "digits.toml"], "Results cannot be written to"),
        (["restore", "PLAN", "old", ""], "has no name"),
        (["restore", "PLAN", "", "new"], "The folder of the tables has no name"),
        (["restore", "no plan", "old", "new"], "There is no plan 'no plan'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments_of_tables_and_restore_are_told(tables, capsys, monkeypatch, arguments, told):
    monkeypatch.chdir(tables)
    assert restore(tables) == 0
    capsys.readouterr()
    assert main([str(tables / "digits.toml") if one == "PLAN" else one for one in arguments]) == 1
    assert told in one_sentence(capsys)


def test_an_empty_name_is_not_the_tables_of_the_current_folder(tables, capsys, monkeypatch):
    monkeypatch.chdir(tables / "old")
    assert main(["restore", str(tables / "digits.toml"), "", str(tables / "runs")]) == 1
    assert "The folder of the tables has no name" in one_sentence(capsys)
    assert not (tables / "runs").exists()


@pytest.mark.parametrize("command", ["tables", "study"])
@pytest.mark.parametrize("there", ["another plan", "more runs", "something else"])
def test_tables_that_hold_more_are_kept(tables, capsys, monkeypatch, command, there):
    monkeypatch.setattr("gc_tutorial.study.planned_study.run_study", lambda *_, **__: pytest.fail("trained"))
    plan = tables / "digits.toml"
    lost = "holds 1 run that the new tables would lack"
    if there == "another plan":
        plan = tables / "other.toml"
        plan.write_text((tables / "digits.toml").read_text().replace("0.001", "0.002"))
        lost = "holds 2 runs that the new tables would lack"
    assert restore(tables) == 0
    if there == "more runs":
        plan.write_text(plan.read_text().replace("100, 101", "100"))
        (more,) = (tables / "runs").glob("*seed101*")
        more.unlink()
    elif there == "another plan":
        run = Run(data="digits", network="small_cnn", augmentation="none", learning_rate=0.002, epochs=2, seed=100)
        for path in (tables / "runs").glob("*.json"):
            path.unlink()
        common = {"train_loss": 0.5, "seconds": 1.0, "status": "finished", "ended": "today", "machine": "here"}
        rows = [{"epoch": epoch, **common} for epoch in (1, 2)]
        write_run(tables / "runs", run.name, {"plan": "other"}, {"rows": rows})
    else:
        (tables / "old" / "epochs.csv").write_text("a person's own table\n")
        lost = "epochs.csv is not a table of runs"
    before = {path: path.read_bytes() for path in (tables / "old").iterdir()}
    capsys.readouterr()
    arguments = [str(plan), str(tables / "runs"), *(["--tables"] if command == "study" else []), str(tables / "old")]
    assert main([command, *arguments]) == 1
    assert lost in one_sentence(capsys)
    assert before == {path: path.read_bytes() for path in (tables / "old").iterdir()}


def test_tables_grow_with_the_study(tables, capsys):
    assert restore(tables) == 0
    (later,) = (tables / "runs").glob("*seed101*")
    later.rename(tables / "later")
    arguments = ["tables", str(tables / "digits.toml"), str(tables / "runs"), str(tables / "new")]
    for count in ("1 run is", "1 run is", "2 runs are", "2 runs are"):
        if count == "2 runs are" and not later.exists():
            (tables / "later").rename(later)
        assert main(arguments) == 0
        assert count in capsys.readouterr().out


def test_a_run_without_its_seconds_is_told(tables, capsys):
    assert restore(tables) == 0
    capsys.readouterr()
    path = sorted((tables / "runs").glob("*.json"))[0]
    found = json.loads(path.read_text())
    rows = [{**row, "seconds": None} for row in found["rows"]]
    (tables / "runs" / path.name).unlink()
    write_run(tables / "runs", path.stem, found["configuration"], {"rows": rows})
    (tables / "digits.toml").write_text((tables / "digits.toml").read_text().replace("100, 101", "100, 101, 102"))
    assert main(["study", str(tables / "digits.toml"), str(tables / "runs"), "--dry-run"]) == 1
    assert "its column seconds is missing or has the wrong type" in one_sentence(capsys)


@pytest.mark.parametrize("images", ["", "nowhere", "digits.toml"])
@pytest.mark.parametrize("further", [[], ["--dry-run"]])
def test_images_that_are_not_in_a_folder_are_told(tables, capsys, monkeypatch, images, further):
    monkeypatch.chdir(tables)
    assert main(["study", "digits.toml", "runs", "--images", images, *further]) == 1
    assert f"--images {images!r} is not a folder. Name the one" in one_sentence(capsys)


@POSIX
@pytest.mark.parametrize("option", [["--tables", "t"], ["--images", "i"]], ids=" ".join)
def test_without_a_current_folder_it_is_told(tmp_path, capsys, monkeypatch, option):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main(["study", "A", "x", *option]) == 1
    assert f"{option[1]!r} is in the current folder, which has been removed. Change to" in one_sentence(capsys)


def test_a_full_disk_keeps_the_tables_before_it(tables, capsys, monkeypatch):
    assert restore(tables) == 0
    capsys.readouterr()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gc_tutorial.study.store.os.fsync", full)
    before = (tables / "old" / "epochs.csv").read_bytes()
    assert main(["tables", str(tables / "digits.toml"), str(tables / "runs"), str(tables / "old")]) == 1
    assert "No space left on device" in one_sentence(capsys)
    assert (tables / "old" / "epochs.csv").read_bytes() == before
