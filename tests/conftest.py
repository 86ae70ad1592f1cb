"""What all tests share: no hang is endless, ranks stay together, a temporary folder that all ranks see."""

import faulthandler
import gc
import io
import tempfile

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from daily import COLLECTED, daily

try:
    from mpi4py import MPI
except ImportError:  # particles alone, without FEniCSx
    MPI = None


SILENT = pytest.StashKey[io.StringIO]()
FOLDER = pytest.StashKey[tempfile.TemporaryDirectory]()
# the number of modules whose tests are over
ENDED = pytest.StashKey[int]()


def pytest_addoption(parser):
    parser.addoption("--daily", action="store_true", help="the quick tests of every module: those of make check")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    config.stash[COLLECTED] = list(items)
    if config.option.daily:
        kept = daily(items)
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Each rank has its own temporary folder: pytest's common one is cleared at the end, by all ranks at once."""
    if MPI is not None and MPI.COMM_WORLD.size > 1 and config.option.basetemp is None:
        config.stash[FOLDER] = tempfile.TemporaryDirectory(prefix="scaling-limits-", ignore_cleanup_errors=True)
        config.option.basetemp = config.stash[FOLDER].name


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    """Only rank 0 writes to the terminal; the others keep what they have to say for a failure."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if MPI is not None and MPI.COMM_WORLD.rank > 0 and reporter is not None:
        reporter._tw._file = config.stash[SILENT] = io.StringIO()


def pytest_unconfigure(config):
    if FOLDER in config.stash:
        config.stash[FOLDER].cleanup()
    text = config.stash.get(SILENT, None)
    if text is not None and (" failed" in text.getvalue() or " error" in text.getvalue()):
        print(f"rank {MPI.COMM_WORLD.rank}:\n{text.getvalue()}", flush=True)


def pytest_collection_finish():
    """What the imports made stays to the end: it need not be looked through after every test."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_endless_hang(request):
    """A collective call that only some ranks make shows where it hangs, and ends."""
    terminal = request.config.stash.get(fault_handler_stderr_fd_key, 2)  # that of the process, not what is captured
    faulthandler.dump_traceback_later(120, exit=True, file=terminal)
    yield
    faulthandler.cancel_dump_traceback_later()
    gc.collect()  # PETSc objects are destroyed collectively
    # what is left belongs to the module or to a cache: it is not looked through again after every test
    gc.freeze()
    if MPI is not None:
        MPI.COMM_WORLD.barrier()


@pytest.fixture(scope="module", autouse=True)
def what_modules_leave(request):
    """What became garbage after it had been frozen is collected at the end of every eighth module, by all ranks alike.

    Everything that was ever imported is looked through for it, which takes longer than many a module's tests.
    """
    yield
    ended = request.config.stash.get(ENDED, 0) + 1
    request.config.stash[ENDED] = ended
    if ended % 8 == 0:
        gc.unfreeze()
        gc.collect()
        gc.freeze()


@pytest.fixture
def shared_folder(tmp_path):
    """The temporary folder of rank 0, on all ranks."""
    return tmp_path if MPI is None else MPI.COMM_WORLD.bcast(tmp_path)
