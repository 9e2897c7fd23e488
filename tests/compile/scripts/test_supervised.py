"""Models that learn from pairs: regression, classification, text, and what else is fitted to given answers."""

import math
from typing import Any

import pyautograd as torch
from pyautograd import Tensor, nn, optim
from pyautograd.nn import functional as F

from .script import check, coins, integers, normal, uniform


def test_linear_regression() -> None:
    def script() -> Any:
        model = nn.Linear(3, 1)
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        criterion = nn.MSELoss()
        losses: list[float] = []

        def step(x: Tensor, y: Tensor) -> Tensor:
            prediction = model(x)
            loss = criterion(prediction, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            return loss

        return step, (model, optimizer, losses)

    check(script, normal(16, 3), normal(16, 1))


def test_logistic_regression_by_hand() -> None:
    def script() -> Any:
        w = torch.zeros(4, requires_grad=True)
        b = torch.zeros(1, requires_grad=True)

        def step(x: Tensor, y: Tensor, lr: float = 0.1) -> Any:
            p = torch.sigmoid(x @ w + b)
            loss = -(y * torch.log(p + 1e-7) + (1 - y) * torch.log(1 - p + 1e-7)).mean()
            loss.backward()
            with torch.no_grad():
                for parameter in (w, b):
                    parameter -= lr * parameter.grad
                    parameter.grad.zero_()
            accuracy = ((p > 0.5).float() == y).float().mean()
            return loss, accuracy

        return step, (w, b)

    check(script, normal(16, 4), coins(16))


class BatchNorm:
    """Normalises by statistics that it keeps itself, as lectures write it."""

    def __init__(self, dim: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        self.eps = eps
        self.momentum = momentum
        self.training = True
        self.gamma = torch.ones(dim)
        self.beta = torch.zeros(dim)
        self.running_mean = torch.zeros(dim)
        self.running_var = torch.ones(dim)

    def __call__(self, x: Tensor) -> Tensor:
        if self.training:
            mean = x.mean(0, keepdim=True)
            var = x.var(0, keepdim=True)
        else:
            mean, var = self.running_mean, self.running_var
        xhat = (x - mean) / torch.sqrt(var + self.eps)
        self.out = self.gamma * xhat + self.beta
        if self.training:
            with torch.no_grad():
                self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
                self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var
        return self.out

    def parameters(self) -> list[Tensor]:
        return [self.gamma, self.beta]


class Linear:
    def __init__(self, fan_in: int, fan_out: int) -> None:
        self.weight = torch.randn(fan_in, fan_out) / fan_in**0.5

    def __call__(self, x: Tensor) -> Tensor:
        self.out = x @ self.weight
        return self.out

    def parameters(self) -> list[Tensor]:
        return [self.weight]


class Tanh:
    def __call__(self, x: Tensor) -> Tensor:
        self.out = torch.tanh(x)
        return self.out

    def parameters(self) -> list[Tensor]:
        return []


def test_char_mlp_with_a_batch_norm_by_hand() -> None:
    def script() -> Any:
        C = torch.randn(9, 2)
        layers = [Linear(6, 8), BatchNorm(8), Tanh(), Linear(8, 9), BatchNorm(9)]
        parameters = [C] + [p for layer in layers for p in layer.parameters()]
        for p in parameters:
            p.requires_grad = True
        lossi: list[float] = []

        def step(xb: Tensor, yb: Tensor) -> Tensor:
            emb = C[xb]
            x = emb.view(emb.shape[0], -1)
            for layer in layers:
                x = layer(x)
            loss = F.cross_entropy(x, yb)
            for p in parameters:
                p.grad = None
            loss.backward()
            for p in parameters:
                p.data += -0.1 * p.grad
            lossi.append(loss.log().item())
            return loss

        return step, (parameters, lossi, layers)

    check(script, integers(9, 12, 3), integers(9, 12))


def test_char_rnn() -> None:
    class RNN(nn.Module):
        def __init__(self, vocabulary: int, hidden: int) -> None:
            super().__init__()
            self.hidden = hidden
            self.embed = nn.Embedding(vocabulary, hidden)
            self.cell = nn.Linear(2 * hidden, hidden)
            self.head = nn.Linear(hidden, vocabulary)

        def forward(self, tokens: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
            outputs = []
            for t in range(tokens.shape[1]):
                h = torch.tanh(self.cell(torch.cat([self.embed(tokens[:, t]), h], dim=1)))
                outputs.append(self.head(h))
            return torch.stack(outputs, dim=1), h

    def script() -> Any:
        model = RNN(7, 5)
        optimizer = optim.Adam(model.parameters(), lr=1e-2)
        state = {"h": torch.zeros(4, 5)}

        def step(x: Tensor, y: Tensor) -> Tensor:
            logits, h = model(x, state["h"])
            state["h"] = h.detach()
            loss = F.cross_entropy(logits.view(-1, 7), y.view(-1))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            return loss

        return step, (model, optimizer, state)

    check(script, integers(7, 4, 6), integers(7, 4, 6))


class Head(nn.Module):
    def __init__(self, n_embd: int, head_size: int, block_size: int, dropout: float) -> None:
        super().__init__()
        self.key = nn.Linear(n_embd, head_size, bias=False)
        self.query = nn.Linear(n_embd, head_size, bias=False)
        self.value = nn.Linear(n_embd, head_size, bias=False)
        self.register_buffer("tril", torch.tril(torch.ones(block_size, block_size)))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        T = x.shape[1]
        k, q = self.key(x), self.query(x)
        wei = q @ k.transpose(-2, -1) * k.shape[-1] ** -0.5
        wei = wei.masked_fill(self.tril[:T, :T] == 0, float("-inf"))
        wei = self.dropout(F.softmax(wei, dim=-1))
        return wei @ self.value(x)  # type: ignore[no-any-return]


class Block(nn.Module):
    def __init__(self, n_embd: int, n_head: int, block_size: int) -> None:
        super().__init__()
        size = n_embd // n_head
        self.heads = nn.ModuleList([Head(n_embd, size, block_size, 0.1) for _ in range(n_head)])
        self.proj = nn.Linear(n_embd, n_embd)
        self.ffwd = nn.Sequential(nn.Linear(n_embd, 4 * n_embd), nn.GELU(), nn.Linear(4 * n_embd, n_embd))
        self.ln1, self.ln2 = nn.LayerNorm(n_embd), nn.LayerNorm(n_embd)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.ln1(x)
        x = x + self.proj(torch.cat([h(normed) for h in self.heads], dim=-1))
        return x + self.ffwd(self.ln2(x))  # type: ignore[no-any-return]


class GPT(nn.Module):
    def __init__(self, vocab_size: int = 11, n_embd: int = 8, block_size: int = 6, n_layer: int = 2) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocab_size, n_embd)
        self.position_embedding = nn.Embedding(block_size, n_embd)
        self.blocks = nn.Sequential(*[Block(n_embd, 2, block_size) for _ in range(n_layer)])
        self.ln_f = nn.LayerNorm(n_embd)
        self.lm_head = nn.Linear(n_embd, vocab_size)

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        B, T = idx.shape
        x = self.token_embedding(idx) + self.position_embedding(torch.arange(T))
        logits = self.lm_head(self.ln_f(self.blocks(x)))
        if targets is None:
            return logits, None
        B, T, C = logits.shape
        return logits, F.cross_entropy(logits.view(B * T, C), targets.view(B * T))


def test_tiny_gpt() -> None:
    def script() -> Any:
        model = GPT()
        optimizer = optim.AdamW(model.parameters(), lr=1e-3)

        def step(xb: Tensor, yb: Tensor) -> Tensor | None:
            _, loss = model(xb, yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        return step, (model, optimizer)

    check(script, integers(11, 4, 6), integers(11, 4, 6))


def test_mixture_density_network() -> None:
    class MDN(nn.Module):
        def __init__(self, hidden: int, mixtures: int) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(1, hidden), nn.Tanh())
            self.pi, self.mu, self.log_sigma = (nn.Linear(hidden, mixtures) for _ in range(3))

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            h = self.body(x)
            return F.log_softmax(self.pi(h), dim=-1), self.mu(h), self.log_sigma(h)

    def script() -> Any:
        model = MDN(10, 3)
        optimizer = optim.Adam(model.parameters(), lr=1e-2)

        def step(x: Tensor, y: Tensor) -> dict[str, Tensor]:
            log_pi, mu, log_sigma = model(x)
            z = (y - mu) / log_sigma.exp()
            log_normal = -0.5 * z**2 - log_sigma - 0.5 * math.log(2 * math.pi)
            loss = -torch.logsumexp(log_pi + log_normal, dim=1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return {"loss": loss, "sigma": log_sigma.exp().mean().detach()}

        return step, (model, optimizer)

    check(script, normal(16, 1), normal(16, 1))


def test_kolmogorov_arnold_network() -> None:
    class KANLayer(nn.Module):
        """Learned functions on the edges: sums of Gaussian bumps on a grid."""

        def __init__(self, n_in: int, n_out: int, n_grid: int = 5) -> None:
            super().__init__()
            self.register_buffer("grid", torch.linspace(-2, 2, n_grid))
            self.coef = nn.Parameter(torch.randn(n_in, n_grid, n_out) * 0.1)
            self.base = nn.Parameter(torch.randn(n_in, n_out) * 0.5)

        def forward(self, x: Tensor) -> Tensor:
            basis = torch.exp(-((x.unsqueeze(-1) - self.grid) ** 2))
            spline = basis.flatten(1) @ self.coef.view(-1, self.coef.shape[-1])
            return F.silu(x) @ self.base + spline

        def smoothness(self) -> Tensor:
            return (self.coef[:, 1:] - self.coef[:, :-1]).pow(2).sum()

    def script() -> Any:
        model = nn.Sequential(KANLayer(2, 4), KANLayer(4, 1))
        optimizer = optim.Adam(model.parameters(), lr=1e-2)

        def step(x: Tensor) -> Tensor:
            target = torch.exp(torch.sin(math.pi * x[:, [0]]) + x[:, [1]] ** 2)
            loss = F.mse_loss(model(x), target) + 1e-3 * sum(layer.smoothness() for layer in model)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        return step, (model, optimizer)

    check(script, normal(16, 2))


def test_sinusoidal_representation_network() -> None:
    class Sine(nn.Module):
        def __init__(self, n_in: int, n_out: int, omega: float = 30.0, first: bool = False) -> None:
            super().__init__()
            self.omega = omega
            self.linear = nn.Linear(n_in, n_out)
            bound = 1 / n_in if first else math.sqrt(6 / n_in) / omega
            with torch.no_grad():
                self.linear.weight.uniform_(-bound, bound)

        def forward(self, x: Tensor) -> Tensor:
            return torch.sin(self.omega * self.linear(x))

    def script() -> Any:
        model = nn.Sequential(Sine(2, 8, first=True), Sine(8, 8), nn.Linear(8, 1))
        optimizer = optim.Adam(model.parameters(), lr=1e-4)

        def step(coordinates: Tensor, pixels: Tensor) -> Tensor:
            optimizer.zero_grad()
            loss = ((model(coordinates) - pixels) ** 2).mean()
            loss.backward()
            optimizer.step()
            return -10 * torch.log(loss.detach()) / math.log(10)

        return step, (model, optimizer)

    check(script, uniform(16, 2), uniform(16, 1))


def test_distillation() -> None:
    def script() -> Any:
        teacher = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
        student = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
        teacher.eval()
        for p in teacher.parameters():
            p.requires_grad_(False)
        optimizer = optim.SGD(student.parameters(), lr=0.1)
        T, alpha = 2.0, 0.7

        def step(x: Tensor, y: Tensor) -> Any:
            with torch.no_grad():
                soft = F.softmax(teacher(x) / T, dim=1)
            logits = student(x)
            kl = F.kl_div(F.log_softmax(logits / T, dim=1), soft, reduction="batchmean") * (T * T)
            loss = alpha * kl + (1 - alpha) * F.cross_entropy(logits, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            correct = (logits.argmax(dim=1) == y).sum().item()
            return loss.item(), correct

        return step, (teacher, student, optimizer)

    check(script, normal(16, 4), integers(3, 16))


def test_contrastive_learning() -> None:
    def script() -> Any:
        encoder = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
        optimizer = optim.Adam(encoder.parameters(), lr=1e-3)
        tau = 0.5

        def step(x: Tensor) -> Tensor:
            z1 = encoder(x + 0.1 * torch.randn_like(x))
            z2 = encoder(x + 0.1 * torch.randn_like(x))
            z = torch.cat([z1, z2])
            z = z / z.norm(dim=1, keepdim=True)
            similarity = z @ z.T / tau
            n = x.shape[0]
            similarity = similarity.masked_fill(torch.eye(2 * n).bool(), -1e9)
            labels = torch.cat([torch.arange(n) + n, torch.arange(n)])
            loss = F.cross_entropy(similarity, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        return step, (encoder, optimizer)

    check(script, normal(8, 5))


def test_deep_sets() -> None:
    class DeepSets(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.phi = nn.Sequential(nn.Linear(2, 8), nn.ELU(), nn.Linear(8, 8))
            self.rho = nn.Sequential(nn.Linear(8, 8), nn.ELU(), nn.Linear(8, 1))

        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            h = self.phi(x) * mask.unsqueeze(-1)
            return self.rho(h.sum(dim=1)).squeeze(-1)  # type: ignore[no-any-return]

    def script() -> Any:
        model = DeepSets()
        optimizer = optim.RMSprop(model.parameters(), lr=1e-3)

        def step(x: Tensor, mask: Tensor) -> Tensor:
            target = (x * mask.unsqueeze(-1)).sum(dim=(1, 2))
            loss = F.l1_loss(model(x, mask), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        return step, (model, optimizer)

    check(script, normal(6, 4, 2), coins(6, 4))
