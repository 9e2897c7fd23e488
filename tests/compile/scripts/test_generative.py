"""Models of how data came about: autoencoders, adversaries, flows, diffusion, energies."""

import math
from typing import Any

import pyautograd as torch
from pyautograd import Tensor, nn, optim
from pyautograd.nn import functional as F

from .script import check, normal, uniform


def test_autoencoder() -> None:
    class Autoencoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 2))
            self.decoder = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 12), nn.Sigmoid())

        def forward(self, x: Tensor) -> Tensor:
            return self.decoder(self.encoder(x))  # type: ignore[no-any-return]

    def script() -> Any:
        model = Autoencoder()
        criterion = nn.BCELoss()
        optimizer = optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)

        def step(img: Tensor) -> Tensor:
            img = img.view(img.size(0), -1)
            noisy = img + 0.1 * torch.randn(img.shape)
            output = model(noisy)
            loss = criterion(output, img)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.data

        return step, (model, optimizer)

    check(script, uniform(8, 3, 4))


def test_variational_autoencoder() -> None:
    class VAE(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1 = nn.Linear(10, 8)
            self.fc21 = nn.Linear(8, 2)
            self.fc22 = nn.Linear(8, 2)
            self.fc3 = nn.Linear(2, 8)
            self.fc4 = nn.Linear(8, 10)

        def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
            h1 = F.relu(self.fc1(x))
            return self.fc21(h1), self.fc22(h1)

        def reparameterize(self, mu: Tensor, logvar: Tensor) -> Tensor:
            std = torch.exp(0.5 * logvar)
            eps = torch.randn_like(std)
            return mu + eps * std

        def decode(self, z: Tensor) -> Tensor:
            return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            mu, logvar = self.encode(x.view(-1, 10))
            z = self.reparameterize(mu, logvar)
            return self.decode(z), mu, logvar

    def loss_function(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
        BCE = F.binary_cross_entropy(recon_x, x.view(-1, 10), reduction="sum")
        KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
        return BCE + KLD

    def script() -> Any:
        model = VAE()
        optimizer = optim.Adam(model.parameters(), lr=1e-3)
        model.train()

        def step(data: Tensor) -> float:
            optimizer.zero_grad()
            recon_batch, mu, logvar = model(data)
            loss = loss_function(recon_batch, data, mu, logvar)
            loss.backward()
            optimizer.step()
            return loss.item() / len(data)

        return step, (model, optimizer)

    check(script, uniform(8, 2, 5))


def test_generative_adversarial_network() -> None:
    def script() -> Any:
        latent = 3
        netG = nn.Sequential(nn.Linear(latent, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
        netD = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(8, 1), nn.Sigmoid())
        criterion = nn.BCELoss()
        optimizerD = optim.Adam(netD.parameters(), lr=2e-4, betas=(0.5, 0.999))
        optimizerG = optim.Adam(netG.parameters(), lr=2e-4, betas=(0.5, 0.999))
        G_losses: list[float] = []
        D_losses: list[float] = []

        def step(real: Tensor) -> None:
            netD.zero_grad()
            label = torch.full((real.size(0),), 1.0)
            output = netD(real).view(-1)
            errD_real = criterion(output, label)
            errD_real.backward()
            noise = torch.randn(real.size(0), latent)
            fake = netG(noise)
            label.fill_(0.0)
            output = netD(fake.detach()).view(-1)
            errD_fake = criterion(output, label)
            errD_fake.backward()
            errD = errD_real + errD_fake
            optimizerD.step()
            netG.zero_grad()
            label.fill_(1.0)
            output = netD(fake).view(-1)
            errG = criterion(output, label)
            errG.backward()
            optimizerG.step()
            G_losses.append(errG.item())
            D_losses.append(errD.item())

        return step, (netG, netD, optimizerD, optimizerG, G_losses, D_losses)

    check(script, normal(8, 2))


def test_real_nvp() -> None:
    class Coupling(nn.Module):
        def __init__(self, mask: list[float]) -> None:
            super().__init__()
            self.register_buffer("mask", torch.tensor(mask))
            self.scale = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2), nn.Tanh())
            self.shift = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            kept = x * self.mask
            s = self.scale(kept) * (1 - self.mask)
            t = self.shift(kept) * (1 - self.mask)
            return kept + (1 - self.mask) * (x * torch.exp(s) + t), s.sum(dim=1)

    class RealNVP(nn.Module):
        def __init__(self, n: int) -> None:
            super().__init__()
            self.layers = nn.ModuleList([Coupling([float(i % 2), float(1 - i % 2)]) for i in range(n)])

        def log_prob(self, x: Tensor) -> Tensor:
            log_det = x.new_zeros(x.shape[0])
            for layer in self.layers:
                x, ld = layer(x)
                log_det += ld
            return -0.5 * (x**2).sum(dim=1) - math.log(2 * math.pi) + log_det

    def script() -> Any:
        flow = RealNVP(4)
        optimizer = optim.Adam([p for p in flow.parameters() if p.requires_grad], lr=1e-3)

        def step(x: Tensor) -> Tensor:
            optimizer.zero_grad(set_to_none=True)
            loss = -flow.log_prob(x).mean()
            loss.backward()
            optimizer.step()
            return loss

        return step, (flow, optimizer)

    check(script, normal(12, 2))


def test_diffusion() -> None:
    class Denoiser(nn.Module):
        def __init__(self, T: int) -> None:
            super().__init__()
            self.time = nn.Embedding(T, 8)
            self.net = nn.Sequential(nn.Linear(10, 16), nn.SiLU(), nn.Linear(16, 2))

        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            return self.net(torch.cat([x, self.time(t)], dim=-1))  # type: ignore[no-any-return]

    def script() -> Any:
        T = 10
        betas = [1e-4 + (0.02 - 1e-4) * t / (T - 1) for t in range(T)]
        products = [math.prod(1 - beta for beta in betas[: t + 1]) for t in range(T)]
        alphas_bar = torch.tensor(products)
        model, ema = Denoiser(T), Denoiser(T)
        ema.load_state_dict(model.state_dict())
        optimizer = optim.Adam(model.parameters(), lr=1e-3)

        def step(x0: Tensor) -> Tensor:
            t = torch.randint(0, T, (x0.shape[0],))
            noise = torch.randn_like(x0)
            a = alphas_bar[t].unsqueeze(1)
            xt = a.sqrt() * x0 + (1 - a).sqrt() * noise
            loss = F.mse_loss(model(xt, t), noise)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            with torch.no_grad():
                for p, q in zip(model.parameters(), ema.parameters()):
                    q.mul_(0.99).add_(p, alpha=0.01)
            return loss

        return step, (model, ema, optimizer)

    check(script, normal(8, 2))


def test_energy_of_a_modern_hopfield_net() -> None:
    def script() -> Any:
        memory = nn.Parameter(torch.randn(5, 4))
        optimizer = optim.SGD([memory], lr=0.05)
        beta = 2.0

        def step(x: Tensor) -> Tensor:
            x = x.clone().requires_grad_()
            energy = (-torch.logsumexp(beta * x @ memory.T, dim=1) / beta + 0.5 * (x * x).sum(dim=1)).sum()
            energy.backward()
            retrieved = (x - 0.1 * x.grad).detach()
            optimizer.zero_grad()
            loss = (torch.softmax(beta * retrieved @ memory.T, dim=1) @ memory - retrieved).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        return step, (memory, optimizer)

    check(script, normal(6, 4))
