"""MPI takes our tensors as they are, and averages gradients in the middle of a compiled step."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mpi4py")

PLACES = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join(PLACES))
OPEN_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",  # two processes on one core
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}
HEAD = "import numpy as np\nfrom mpi4py import MPI\nimport pyautograd as pa\ncomm = MPI.COMM_WORLD\n"

pytestmark = pytest.mark.skipif(MPIEXEC is None, reason="no mpiexec here")


def run(code: str, processes: int, folder: Path) -> None:
    """Runs a script in so many processes, all of which must come to its end."""
    script = folder / "script.py"
    script.write_text(HEAD + code, encoding="utf-8")
    done = subprocess.run(
        [str(MPIEXEC), "-n", str(processes), sys.executable, str(script)],
        env={**os.environ, **OPEN_MPI},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_tensors_of_every_dtype_are_buffers(tmp_path: Path) -> None:
    run("""
for dtype in (pa.float32, pa.float64, pa.int64, pa.int32, pa.uint8):
    mine, total = pa.ones(3, dtype=dtype), pa.zeros(3, dtype=dtype)
    comm.Allreduce(mine, total)
    comm.Allreduce(MPI.IN_PLACE, mine)
    assert mine.tolist() == total.tolist() == [2, 2, 2]
agree = pa.tensor([True, comm.rank == 0])
comm.Allreduce(MPI.IN_PLACE, agree, op=MPI.LAND)
assert agree.tolist() == [True, False]

row = pa.full((2,), float(comm.rank))
rows = pa.empty(comm.size, 2)
comm.Allgather(row, rows)
assert rows.tolist() == [[0, 0], [1, 1]]

pa.manual_seed(comm.rank)
model = pa.nn.Linear(3, 2)
for parameter in model.parameters():
    comm.Bcast(parameter.detach())
pa.manual_seed(0)
assert (model.weight == pa.nn.Linear(3, 2).weight).all()

assert (comm.bcast(model, 1).weight == model.weight).all()  # by pickle
try:
    comm.Bcast(model.weight)
except RuntimeError as error:
    assert "detach" in str(error)
else:
    raise AssertionError
try:
    comm.Allreduce(MPI.IN_PLACE, pa.zeros(4, 4).T[:, ::2])
except (ValueError, BufferError):
    pass
else:
    raise AssertionError
""", 2, tmp_path)  # fmt: skip


def test_gradients_are_averaged_in_a_compiled_step(tmp_path: Path) -> None:
    """As one process trains on the rows of both; weights of both processes have the same bits."""
    code = """
x = np.random.default_rng(0).normal(size=(128, 4)).astype(np.float32)
y = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
pa.manual_seed(0)
model = pa.nn.Sequential(pa.nn.Linear(4, 16), pa.nn.ReLU(), pa.nn.Linear(16, 2))
optimizer = pa.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

def average():
    for parameter in model.parameters():
        comm.Allreduce(MPI.IN_PLACE, parameter.grad)
        parameter.grad /= comm.size

@pa.compile
def step(x, y):
    optimizer.zero_grad()
    loss = pa.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    pa.host_call(average)
    optimizer.step()
    return loss

mine = slice(comm.rank, None, comm.size)
step.run(x[mine], y[mine], batch_size=32 // comm.size, epochs=10, shuffle=False)
assert step.programs
np.save(f"{comm.size}-{comm.rank}.npy", pa.nn.utils.parameters_to_vector(model.parameters()).detach().numpy())
"""
    for processes in (1, 2):
        run(code, processes, tmp_path)
    alone, first, second = (np.load(tmp_path / f"{name}.npy") for name in ("1-0", "2-0", "2-1"))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, alone, rtol=1e-4, atol=1e-6)
