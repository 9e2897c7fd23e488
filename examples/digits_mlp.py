"""A classifier of handwritten digits, written as one would for PyTorch.

python examples/digits_mlp.py
"""

import pyautograd as pa
from pyautograd import nn, optim
from pyautograd.datasets import load_digits, train_test_split
from pyautograd.utils.data import DataLoader, TensorDataset

pa.manual_seed(0)
X, y = load_digits()
train, test = train_test_split(len(X), 0.2, seed=0)
loader = DataLoader(TensorDataset(pa.tensor(X[train]), pa.tensor(y[train])), batch_size=32, shuffle=True)

model = nn.Sequential(
    nn.Linear(64, 128),
    nn.ReLU(),
    nn.Dropout(0.2),
    nn.Linear(128, 64),
    nn.ReLU(),
    nn.Linear(64, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)

for epoch in range(30):
    model.train()
    total = 0.0
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(xb)
    if epoch % 5 == 4:
        model.eval()
        with pa.no_grad():
            right = model(pa.tensor(X[test])).argmax(dim=1) == pa.tensor(y[test])
        print(f"epoch {epoch + 1:>2}: loss {total / len(train):.4f}, test accuracy {right.float().mean().item():.1%}")
