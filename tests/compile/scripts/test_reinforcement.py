"""Learning to act: value functions, policies, and both."""

import copy
from typing import Any

import pyautograd as torch
from pyautograd import Tensor, nn, optim
from pyautograd.nn import functional as F

from .script import check, coins, integers, normal, uniform


def test_deep_q_learning_with_soft_updates() -> None:
    class Agent:
        def __init__(self) -> None:
            self.policy_net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
            self.target_net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
            self.target_net.load_state_dict(self.policy_net.state_dict())
            self.optimizer = optim.AdamW(self.policy_net.parameters(), lr=1e-3)
            self.gamma, self.tau = 0.99, 0.05

        def optimize(self, state: Tensor, action: Tensor, reward: Tensor, next_state: Tensor, done: Tensor) -> Any:
            state_action_values = self.policy_net(state).gather(1, action)
            with torch.no_grad():
                next_state_values = self.target_net(next_state).max(1).values
            expected = reward + self.gamma * next_state_values * (1 - done)
            criterion = nn.SmoothL1Loss()
            loss = criterion(state_action_values, expected.unsqueeze(1))
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_value_(self.policy_net.parameters(), 100)
            self.optimizer.step()
            target_state, policy_state = self.target_net.state_dict(), self.policy_net.state_dict()
            for key in policy_state:
                target_state[key] = policy_state[key] * self.tau + target_state[key] * (1 - self.tau)
            self.target_net.load_state_dict(target_state)
            return loss

    def script() -> Any:
        agent = Agent()
        return agent.optimize, agent

    check(script, normal(8, 4), integers(2, 8, 1), normal(8), normal(8, 4), coins(8))


def test_deep_deterministic_policy_gradient() -> None:
    class Critic(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))

        def forward(self, s: Tensor, a: Tensor) -> Tensor:
            return self.q(torch.cat([s, a], dim=-1)).squeeze(-1)  # type: ignore[no-any-return]

    def script() -> Any:
        actor = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1), nn.Tanh())
        critic = Critic()
        target_actor, target_critic = copy.deepcopy(actor), copy.deepcopy(critic)
        actor_optimizer = optim.Adam(actor.parameters(), lr=1e-3)
        critic_optimizer = optim.Adam(critic.parameters(), lr=1e-3)

        def update(s: Tensor, a: Tensor, r: Tensor, s2: Tensor, d: Tensor) -> Any:
            with torch.no_grad():
                backup = r + 0.99 * (1 - d) * target_critic(s2, target_actor(s2))
            loss_q = ((critic(s, a) - backup) ** 2).mean()
            critic_optimizer.zero_grad()
            loss_q.backward()
            critic_optimizer.step()
            for p in critic.parameters():
                p.requires_grad = False
            actor_optimizer.zero_grad()
            loss_pi = -critic(s, actor(s)).mean()
            loss_pi.backward()
            actor_optimizer.step()
            for p in critic.parameters():
                p.requires_grad = True
            with torch.no_grad():
                for net, target in ((actor, target_actor), (critic, target_critic)):
                    for p, p_target in zip(net.parameters(), target.parameters()):
                        p_target.data.mul_(0.995)
                        p_target.data.add_((1 - 0.995) * p.data)
            return loss_q, loss_pi

        return update, (actor, critic, target_actor, target_critic, actor_optimizer, critic_optimizer)

    check(script, normal(8, 3), uniform(8, 1), normal(8), normal(8, 3), coins(8))


class ActorCritic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.affine = nn.Linear(4, 16)
        self.action_head = nn.Linear(16, 3)
        self.value_head = nn.Linear(16, 1)
        self.saved: list[tuple[Tensor, Tensor]] = []

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = F.relu(self.affine(x))
        return F.log_softmax(self.action_head(x), dim=-1), self.value_head(x).squeeze(-1)


def test_proximal_policy_optimisation() -> None:
    def script() -> Any:
        model = ActorCritic()
        optimizer = optim.Adam(model.parameters(), lr=3e-4, eps=1e-5)
        clip_coef, ent_coef, vf_coef = 0.2, 0.01, 0.5
        clipfracs: list[float] = []

        def update(obs: Tensor, action: Tensor, old_logprob: Tensor, advantage: Tensor, returns: Tensor) -> Any:
            for _epoch in range(2):
                log_probs, newvalue = model(obs)
                newlogprob = log_probs.gather(1, action.unsqueeze(1)).squeeze(1)
                entropy = -(log_probs.exp() * log_probs).sum(dim=1)
                logratio = newlogprob - old_logprob
                ratio = logratio.exp()
                with torch.no_grad():
                    clipfracs.append(((ratio - 1.0).abs() > clip_coef).float().mean().item())
                normalised = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
                pg_loss1 = -normalised * ratio
                pg_loss2 = -normalised * torch.clamp(ratio, 1 - clip_coef, 1 + clip_coef)
                pg_loss = torch.max(pg_loss1, pg_loss2).mean()
                v_loss = 0.5 * ((newvalue - returns) ** 2).mean()
                loss = pg_loss - ent_coef * entropy.mean() + v_loss * vf_coef
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 0.5)
                optimizer.step()
            return pg_loss, v_loss, entropy.mean()

        return update, (model, optimizer, clipfracs)

    check(script, normal(8, 4), integers(3, 8), normal(8), normal(8), normal(8))


def test_actor_critic_over_an_episode() -> None:
    def script() -> Any:
        model = ActorCritic()
        optimizer = optim.Adam(model.parameters(), lr=3e-2)

        def finish_episode(states: Tensor, actions: Tensor, rewards: Tensor) -> float:
            R = torch.zeros(())
            returns: list[Tensor] = []
            for t in range(states.shape[0]):
                log_probs, value = model(states[t])
                model.saved.append((log_probs.gather(0, actions[t : t + 1]).squeeze(0), value))
            for t in reversed(range(states.shape[0])):
                R = rewards[t] + 0.99 * R
                returns.insert(0, R)
            target = torch.stack(returns)
            target = (target - target.mean()) / (target.std() + 1e-6)
            policy_losses, value_losses = [], []
            for (log_prob, value), R in zip(model.saved, target):
                advantage = R - value.detach()
                policy_losses.append(-log_prob * advantage)
                value_losses.append(F.smooth_l1_loss(value, R))
            optimizer.zero_grad()
            loss = torch.stack(policy_losses).sum() + torch.stack(value_losses).sum()
            loss.backward()
            optimizer.step()
            del model.saved[:]
            return loss.item()

        return finish_episode, (model, optimizer)

    check(script, normal(5, 4), integers(3, 5), normal(5))


def test_linear_quadratic_regulator() -> None:
    def script() -> Any:
        A = torch.tensor([[1.0, 0.1], [0.0, 1.0]])
        B = torch.tensor([[0.0], [0.1]])
        Q, R = torch.eye(2), 0.1 * torch.eye(1)
        K = torch.zeros(1, 2, requires_grad=True)
        best = {"K": K.detach().clone()}

        def step(x: Tensor, lr: float = 0.01) -> Tensor:
            cost = torch.zeros(())
            for _t in range(10):
                u = -x @ K.T
                cost = cost + ((x @ Q) * x).sum(dim=1).mean() + ((u @ R) * u).sum(dim=1).mean()
                x = x @ A.T + u @ B.T
            if K.grad is not None:
                K.grad.zero_()
            cost.backward()
            with torch.no_grad():
                K.sub_(lr * K.grad)
            best["K"] = K.detach().clone()
            return cost

        return step, (K, best)

    check(script, normal(4, 2))
