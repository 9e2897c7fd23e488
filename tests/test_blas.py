"""Large products go to NumPy's BLAS, to one that is named or to our own kernels, on as many threads as are set."""

import multiprocessing
import os
import subprocess
import sys
import textwrap

import pytest
from threadpoolctl import ThreadpoolController

import pyautograd as pa
from pyautograd import _blas

LIBRARIES = [info["filepath"] for info in ThreadpoolController().info() if info["user_api"] == "blas"]
needs_blas = pytest.mark.skipif(not LIBRARIES, reason="NumPy's BLAS is none that threadpoolctl knows")

LARGE = """
    import numpy as np, pyautograd as pa
    from pyautograd import _blas

    for dtype, tolerance in ((np.float32, 1e-3), (np.float64, 1e-11)):
        rng = np.random.default_rng(0)
        x, w, b = (rng.standard_normal(s).astype(dtype) for s in ((420, 410), (430, 410), (430,)))
        t = [pa.tensor(a, requires_grad=True) for a in (x, w, b)]
        y = pa.nn.functional.linear(*t)
        assert np.abs(y.detach().numpy() - (x @ w.T + b)).max() < tolerance
        g = rng.standard_normal(y.shape).astype(dtype)
        for times in (1, 2):
            pa.nn.functional.linear(*t).backward(pa.tensor(g))
            for tensor, expected in zip(t, (g @ w, g.T @ x, g.sum(0))):
                assert np.abs(tensor.grad.numpy() - times * expected).max() < 2 * tolerance
        z = pa.tensor(x)[:, ::2] @ pa.tensor(np.ascontiguousarray(w)).T[::2]
        assert np.abs(z.numpy() - x[:, ::2] @ w.T[::2]).max() < tolerance
        a = rng.standard_normal((2, 400, 410)).astype(dtype)
        assert np.abs((pa.tensor(a) @ pa.tensor(w.T)).numpy() - a @ w.T).max() < tolerance
    print(_blas._used is not None)
"""


def run(code, blas=None, **environment):
    """What a fresh interpreter prints, and what it complains about."""
    settings = {**os.environ, **environment}
    settings.pop("PYAUTOGRAD_BLAS", None)
    if blas is not None:
        settings["PYAUTOGRAD_BLAS"] = str(blas)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=settings, capture_output=True, text=True, timeout=600
    )
    return done.returncode, done.stdout.strip(), done.stderr


@needs_blas
def test_large_products_go_to_numpys_blas():
    assert run(LARGE) == (0, "True", "")


def test_large_products_stay_with_our_kernel_if_builtin_is_asked_for():
    assert run(LARGE, blas="builtin") == (0, "False", "")


@needs_blas
def test_large_products_go_to_a_library_named_by_its_path():
    assert run(LARGE, blas=LIBRARIES[0]) == (0, "True", "")


@needs_blas
def test_a_library_named_by_its_path_is_used_on_one_thread_too():
    assert run("import pyautograd as pa\npa.set_num_threads(1)\n" + textwrap.dedent(LARGE), blas=LIBRARIES[0])[0] == 0


@pytest.mark.parametrize("path", ["/nowhere/libblas.so", pa._core.__file__])
def test_a_path_that_leads_to_no_blas_is_refused(path):
    code, _, error = run("import pyautograd", blas=path)
    assert code == 1
    assert f"ImportError: PYAUTOGRAD_BLAS={path}" in error
    assert "`builtin` or the path of a library with cblas_sgemm" in error


def test_import_looks_for_no_blas():
    code = """
        import sys, pyautograd as pa
        pa.randn(100, 100) @ pa.randn(100, 100)
        print("threadpoolctl" in sys.modules)
    """
    assert run(code) == (0, "False", "")


@needs_blas
def test_threads_follow_the_blas_until_they_are_set():
    code = """
        import pyautograd as pa
        from threadpoolctl import ThreadpoolController, threadpool_limits
        path = pa._blas.blas_path()
        def numpys():
            return next(info["num_threads"] for info in ThreadpoolController().info() if info["filepath"] == path)
        assert pa.get_num_threads() == numpys()
        with threadpool_limits(1):
            assert pa.get_num_threads() == numpys() == 1
        pa.set_num_threads(3)
        assert pa.get_num_threads() == 3
    """
    assert run(code) == (0, "", "")


def test_without_a_blas_there_is_one_thread():
    assert run("import pyautograd as pa\nprint(pa.get_num_threads())", blas="builtin")[1] == "1"


@needs_blas
def test_numpys_own_setting_stays_as_it_is():
    code = """
        import pyautograd as pa
        from threadpoolctl import ThreadpoolController
        def numpys():
            return [info["num_threads"] for info in ThreadpoolController().info() if info["user_api"] == "blas"]
        before = numpys()
        for n in (1, 2, 3):
            pa.set_num_threads(n)
            pa.randn(400, 400) @ pa.randn(400, 400)
            assert numpys() == before
    """
    assert run(code, OPENBLAS_NUM_THREADS="2")[0] == 0


@pytest.mark.parametrize(("n", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)])
def test_numbers_of_threads_that_make_no_sense(n, error):
    with pytest.raises(error, match="set_num_threads: the number of threads"):
        pa.set_num_threads(n)


@needs_blas
def test_find_gives_the_one_numpy_uses():
    found = _blas.find()
    assert found is not None
    assert found.path in LIBRARIES
    assert found.sgemm and found.dgemm


def test_only_large_products_leave_our_own_kernel_and_its_one_thread():
    code = """
        import ctypes, pyautograd as pa
        from pyautograd._c import ffi, lib

        calls = []
        size, matrix = ctypes.c_int64, (ctypes.c_void_p, ctypes.c_int64)
        sgemm_type = ctypes.CFUNCTYPE(None, *[ctypes.c_int] * 3, *[size] * 3, ctypes.c_float, *matrix, *matrix,
                                      ctypes.c_float, *matrix)
        sgemm = sgemm_type(lambda order, trans_a, trans_b, m, n, k, *rest: calls.append((m, n, k)))
        pointer = ffi.cast("void *", ctypes.cast(sgemm, ctypes.c_void_p).value)
        lib.pa_blas_set(pointer, pointer, ffi.NULL, ffi.NULL, True, True)
        for n in (128, 390, 392):
            pa.ones(n, n) @ pa.ones(n, n)
        print(calls)
    """
    assert run(code) == (0, "[(392, 392, 392)]", "")


SLOW_BLAS = """
    import ctypes, os, threading, warnings, pyautograd as pa
    from pyautograd._c import ffi, lib

    setting = 4
    products = []  # of those under way: two events, one to say that it is and one to go on

    def sgemm(*arguments):
        begun, may_end = products.pop()
        begun.set()
        may_end.wait(600)

    def set_threads(n):
        global setting
        setting = n

    def product(begun, may_end):
        products.append((begun, may_end))
        pa.ones(400, 400) @ pa.ones(400, 400)

    size, matrix = ctypes.c_int64, (ctypes.c_void_p, ctypes.c_int64)
    kept = [
        ctypes.CFUNCTYPE(None, *[ctypes.c_int] * 3, *[size] * 3, ctypes.c_float, *matrix, *matrix, ctypes.c_float,
                         *matrix)(sgemm),
        ctypes.CFUNCTYPE(None, ctypes.c_int)(set_threads),
        ctypes.CFUNCTYPE(ctypes.c_int)(lambda: setting),
    ]
    pointers = [ffi.cast("void *", ctypes.cast(each, ctypes.c_void_p).value) for each in kept]
    lib.pa_blas_set(pointers[0], pointers[0], *pointers[1:], True, True)
    pa._blas._looked = True
    begun, may_end = threading.Event(), threading.Event()
    thread = threading.Thread(target=product, args=(begun, may_end))
    pa.set_num_threads(2)
    thread.start()
    begun.wait(600)
    assert setting == 2
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_forked_during_a_product_has_the_setting_from_before_it():
    code = """
    warnings.simplefilter("ignore", DeprecationWarning)  # of CPython 3.12 and later: a process of two threads forks
    pid = os.fork()
    if pid == 0:
        os._exit(setting)
    may_end.set()
    thread.join()
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), setting)
    """
    assert run(SLOW_BLAS + code) == (0, "4 4", "")


def test_products_that_overlap_leave_the_setting_as_it_was():
    code = """
    class Other:  # of the second product, which begins and ends while the first is under way, or ends after it
        def set(self):
            if first_ends_first:
                may_end.set()
                thread.join()
        def wait(self, seconds):
            pass

    for first_ends_first in (False, True):
        pa.set_num_threads(3)
        product(Other(), Other())
        assert pa.get_num_threads() == 3
    print(setting)
    """
    assert run(SLOW_BLAS + code) == (0, "4", "")


@needs_blas
def test_limits_of_numpys_pool_hold_for_us():
    code = """
        import pyautograd as pa
        from threadpoolctl import threadpool_limits
        assert pa._blas.blas_path() is not None
        with threadpool_limits(1):
            assert pa.get_num_threads() == 1
    """
    assert run(code) == (0, "", "")


WORKERS = """
    import multiprocessing, sys, pyautograd as pa

    def found():
        with context.Pool(1) as pool:
            return pool.apply(pa.get_num_threads)

    context = multiprocessing.get_context(sys.argv[1])
    before = found()
    pa.set_num_threads(3)
    print(before, found())
"""


@needs_blas
@pytest.mark.parametrize("start", multiprocessing.get_all_start_methods())
def test_a_worker_takes_one_core_unless_it_is_told(start, monkeypatch):
    for variable in _blas.THREAD_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    code = textwrap.dedent(WORKERS).replace("sys.argv[1]", repr(start))
    told = 3 if start == "fork" else 1  # who is forked knows what its parent was told
    assert run(code) == (0, f"1 {told}", "")
    assert run(code, OPENBLAS_NUM_THREADS="2")[1] == f"2 {told if start == 'fork' else 2}"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_plain_fork_takes_what_its_parent_took():
    code = """
        import multiprocessing.util, os, warnings, pyautograd as pa
        warnings.simplefilter("ignore", DeprecationWarning)  # of CPython 3.12 and later: the BLAS has threads
        before = pa.get_num_threads()
        pid = os.fork()
        if pid == 0:
            os._exit(pa.get_num_threads() != before)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """
    assert run(code) == (0, "0", "")
