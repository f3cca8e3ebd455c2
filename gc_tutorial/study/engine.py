"""Where runs are computed: in this process, in several on this machine, or on a Dask cluster."""

import asyncio
import contextlib
import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

from gc_tutorial.errors import EngineError, TutorialError
from gc_tutorial.study.runs import Run

TIMEOUT = 10  # seconds for a scheduler to answer

Compute = Callable[[Iterable[Run]], Iterator[tuple[Run, dict]]]


def versions() -> dict[str, str]:
    """What must be equal in all processes of a study for their runs to be comparable."""
    import keras
    import tensorflow as tf

    # TensorFlow not by the name of its package, which may be tensorflow-cpu.
    return {"keras": keras.__version__, "tensorflow": tf.__version__, "gc-tutorial": version("gc-tutorial")}


def check_workers(workers: int, threads: int, scheduler: str = "") -> None:
    """Raise an error for more processes or threads than this machine can use; a scheduler has its own machines.

    Raises:
        EngineError: for fewer workers than one, or more workers or threads than four for each processor core.
    """
    most = 4 * (os.cpu_count() or 1)
    for name, number, least in (("workers", workers, 1), ("threads", threads, 0)):
        if number < least or (number > most and not scheduler):
            raise EngineError(f"{name}={number} is not valid on this machine. Choose a number from {least} to {most}.")


@contextlib.contextmanager
def started(*, workers: int = 1, threads: int = 0, scheduler: str = "") -> Iterator[Compute]:
    """Give a function that trains every run of an iterable, in this order, and yields each as it ends.

    Processes start with its first call, are used again by the next ones, and end with the context. Runs of a killed
    worker are repeated on another. Other failures do not stop the remaining runs.

    Args:
        workers: number of processes on this machine; 1 is this process, without Dask.
        threads: of TensorFlow, in each process; 0 means TensorFlow's default in one process, and 1 in several.
        scheduler: address of a Dask scheduler, such as `"tcp://10.0.0.1:8786"`, whose workers are used instead.

    Yields:
        a function from an iterable of `Run` to an iterator of tuples: the `Run` and its result, as from
        `gc_tutorial.study.training.train`.

    Raises:
        EngineError: if the scheduler does not answer or has no workers, a worker has other versions, Dask is not
            installed, or the number of workers or threads is not valid; and at the end of an iterator, if runs failed.
    """
    check_workers(workers, threads, scheduler)
    if not scheduler and workers == 1:
        yield lambda runs: _results(_here(runs, threads))
        return
    with contextlib.ExitStack() as stack:
        client = functools.cache(lambda: stack.enter_context(_client(workers, scheduler)))
        yield lambda runs: _results(_on_dask(client, list(runs), threads or 1))


def _results(ended):
    failed = []
    for run, result in ended:
        if isinstance(result, TutorialError):
            raise result
        if isinstance(result, Exception):
            failed.append((run, result))
        else:
            yield run, result
    if failed:
        run, error = failed[0]
        raise EngineError(
            f"{len(failed)} runs failed, the first of them {run.name} ({type(error).__name__}: {error}). The others "
            "are kept. Run the same command again to repeat the failed ones."
        ) from error


def _here(runs, threads):
    """Each run with its result, or with the exception that ended it."""
    _use_threads(threads)
    from gc_tutorial.study.training import train

    result: dict | Exception
    for run in runs:
        try:
            result = train(run)
        except Exception as error:
            result = error
        yield run, result


def _on_dask(client, runs, threads):
    try:
        from distributed import as_completed
    except ImportError:
        raise EngineError(
            "Several processes need Dask. Install it: pip install distributed; or use one worker."
        ) from None
    expected, connected = versions(), client()
    futures = {connected.submit(_train_there, run, threads, expected, pure=False): run for run in runs}
    for future in as_completed(futures):
        yield futures[future], future.exception() or future.result()
        future.release()  # otherwise the scheduler would keep every result until the end


def _train_there(run, threads, expected):
    """What a worker does; it imports TensorFlow itself, and only once."""
    from gc_tutorial.lesson import import_quietly

    import_quietly()
    found = versions()
    if found != expected:
        differences = "; ".join(f"{key} {found[key]} there, {expected[key]} here" for key in found)
        raise EngineError(f"A worker has other versions: {differences}. Install the same ones everywhere.")
    _use_threads(threads)
    from gc_tutorial.study.training import train

    return train(run)


@contextlib.contextmanager
def _client(workers, scheduler):
    from distributed import Client

    if not scheduler:
        with _local_cluster(workers) as cluster, Client(cluster) as client:
            yield client
        return
    _check_scheduler(scheduler)
    with Client(scheduler, timeout=TIMEOUT) as client:
        yield client


@contextlib.contextmanager
def _local_cluster(workers):
    from distributed import LocalCluster

    others = multiprocessing.active_children()
    # Ctrl-C in a terminal reaches every process: the workers ignore it, which they inherit, and end with this one.
    in_main_thread = threading.current_thread() is threading.main_thread()
    kept = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main_thread else None
    try:
        cluster = LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=":0", memory_limit=0, silence_logs=50
        )
    except (RuntimeError, OSError) as error:  # such as in a sandbox in which no process reaches another
        raise EngineError(f"{workers} processes could not be started: {error}. Use one: --workers 1.") from error
    finally:
        if in_main_thread:
            signal.signal(signal.SIGINT, kept)
    with cluster:
        try:
            yield cluster
        except BaseException:
            for process in set(multiprocessing.active_children()) - set(others):
                process.kill()  # otherwise closing would wait for the running tasks
            raise


def _check_scheduler(address):
    """Dask's own client waits forever if something accepts the connection and never answers."""
    from distributed import rpc

    async def ask():
        async with rpc(address) as found:
            return await found.identity()

    try:
        with ThreadPoolExecutor(1) as thread:  # a notebook already runs an event loop in its own thread
            identity = thread.submit(asyncio.run, asyncio.wait_for(ask(), TIMEOUT)).result()
    except Exception as error:  # each protocol of Dask raises errors of its own
        raise EngineError(
            f"The scheduler {address!r} did not answer within {TIMEOUT} seconds. Check the address, and that "
            "`dask scheduler` runs there."
        ) from error
    if not identity["workers"]:
        raise EngineError(f"The scheduler {address!r} has no workers. Start some: dask worker {address}")


def _use_threads(threads):
    if not threads:
        return
    import cv2
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:
        if tf.config.threading.get_intra_op_parallelism_threads() != threads:
            raise EngineError(
                f"TensorFlow is already running here with a number of threads other than {threads}. Restart the "
                "process, or omit the number."
            ) from None
    cv2.setNumThreads(min(threads, os.cpu_count() or 1))
